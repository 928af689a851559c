"""The ingest process of a benchmark: the real subscriber and store, which also notes each commit.

``python -m tests.bench.delivery_centre DATABASE BROKER COUNTY LEDGER [SHARE]``; after each commit a
line ``seconds batches id id …`` is added to LEDGER. SIGTERM ends it.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import Engine

from config.clock import Clock, SystemClock
from config.interpreter import prepare_to_serve
from config.logs import configure_logs
from config.wire import Receipt
from ingest.arrival import Batch, arrived
from ingest.engine import open_engine
from ingest.letters.reading import DeadLetter
from ingest.store import EventStore
from ingest.subscriber import Subscriber


class NotingStore(EventStore):
    """The store, which notes when which events were committed."""

    def __init__(self, engine: Engine, clock: Clock, ledger: Path) -> None:
        super().__init__(engine, clock)
        self._ledger = ledger.open("w", encoding="utf-8", buffering=1 << 20)

    def insert_group(
        self, batches: Sequence[Batch], letters: Iterable[DeadLetter] = ()
    ) -> list[Receipt]:
        """Store as :class:`EventStore` does, then note."""
        receipts = super().insert_group(batches, letters)
        if batches:
            ids = " ".join(row.id for batch in batches for row in arrived(batch).rows)
            self._ledger.write(f"{time.time():.6f} {len(batches)} {ids}\n")
        return receipts

    def close(self) -> None:
        """Write the rest of the notes."""
        self._ledger.close()


def main(database: str, broker: str, county: str, ledger: str, share: str | None = None) -> None:
    """Store until SIGTERM."""
    configure_logs(level="warning")
    prepare_to_serve()  # as `menshen centre run` does
    engine = open_engine(database)
    clock = SystemClock()
    store = NotingStore(engine, clock, Path(ledger))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    subscriber = Subscriber(broker_url=broker, county=county, store=store, clock=clock, share=share)
    subscriber.start()
    if subscriber.wait_until_up(30):
        print("ready", flush=True)
        ended.wait()
    subscriber.stop()
    store.close()
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
