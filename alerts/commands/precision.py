"""``menshen alerts precision``: how often each camera is right, and what would help."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alerts.commands.open_book import opened
from alerts.precision.cases import cases
from alerts.precision.figures import Precision, precision
from config.clock import SystemClock


def show(
    site: Annotated[Path, typer.Option(help="Site description, TOML.")] = Path(
        "config/example_county.toml"
    ),
    days: Annotated[int, typer.Option(min=1, max=365, help="How far back.")] = 30,
    camera: Annotated[list[str] | None, typer.Option(help="Only these cameras.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Share of right alerts per camera and kind, as verified by people, with proposals."""
    with opened(site) as (engine, county):
        since = SystemClock().now() - timedelta(days=days)
        lines = precision(cases(engine, county, since=since, cameras=camera))
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], ensure_ascii=False))
        return
    _print(lines)


def _print(lines: list[Precision]) -> None:
    console = Console(highlight=False)
    table = Table("camera", "kind", "right", "false", "precision", "95 %", title="Precision")
    for line in lines:
        bounds = f"{line.low:.0%} to {line.high:.0%}"
        table.add_row(
            line.camera, line.kind, str(line.right), str(line.false), f"{line.share:.0%}", bounds
        )
    console.print(table)
    for line in lines:
        for proposal in line.proposals:
            console.print(f"{line.camera}, {line.kind}: {proposal.zh} / {proposal.en}")
    if not lines:
        console.print("No alert was verified as right or false in that time.")
