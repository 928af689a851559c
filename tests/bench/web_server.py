"""The centre of the web benchmark in a process of its own: it feeds events and serves streams.

``python -m tests.bench.web_server FOLDER VIEWERS MIX`` prints one JSON object (address, and one
session cookie per viewer), then obeys lines of standard input: ``feed RATE SECONDS`` commits
events and prints how many a second; ``save`` writes when each event was committed; an end of the
input ends the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from alerts.seeing.service import AlertService
from alerts.web.app import create_app
from alerts.web.server import WebServer
from config.logs import configure_logs
from config.secrets import Secrets
from config.site import Person, Role, Site
from ingest.engine import open_engine
from ingest.media.disk import DiskStore
from ingest.migrate import upgrade
from tests.bench.alerts_site import full_site
from tests.bench.alerts_world import World, at_rate

COMMITTED = "committed.json"
DATABASE = "centre.db"
_OVERSEERS = frozenset({Role.POLICE, Role.ADMIN, Role.TOWNSHIP})


def watchers(site: Site, count: int, mix: str) -> list[Person]:
    """Who has a page open: with ``desk`` people who see every street, over and over; with
    ``county`` each of those once, then heads, workers and owners in turn."""
    desk = [person for person in site.people if person.role in _OVERSEERS]
    if mix == "desk":
        return [desk[number % len(desk)] for number in range(count)]
    others = [person for person in site.people if person.role not in _OVERSEERS]
    step = max(1, len(others) // max(1, count - len(desk)))
    return (desk + others[::step])[:count]


def main(arguments: Sequence[str]) -> None:
    """Serve until standard input ends."""
    folder, count, mix = Path(arguments[0]), int(arguments[1]), arguments[2]
    configure_logs(style="console", level="warning")
    address = f"sqlite:///{folder / DATABASE}"
    engine = open_engine(address)
    upgrade(engine)
    world = World(engine, address, full_site())
    app = create_app(
        service=AlertService(engine, world.site, world.clock, hub=world.hub),
        engine=engine,
        site=world.site,
        secrets=Secrets(),
        media=DiskStore(folder / "media"),
        clock=world.clock,
    )
    server = WebServer(app, host="127.0.0.1", port=0)
    server.start()
    sessions = app.state.web.sessions
    people = watchers(world.site, count, mix)
    cookies = [sessions.open(one.id, address="bench", device="bench")[0] for one in people]
    print(json.dumps({"url": server.url, "cookies": cookies}), flush=True)
    with world.running("router", "timers", "reach"):
        for line in sys.stdin:
            words = line.split()
            if words[0] == "feed":
                print(at_rate(world, float(words[1]), float(words[2])), flush=True)
            else:
                (folder / COMMITTED).write_text(json.dumps(world.committed))
                print("saved", flush=True)
    world.hub.close()
    server.stop()
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1:])
