"""``menshen backup`` and ``menshen restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings, load_settings
from ingest.backup.database import back_up, restore
from ingest.backup.evidence import copy_evidence, restore_evidence
from ingest.media.opening import open_media

backup = typer.Typer()
restoring = typer.Typer()
WithoutEvidence = Annotated[
    bool, typer.Option("--without-evidence", help="Only the database, no pictures and clips.")
]


def _database(settings: Settings) -> str:
    return settings.database or f"sqlite:///{settings.data_dir.resolve() / 'centre.db'}"


@backup.callback(
    invoke_without_command=True, epilog="Example: menshen backup --out /media/safe/monday.backup"
)
def _backup(
    out: Annotated[Path, typer.Option(help="The file to write; must not exist.")],
    without_evidence: WithoutEvidence = False,
) -> None:
    """Copy the centre's database and evidence while it runs.

    The database goes to the file, the evidence to the folder ``evidence`` beside it, which all
    backups there share: each picture is copied once. To forget a backup, delete its file and its
    list (``.files``); the next backup removes what only it needed.
    """
    settings = load_settings()
    back_up(_database(settings), out)
    typer.echo(f"Written: {out}")
    if not without_evidence:
        copied = copy_evidence(open_media(settings), out)
        typer.echo(f"Evidence: {copied.files} files, {copied.new} new, {copied.pruned} removed.")


@restoring.callback(
    invoke_without_command=True,
    epilog="Example: menshen restore --from /media/safe/monday.backup (MENSHEN_DATABASE is empty)",
)
def _restore(
    source: Annotated[Path, typer.Option("--from", help="A file that `menshen backup` wrote.")],
    without_evidence: WithoutEvidence = False,
) -> None:
    """Fill the empty database that MENSHEN_DATABASE names, and the store of evidence."""
    settings = load_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    restore(_database(settings), source)
    typer.echo("Restored, and at the newest schema.")
    if not without_evidence:
        typer.echo(f"Evidence: {restore_evidence(open_media(settings), source)} files put back.")
