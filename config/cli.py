"""``menshen config``: check a site description and explain its keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.csv_import import as_toml, read_cameras, secrets_toml
from config.errors import UserError
from config.site import Site, load_site
from config.web_secrets import new_seal_key

app = typer.Typer(no_args_is_help=True)


@app.command(epilog="Example: menshen config check config/example_county.toml")
def check(file: Annotated[Path, typer.Argument(help="Site description, TOML.")]) -> None:
    """Check a site description; print what it describes, or the first error and its line."""
    site = load_site(file)
    table = Table(title=escape(f"{site.county.name} ({site.county.id})"), title_justify="left")
    for column in ("camera", "name", "node", "grid", "class", "face"):
        table.add_column(column)
    for camera in site.cameras:
        table.add_row(
            camera.id,
            escape(camera.name),
            camera.node,
            camera.grid,
            camera.legal_class,
            camera.face,
        )
    console = Console()
    console.print(table)
    console.print(
        f"{len(site.cameras)} cameras, {len(site.nodes)} nodes, {len(site.grids)} grids, "
        f"{len(site.people)} people, {len(site.rules)} rules: all good."
    )


@app.command(epilog="Example: menshen config schema > site.schema.json")
def schema() -> None:
    """Print the JSON schema of a site description, every key explained."""
    typer.echo(json.dumps(Site.model_json_schema(), ensure_ascii=False, indent=2))


@app.command("new-key", epilog="Example: menshen config new-key >> secrets.toml")
def new_key() -> None:
    """Print a fresh key that seals what the centre stores, as lines of a secrets file."""
    typer.echo(f'[web]\nseal_key = "{new_seal_key()}"')


@app.command(
    "import", epilog="Example: menshen config import cameras.csv --secrets-out secrets.toml"
)
def import_cameras(
    file: Annotated[Path, typer.Argument(help="List of cameras, CSV; Chinese headings are known.")],
    secrets_out: Annotated[
        Path | None, typer.Option(help="New file for the credentials found in the list.")
    ] = None,
) -> None:
    """Turn an installer's CSV list into the cameras of a site description, as TOML."""
    cameras, secrets = read_cameras(file)
    if secrets:
        _write_secrets(secrets_out, secrets_toml(secrets))
    typer.echo(as_toml(cameras))
    Console(stderr=True).print(f"{len(cameras)} cameras, {len(secrets)} with credentials.")


def _write_secrets(path: Path | None, text: str) -> None:
    if path is None:
        raise UserError(
            where="menshen config import",
            problem="the list has credentials, which do not belong in a site file",
            remedy="say where to put them: --secrets-out secrets.toml",
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be written ({type(error).__name__})",
            remedy="name a file that does not exist yet",
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
