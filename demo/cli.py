"""``menshen demo``: a small county on this machine, from cameras to answered alerts."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from config.clock import SystemClock
from config.errors import UserError
from config.logs import configure_logs
from config.settings import load_settings
from demo.desk import lay_out
from demo.run import ESCALATE_AFTER_S, Demo

app = typer.Typer()

_UNATTENDED_S = 60.0

_HELP = """Run a small county on this machine: simulated RTSP cameras, edge workers, MQTT, the
centre and its pages.

Prints the address, each event and each alert as they happen, and a summary at the end. With
MENSHEN_BROKER=mqtt://host:port and MENSHEN_DATABASE=postgresql://user@host/name it runs on your
own broker and database.

Examples:

  menshen demo

  menshen demo --headless --seconds 60 --json
"""


@app.callback(invoke_without_command=True, help=_HELP)
def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Stop after this long; absent: Ctrl-C, or 60 s unattended."),
    ] = None,
    headless: Annotated[
        bool, typer.Option(help="Nobody is looking: the people who are told answer by themselves.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page; absent: a free one.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scenes.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="Keep state and logs in this folder afterwards.")
    ] = None,
) -> None:
    """Run the demo (see ``_HELP``)."""
    settings, clock = load_settings(), SystemClock()
    configure_logs(style=settings.log_style, level="warning")
    attended = sys.stdout.isatty() and not headless
    if seconds is None and not attended:
        seconds = _UNATTENDED_S
    folder = keep or Path(tempfile.mkdtemp(prefix="menshen-demo-"))
    console = Console(highlight=False, stderr=as_json)
    has_failed = False
    try:
        desk = lay_out(folder, web_port=port, escalate_after_s=ESCALATE_AFTER_S)
        summary = Demo(
            desk=desk,
            settings=settings,
            clock=clock,
            console=console,
            seconds=seconds,
            headless=headless or not attended,
            seed=seed,
        ).run()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except UserError:
        has_failed = True
        raise
    finally:
        # Where it could not go on its words name a log, which stays to be read.
        if keep is None and not (has_failed and any(folder.glob("*.log"))):
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        typer.echo(summary.model_dump_json())
    if summary.lost or summary.duplicates:
        raise typer.Exit(1)
