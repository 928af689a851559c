"""The centre under measure: a new database, the real loops, and when which event was committed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, text

from alerts.deciding.router import Router
from alerts.hub import Bell, Hub
from alerts.loops import Loop
from alerts.store.applying import AlertStore
from alerts.store.work import Happened
from alerts.telling.sending import Sending, Work
from alerts.timers import Timers
from config.clock import SystemClock
from config.event import Event
from config.ids import uuid7
from config.secrets import Secrets
from config.site import Site
from config.wire import EventBatch, Numbered
from ingest.engine import open_engine, reading
from ingest.migrate import upgrade
from ingest.store import EventStore
from tests.bench.alerts_site import plate_event
from tests.servers import running_postgres

_TICK_S = 0.02


@contextmanager
def opened(database: str) -> Iterator[tuple[Engine, str]]:
    """A new, migrated database, ``sqlite`` or ``postgresql``, and its address; gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="menshen-bench-")))
        address = _address(stack, folder, database)
        engine = open_engine(address)
        stack.callback(engine.dispose)
        upgrade(engine)
        yield engine, address


def _address(stack: ExitStack, folder: Path, database: str) -> str:
    """A new database below ``folder``; its server, if any, stops with ``stack``."""
    if database == "sqlite":
        return f"sqlite:///{folder / 'centre.db'}"
    folder.chmod(0o755)
    return stack.enter_context(running_postgres(folder / "postgres")).new_database()


def database_version(engine: Engine) -> str:
    """Name and version of the database, for the title of the table."""
    if engine.dialect.name == "sqlite":
        with reading(engine) as connection:
            return f"SQLite {connection.execute(text('select sqlite_version()')).scalar_one()}"
    with reading(engine) as connection:
        return f"PostgreSQL {connection.execute(text('show server_version')).scalar_one()}"


@dataclass
class World:
    """The centre under measure, and when which event was committed, in seconds of its clock."""

    engine: Engine
    address: str
    site: Site
    make: Callable[[Site, int, datetime], Event] = plate_event
    secrets: Secrets = field(default_factory=Secrets)
    clock: SystemClock = field(default_factory=SystemClock)
    hub: Hub = field(default_factory=Hub)
    committed: dict[str, float] = field(default_factory=dict)
    decided: dict[str, float] = field(default_factory=dict)
    """When the router's decision about which event was committed, and so stood in the stream."""
    epochs: dict[str, str] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events = EventStore(self.engine, self.clock)
        store = AlertStore(
            self.engine, self.site, self.clock, hub=self.hub, listener=self._note_decided
        )
        self.timers = Timers(self.engine, self.clock, store=store)
        self.sending = Sending.open(
            self.engine,
            self.site,
            self.secrets,
            self.clock,
            base_url="http://127.0.0.1",
            hub=self.hub,
        )
        self.reach = self.sending.reach
        self.router = Router(self.engine, self.site, self.clock, store=store, ways=self.reach)

    def feed(self, count: int) -> None:
        """Commit ``count`` new events in one transaction, as ingest does, and ring."""
        batches: dict[str, list[Numbered]] = {}
        for _ in range(count):
            number = len(self.committed) + sum(map(len, batches.values()))
            event = self.make(self.site, number, self.clock.now())
            seq = self.seqs[event.node] = self.seqs.get(event.node, 0) + 1
            batches.setdefault(event.node, []).append(Numbered(seq=seq, event=event))
        self.events.insert_group([self._batch(node, part) for node, part in batches.items()])
        now = self.clock.now().timestamp()
        for part in batches.values():
            self.committed.update((numbered.event.id, now) for numbered in part)
        self.hub.ring(Bell.EVENTS)

    def _note_decided(self, happened: Sequence[Happened]) -> None:
        now = self.clock.now().timestamp()
        for item in happened:
            if item.event_id is not None:
                self.decided.setdefault(item.event_id, now)

    def _batch(self, node: str, part: list[Numbered]) -> EventBatch:
        epoch = self.epochs.setdefault(node, uuid7(self.clock.now()))
        return EventBatch(node=node, epoch=epoch, oldest=1, events=tuple(part))

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """The named loops of the centre, each in its thread, on one doorbell."""
        works = {
            "router": Work(self.router.run_once, (Bell.EVENTS,)),
            "timers": Work(self.timers.run_once, ()),
            **self.sending.works(),
        }
        loops = [Loop(name, works[name].run, self.hub, heeds=works[name].heeds) for name in names]
        for loop in loops:
            loop.start()
        try:
            yield
        finally:
            for loop in loops:
                loop.ask_to_stop()
            self.hub.ring()
            for loop in loops:
                loop.join()


def at_rate(world: World, rate: float, seconds: float) -> float:
    """Commit ``rate`` events a second; returns the rate that was reached."""
    begun, sent = time.monotonic(), 0
    wanted = max(1, round(rate * seconds))
    while sent < wanted:
        due = min(wanted, int((time.monotonic() - begun) * rate) + 1)
        if due > sent:
            world.feed(due - sent)
            sent = due
        else:
            time.sleep(_TICK_S)
    return sent / (time.monotonic() - begun)
