"""A router of its own process for the alerts benchmark, which is killed without warning.

``python -m tests.bench.alerts_router DATABASE``; prints ``ready`` and decides until it is ended.
"""

from __future__ import annotations

import sys
import time

from alerts.deciding.router import Router
from alerts.store.applying import AlertStore
from config.clock import SystemClock
from config.logs import configure_logs
from ingest.engine import open_engine
from tests.bench.alerts_site import full_site

PAUSE_S = 0.02


def main(address: str) -> None:
    """Decide about whatever waits in the database at ``address``, for ever."""
    configure_logs(style="console", level="warning")
    engine, site, clock = open_engine(address), full_site(), SystemClock()
    router = Router(engine, site, clock, store=AlertStore(engine, site, clock))
    print("ready", flush=True)
    while True:
        if router.run_once() == 0:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1])
