"""The ingest that chaos kills: the real subscriber and store, with a clock that can be stepped.

``main DATABASE BROKER [SHARE]`` stores until it is killed.
"""

from __future__ import annotations

import threading

from config.logs import configure_logs
from ingest.engine import open_engine
from ingest.store import EventStore
from ingest.subscriber import Subscriber
from tests.bench.chaos_clock import COUNTY, SteppingClock


def main(database: str, broker: str, share: str | None = None) -> None:
    """Store until killed; prints a line when the broker has answered."""
    configure_logs(level="critical")
    clock = SteppingClock()
    store = EventStore(open_engine(database), clock)
    subscriber = Subscriber(broker_url=broker, county=COUNTY, store=store, clock=clock, share=share)
    subscriber.start()
    subscriber.wait_until_up(600)
    print("ready", flush=True)
    threading.Event().wait()
