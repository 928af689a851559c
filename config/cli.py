"""``menshen config``: check a site description and explain its keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.site import Site, load_site

app = typer.Typer(no_args_is_help=True)


@app.command(epilog="Example: menshen config check config/example_county.toml")
def check(file: Annotated[Path, typer.Argument(help="Site description, TOML.")]) -> None:
    """Check a site description; print what it describes, or the first error and its line."""
    site = load_site(file)
    table = Table(title=f"{site.county.name} ({site.county.id})", title_justify="left")
    for column in ("camera", "name", "node", "grid", "class", "face"):
        table.add_column(column)
    for camera in site.cameras:
        table.add_row(
            camera.id, camera.name, camera.node, camera.grid, camera.legal_class, camera.face
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
