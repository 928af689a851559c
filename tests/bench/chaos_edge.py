"""The nodes that chaos kills: they write and publish until they are killed.

``main FOLDER BROKER NODES RATE`` prints ``node seq id`` of each event
after it is committed; with RATE 0 it adds nothing and ends when its outboxes are empty.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from config.logs import configure_logs
from edge.simulator.nodes import Fleet, FleetPlan, node_names
from tests.bench.chaos_clock import CAMERAS_PER_NODE, COUNTY, SteppingClock


def main(folder: str, broker: str, nodes: str, rate: str) -> None:
    """Write and publish; see the module."""
    configure_logs(level="critical")
    is_draining = float(rate) == 0
    plan = FleetPlan(
        nodes=node_names(int(nodes), int(nodes) * CAMERAS_PER_NODE),
        rate=float(rate),
        folder=Path(folder),
        broker_url=broker,
        county=COUNTY,
        seed=time.time_ns() % 2**32,
    )
    lock = threading.Lock()

    def told(node: str, event: str, seq: int) -> None:
        with lock:
            print(node, seq, event, flush=True)

    fleet = Fleet(plan, SteppingClock(), told)
    fleet.publish()
    if not is_draining:
        fleet.watch(None, threading.Event())
    while fleet.pending():
        time.sleep(0.05)
    fleet.close()
