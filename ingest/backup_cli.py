"""``menshen backup`` and ``menshen restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.settings import load_settings
from ingest.backup import back_up, restore

backup = typer.Typer()
restoring = typer.Typer()


def _database() -> str:
    settings = load_settings()
    return settings.database or f"sqlite:///{settings.data_dir.resolve() / 'centre.db'}"


@backup.callback(
    invoke_without_command=True, epilog="Example: menshen backup --out /media/safe/monday.backup"
)
def _backup(out: Annotated[Path, typer.Option(help="The file to write; must not exist.")]) -> None:
    """Copy the centre's database (MENSHEN_DATABASE) while it runs; evidence files not included."""
    back_up(_database(), out)
    typer.echo(f"Written: {out}")


@restoring.callback(
    invoke_without_command=True,
    epilog="Example: menshen restore --from /media/safe/monday.backup (MENSHEN_DATABASE is empty)",
)
def _restore(
    source: Annotated[Path, typer.Option("--from", help="A file that `menshen backup` wrote.")],
) -> None:
    """Fill the empty database that MENSHEN_DATABASE names from a backup."""
    restore(_database(), source)
    typer.echo("Restored, and at the newest schema.")
