"""``menshen audit``: check the log's chain, and keep its end where the database cannot reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alerts.auditing.audit import AuditLog
from alerts.auditing.checkpoints import FILE_NAME, parse_head, verify_against
from alerts.database import open_database
from config.clock import SystemClock
from config.errors import UserError
from config.settings import load_settings

audit = typer.Typer(no_args_is_help=True)


@audit.callback()
def _audit() -> None:
    """Check the audit log."""


@audit.command(
    epilog="Example: menshen audit verify --checkpoints /media/safe/audit-checkpoints.jsonl"
)
def verify(
    checkpoint: Annotated[
        str | None,
        typer.Option(help="ROWS:HASH, as `menshen audit checkpoint` printed it some time ago."),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="File of checkpoints; by default the one that the centre writes, if it is there."
        ),
    ] = None,
) -> None:
    """Check every row of the audit log; name the first bad one and exit with 1."""
    settings = load_settings()
    known = parse_head(checkpoint) if checkpoint is not None else None
    if checkpoint is not None and known is None:
        raise UserError(
            where="--checkpoint",
            problem="is not ROWS:HASH",
            remedy="give a line that `menshen audit checkpoint` printed",
        )
    if checkpoints is not None and not checkpoints.exists():
        raise UserError(
            where=str(checkpoints),
            problem="does not exist",
            remedy=f"give the file that the centre writes, by default {FILE_NAME}",
        )
    path = checkpoints or settings.audit_checkpoints or settings.data_dir / FILE_NAME
    engine = open_database(settings)
    try:
        log = AuditLog(engine, SystemClock())
        finding, head = verify_against(log, path, known), log.head()
    finally:
        engine.dispose()
    if finding is not None:
        typer.echo(f"Row {finding.seq} {finding.problem}.")
        raise typer.Exit(1)
    against = f", and {path} agrees" if path.exists() else "; no file of checkpoints was found"
    typer.echo(f"{head.rows} rows, each follows the one before it{against}.")
    typer.echo(f"End of the chain: {head.rows}:{head.hash}")


@audit.command(epilog="Example: menshen audit checkpoint >> /media/safe/checkpoints.txt")
def checkpoint() -> None:
    """Print the end of the chain as ROWS:HASH, to be kept where this machine cannot write."""
    engine = open_database(load_settings())
    try:
        head = AuditLog(engine, SystemClock()).head()
    finally:
        engine.dispose()
    typer.echo(f"{head.rows}:{head.hash}")
