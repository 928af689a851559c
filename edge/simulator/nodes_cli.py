"""``menshen simulate nodes``: a county's nodes without pictures, at a given rate."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from config.settings import load_settings
from edge.simulator.fleet import FleetProcesses, FleetRun
from edge.simulator.nodes import FleetPlan, node_names

HELP = """Run event-level nodes: no pictures, but the real outbox and publisher of every node.

Needs a broker (--broker or MENSHEN_BROKER) and a centre that stores. Events come as a Poisson
stream with bursts; --day squeezes a county's day, with its two rush hours, into that many seconds.

Examples:

  menshen simulate nodes --nodes 151 --cameras 2403 --rate 184 --seconds 60

  menshen simulate nodes --nodes 10 --cameras 160 --rate 18 --day 600 --broker mqtt://10.0.0.2
"""


def nodes(
    nodes: Annotated[int, typer.Option(min=1, max=5_000, help="How many nodes.")] = 151,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras, shared out among them.")] = 2403,
    rate: Annotated[float, typer.Option(min=0.001, help="Events a second, on average.")] = 18.0,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="End after this; default: on Ctrl-C.")
    ] = None,
    day: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds per simulated day; default: no curve.")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="mqtt://host:port; default: MENSHEN_BROKER, or this host.")
    ] = None,
    county: Annotated[str, typer.Option(help="The county's id in the topics.")] = "demo",
    folder: Annotated[
        Path | None, typer.Option(help="Keep the outboxes here; default: a folder removed at end.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Default: one per processor core.")
    ] = None,
    thumbnail_bytes: Annotated[
        int, typer.Option(min=0, max=20_000, help="Size of each event's thumbnail.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same traffic.")] = 1,
    drain_s: Annotated[
        float, typer.Option("--drain-s", min=0, help="Seconds to wait for receipts at the end.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate nodes; see HELP."""
    with tempfile.TemporaryDirectory(prefix="menshen-nodes-") as temporary:
        plan = FleetPlan(
            nodes=node_names(nodes, cameras),
            rate=rate,
            folder=folder or Path(temporary),
            broker_url=broker or load_settings().broker or "mqtt://127.0.0.1:1883",
            county=county,
            seed=seed,
            day_s=day,
            thumbnail_bytes=thumbnail_bytes,
        )
        fleet = FleetProcesses(
            plan.split(processes or min(os.cpu_count() or 1, nodes)),
            FleetRun(seconds=seconds, drain_s=drain_s),
        )
        committed, waiting = _run(fleet)
    if as_json:
        typer.echo(json.dumps({"committed": committed, "waiting": waiting}))
    else:
        typer.echo(f"{committed} events committed; {waiting} still wait for their receipts.")


def _run(fleet: FleetProcesses) -> tuple[int, int]:
    def end(_signal: int, _frame: FrameType | None) -> None:
        fleet.stop()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        fleet.start()
        fleet.begin()
        reports = fleet.reports()
    finally:
        fleet.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    return sum(one.committed for one in reports), sum(one.waiting for one in reports)
