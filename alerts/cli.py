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
from sqlalchemy.exc import OperationalError

from alerts.centre import Centre, Plan, chosen_parts, free_port
from alerts.commands.audit import audit as audit
from alerts.commands.channels import app as channels
from alerts.commands.looking import SiteOption
from alerts.commands.looking import app as app
from alerts.commands.precision import show as show_precision
from alerts.commands.roster import roster
from alerts.commands.silence import app as silence
from alerts.commands.wartime import app as wartime
from alerts.journal import Journal
from config.clock import SystemClock
from config.errors import UserError
from config.interpreter import prepare_to_serve
from config.logs import configure_logs
from config.secrets import load_secrets
from config.settings import load_settings
from config.site import load_site

centre = typer.Typer(no_args_is_help=True)
app.add_typer(channels, name="channels")
app.add_typer(roster, name="roster")
app.add_typer(silence, name="silence")
app.add_typer(wartime, name="wartime")
app.command("precision", epilog="Example: menshen alerts precision --days 30")(show_precision)


@centre.callback()
def _centre() -> None:
    """Run the centre."""


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
    prepare_to_serve()
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
