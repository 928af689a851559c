"""A router of its own process for the alerts benchmark, which is killed without warning.

``python -m tests.bench.alerts_router DATABASE [GATEWAY]``; prints ``ready`` and decides until it is
ended. What it decides it hands over, as in the centre, to the gateway at that address too.
"""

from __future__ import annotations

import sys
import time

from alerts.channels.contacts import Contacts
from alerts.channels.reach import Reach
from alerts.deciding.router import Router
from alerts.store.applying import AlertStore
from config.clock import SystemClock
from config.logs import configure_logs
from config.secrets import Secrets
from ingest.engine import open_engine
from tests.bench.alerts_gateway import NAME, phones, with_gateway
from tests.bench.alerts_site import full_site

PAUSE_S = 0.02


def main(address: str, gateway: str | None = None) -> None:
    """Decide about whatever waits in the database at ``address``, for ever."""
    configure_logs(style="console", level="warning")
    engine, site, clock = open_engine(address), full_site(), SystemClock()
    contacts = Contacts(site, Secrets(), available=())
    if gateway is not None:
        site = with_gateway(site, gateway)
        contacts = Contacts(site, phones(site), available=(NAME,))
    ways = Reach(engine, site, clock, contacts=contacts)
    router = Router(engine, site, clock, store=AlertStore(engine, site, clock), ways=ways)
    print("ready", flush=True)
    while True:
        if router.run_once() == 0:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
