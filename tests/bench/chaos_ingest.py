"""The ingest that chaos kills: the centre's own parts, with a clock that can be stepped.

``main DATABASE BROKER NODES [SHARE]`` stores, and publishes configurations, until it is killed.
"""

from __future__ import annotations

import time

from config.logs import configure_logs
from edge.simulator.nodes import node_names
from ingest.configs import ConfigService, ConfigStore
from ingest.engine import open_engine
from ingest.store import EventStore
from ingest.subscriber import PART, Subscriber
from ingest.trouble import Troubles
from tests.bench.chaos_clock import CAMERAS_PER_NODE, COUNTY, SteppingClock
from tests.bench.chaos_configs import key_of

_LOOK_S = 0.1


def main(database: str, broker: str, nodes: str, share: str | None = None) -> None:
    """Store until killed; prints a line when the broker has answered, and each new trouble."""
    configure_logs(level="critical")
    clock = SteppingClock()
    engine, troubles = open_engine(database), Troubles(clock)
    subscriber = Subscriber(
        broker_url=broker,
        county=COUNTY,
        store=EventStore(engine, clock),
        clock=clock,
        share=share,
        troubles=troubles,
    )
    names = node_names(int(nodes), int(nodes) * CAMERAS_PER_NODE)
    configs = ConfigService(
        broker_url=broker,
        county=COUNTY,
        store=ConfigStore(engine, clock),
        keys={node: key_of(node) for node, _ in names},
        clock=clock,
    )
    subscriber.start()
    configs.start()
    subscriber.wait_until_up(600)
    print("ready", flush=True)
    told = ""
    while True:
        trouble = troubles.now().get(PART)
        problem = trouble.problem if trouble is not None else ""
        if problem and problem != told:
            print(problem, flush=True)
        told = problem
        time.sleep(_LOOK_S)
