"""``menshen centre``, ``menshen alerts`` and ``menshen audit``."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from alerts.audit import AuditLog, Head
from alerts.auditor import Auditor
from alerts.centre import Centre, Plan, chosen_parts, free_port
from alerts.database import open_database
from alerts.explain import Explanation, explain_event
from alerts.journal import Journal
from config.clock import SystemClock, local_text
from config.errors import UserError
from config.logs import configure_logs
from config.secrets import load_secrets
from config.settings import load_settings
from config.site import load_site

centre = typer.Typer(no_args_is_help=True)
app = typer.Typer(no_args_is_help=True)
audit = typer.Typer(no_args_is_help=True)

SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
_EXAMPLE_SITE = Path("config/example_county.toml")


@centre.callback()
def _centre() -> None:
    """Run the centre."""


@app.callback()
def _app() -> None:
    """Look into alerts."""


@audit.callback()
def _audit() -> None:
    """Check the audit log."""


@centre.command(
    epilog="Example: menshen centre run --site county.toml --secrets secrets.toml --port 8080"
)
def run(
    site: SiteOption,
    secrets: Annotated[
        Path | None, typer.Option(help="Passwords, node tokens and webhook keys; mode 600.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address the pages listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    only: Annotated[
        str | None, typer.Option(help="Parts to run, comma-separated: ingest,router,web.")
    ] = None,
    broker_host: Annotated[
        str, typer.Option(help="Address of the embedded broker, if MENSHEN_BROKER is unset.")
    ] = "127.0.0.1",
    broker_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the embedded broker; 0: a free one.")
    ] = 1883,
    public_url: Annotated[
        str | None, typer.Option(help="Address of the pages as people reach them, for links.")
    ] = None,
    events_log: Annotated[
        Path | None,
        typer.Option(help="Append a JSON line per event and alert to this file; - is stdout."),
    ] = None,
) -> None:
    """Receive events, decide who must know, tell them, and serve the pages, until stopped."""
    settings = load_settings()
    configure_logs(style=settings.log_style, level=settings.log_level)
    for chatty in ("amqtt", "transitions", "alembic", "uvicorn.error", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    clock = SystemClock()
    plan = Plan(
        site=load_site(site),
        secrets=load_secrets(secrets),
        settings=settings,
        host=host,
        port=port,
        broker_host=broker_host,
        broker_port=broker_port or free_port(broker_host),
        parts=chosen_parts(only),
        public_url=public_url,
    )
    journal = Journal.open(events_log, sys.stdout, clock) if events_log is not None else None
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    running = Centre(plan, clock, journal)
    try:
        _start(running)
        if not stopping.is_set():
            _announce(running)
        stopping.wait()
    finally:
        running.stop()
        if journal is not None:
            journal.close()


def _start(running: Centre) -> None:
    try:
        running.start()
    except OperationalError as error:
        raise UserError(
            where="database",
            problem=f"cannot be used: {str(error.orig).splitlines()[0]}",
            remedy="check MENSHEN_DATABASE, and that the server runs and lets us in",
        ) from None


def _announce(running: Centre) -> None:
    console = Console(highlight=False)
    if running.url is not None:
        console.print(f"Menshen centre is ready: {running.url}", soft_wrap=True)
    else:
        console.print(f"Menshen centre is ready: {', '.join(sorted(running.plan.parts))}")


@app.command(epilog="Example: menshen alerts explain 019b76da-a800-74bf-96d7-f50bb2c96ce9")
def explain(
    event_id: Annotated[str, typer.Argument(help="Id of an event.")],
    site: SiteOption = _EXAMPLE_SITE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what became of an event: the rule, the alert, who was told, and why others were not."""
    engine = open_database(load_settings())
    try:
        found = explain_event(engine, load_site(site), event_id)
    finally:
        engine.dispose()
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        _print(found)


@app.command(epilog="Example: menshen alerts check --site county.toml")
def check(site: SiteOption = _EXAMPLE_SITE) -> None:
    """Look for open alerts without a next step, stuck work and empty duties; exit code 1 if any."""
    engine = open_database(load_settings())
    try:
        found = Auditor(engine, load_site(site), SystemClock()).run()
    finally:
        engine.dispose()
    for silence in found:
        typer.echo(f"{silence.about}: {silence.problem}")
    if found:
        raise typer.Exit(1)
    typer.echo("No silence: every open alert has its next step.")


@audit.command(epilog="Example: menshen audit verify --checkpoint 4711:9f86d0…")
def verify(
    checkpoint: Annotated[
        str | None,
        typer.Option(help="ROWS:HASH, as `menshen audit checkpoint` printed it some time ago."),
    ] = None,
) -> None:
    """Check every row of the audit log; name the first bad one and exit with 1."""
    known = _parse_checkpoint(checkpoint) if checkpoint is not None else None
    engine = open_database(load_settings())
    try:
        log = AuditLog(engine, SystemClock())
        finding, head = log.verify(known), log.head()
    finally:
        engine.dispose()
    if finding is not None:
        typer.echo(f"Row {finding.seq} {finding.problem}.")
        raise typer.Exit(1)
    typer.echo(f"{head.rows} rows, each follows the one before it. End of the chain: {head.hash}")


@audit.command(epilog="Example: menshen audit checkpoint >> /media/safe/checkpoints.txt")
def checkpoint() -> None:
    """Print the end of the chain as ROWS:HASH, to be kept where this machine cannot write."""
    engine = open_database(load_settings())
    try:
        head = AuditLog(engine, SystemClock()).head()
    finally:
        engine.dispose()
    typer.echo(f"{head.rows}:{head.hash}")


def _parse_checkpoint(text: str) -> Head:
    rows, _, digest = text.strip().partition(":")
    if not rows.isdigit() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UserError(
            where="--checkpoint",
            problem="is not ROWS:HASH",
            remedy="give a line that `menshen audit checkpoint` printed",
        )
    return Head(int(rows), digest)


def _print(found: Explanation) -> None:
    console = Console(highlight=False)
    console.print(f"Event {found.event_id}: {found.kind} at camera {found.camera}")
    console.print(f"  seen {local_text(found.captured_at)}")
    console.print(f"  stored {local_text(found.received_at)}")
    if found.is_waiting:
        console.print("No router has decided about it yet.")
    if found.alert_id is not None:
        console.print(f"Alert {found.alert_id} ({found.relation}): {found.state}, {found.severity}")
    if found.told:
        table = Table("step", "told", "channel", "state", "why", title="Told", title_justify="left")
        for line in found.told:
            reason = f"{line.reason_zh} / {line.reason_en}"
            table.add_row(str(line.step), line.person_name, line.channel, line.state, reason)
        console.print(table)
    if found.decisions:
        table = Table("stage", "decision", "whom", "why", title="Decisions", title_justify="left")
        for item in found.decisions:
            reason = f"{item.reason_zh} / {item.reason_en}"
            table.add_row(item.stage, item.verdict, item.person_name, reason)
        console.print(table)
    for past in found.history:
        console.print(f"{local_text(past.at)}  {past.actor}  {past.action}  {past.detail}")
