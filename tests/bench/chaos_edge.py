"""The nodes that chaos kills: they write, publish and take configurations until they are killed.

``main FOLDER BROKER NODES RATE`` prints ``node seq id`` of each event after it is committed, and
a line for each configuration that a node begins to run. With RATE 0 it adds no event, and ends
when its outboxes are empty and there is a file ``settled`` in FOLDER.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from config.clock import Clock
from config.desired import DesiredConfig
from config.logs import configure_logs
from edge.delivery.config_link import ConfigLink
from edge.delivery.configurator import Configurator
from edge.simulator.nodes import Fleet, FleetPlan, node_names
from tests.bench.chaos_clock import CAMERAS_PER_NODE, COUNTY, SteppingClock
from tests.bench.chaos_configs import key_of, line_of

_SAYING = threading.Lock()


def main(folder: str, broker: str, nodes: str, rate: str) -> None:
    """Write, publish and take configurations; see the module."""
    configure_logs(level="critical")
    clock, place = SteppingClock(), Path(folder)
    plan = FleetPlan(
        nodes=node_names(int(nodes), int(nodes) * CAMERAS_PER_NODE),
        rate=float(rate),
        folder=place,
        broker_url=broker,
        county=COUNTY,
        seed=time.time_ns() % 2**32,
    )
    fleet = Fleet(plan, clock, lambda node, event, seq: _say(f"{node} {seq} {event}"))
    fleet.publish()
    links = [_configured(place / f"{node}.config", broker, node, clock) for node, _ in plan.nodes]
    if float(rate) > 0:
        fleet.watch(None, threading.Event())
    while fleet.pending() or not (place / "settled").exists():
        time.sleep(0.05)
    for link in links:
        link.stop()
    fleet.close()


def _configured(folder: Path, broker: str, node: str, clock: Clock) -> ConfigLink:
    made = Configurator(folder, node=node, key=key_of(node), clock=clock, apply=partial(_run, node))
    link = ConfigLink(
        made, broker_url=broker, county=COUNTY, node=node, key=key_of(node), clock=clock
    )
    link.start()
    return link


def _run(node: str, document: DesiredConfig | None) -> None:
    _say(line_of(node, document))


def _say(line: str) -> None:
    with _SAYING:
        print(line, flush=True)
