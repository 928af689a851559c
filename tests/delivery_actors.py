"""Real processes for kill tests: an edge that writes and publishes, and an ingest that stores.

``python -m tests.delivery_actors edge OUTBOX BROKER`` prints ``seq id`` of each event after it
is committed, for ever; with ``drain`` it adds nothing and ends when its outbox is empty.
``python -m tests.delivery_actors ingest DATABASE BROKER`` stores until it is killed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from config.clock import SystemClock
from config.logs import configure_logs
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.engine import open_engine
from ingest.migrate import upgrade
from ingest.store import EventStore
from ingest.subscriber import Subscriber
from tests.events import motion

COUNTY = "demo"
NODE = "node-1"


def start(*arguments: str, output: Path) -> subprocess.Popen[bytes]:
    """Start an actor; what it prints is added to ``output``."""
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.delivery_actors", *arguments],
            stdout=file,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """``kill -9``, and wait until it is gone."""
    process.kill()
    process.wait()


def edge(path: str, broker: str, *, is_draining: bool) -> None:
    """Write and publish; see the module."""
    clock = SystemClock()
    outbox = Outbox.open(Path(path), node=NODE, clock=clock, budget_bytes=10**9)
    publisher = Publisher(outbox=outbox, broker_url=broker, county=COUNTY, node=NODE, clock=clock)
    publisher.start()
    while not is_draining:
        event = motion()
        print(outbox.append(event), event.id, flush=True)
        time.sleep(0.002)
    while outbox.pending():
        time.sleep(0.02)
    publisher.stop()
    outbox.close()


def ingest(database: str, broker: str) -> None:
    """Store until killed; see the module."""
    engine = open_engine(database)
    upgrade(engine)
    clock = SystemClock()
    store = EventStore(engine, clock)
    Subscriber(broker_url=broker, county=COUNTY, store=store, clock=clock).start()
    threading.Event().wait()


if __name__ == "__main__":
    configure_logs(level="warning")
    if sys.argv[1] == "edge":
        edge(sys.argv[2], sys.argv[3], is_draining="drain" in sys.argv)
    else:
        ingest(sys.argv[2], sys.argv[3])
