"""A small county under test: a database, events that arrive, routers, timers, and people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from alerts.channels.contacts import Contacts
from alerts.channels.reach import Reach
from alerts.deciding.router import Router
from alerts.seeing.service import AlertService, Viewer
from alerts.seeing.views import AlertView
from alerts.silences.book import SilenceBook
from alerts.store.applying import AlertStore
from alerts.storm.digests import Digests
from alerts.timers import Timers
from alerts.wartime.orders import WartimeOrders
from config.clock import FakeClock
from config.event import (
    Event,
    EventKind,
    FaceShot,
    HealthReport,
    PlateReading,
    Severity,
)
from config.ids import uuid7
from config.secrets import Secrets
from config.site import Person, Site
from config.wire import EventBatch, Numbered
from ingest.engine import open_engine
from ingest.migrate import upgrade
from ingest.store import EventStore

DAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""A Monday, 10:00 in the county."""


class County:
    """Everything of the centre that alerts need, driven by hand and by a fake clock."""

    def __init__(self, engine: Engine, site: Site, clock: FakeClock) -> None:
        self.engine = engine
        self.site = site
        self.clock = clock
        self.store = AlertStore(engine, site, clock)
        self.router = Router(engine, site, clock, store=self.store)
        self.timers = Timers(engine, clock, store=self.store)
        self.service = AlertService(engine, site, clock)
        self.inapp = Reach(engine, site, clock, contacts=Contacts(site, Secrets(), available=()))
        self.digests = Digests(engine, site, clock)
        self.silences = SilenceBook(engine, site, clock, store=self.store)
        self.wartime = WartimeOrders(engine, site, clock)
        self._events = EventStore(engine, clock)
        self._epoch = uuid7(clock.now())
        self._seq = 0

    def arrive(self, *events: Event) -> None:
        """These events are committed at the centre; nothing has been decided yet."""
        numbered = []
        for event in events:
            self._seq += 1
            numbered.append(Numbered(seq=self._seq, event=event))
        self._events.insert(
            EventBatch(node="node-east", epoch=self._epoch, oldest=1, events=tuple(numbered))
        )

    def route(self) -> int:
        """Run the router until nothing waits; returns how many events it decided about."""
        total = 0
        while done := self.router.run_once():
            total += done
        return total

    def wait(self, seconds: float) -> int:
        """Let time pass and fire what is due; returns how many timers fired."""
        self.clock.advance(seconds)
        return self.timers.run_once()

    def see(self, *events: Event) -> list[AlertView]:
        """Events arrive and are decided about; returns what the police desk sees open."""
        self.arrive(*events)
        self.route()
        return self.service.open_alerts(self.viewer("police-desk"))

    def person(self, person_id: str) -> Person:
        """Somebody of the site."""
        person = self.site.person(person_id)
        assert person is not None
        return person

    def viewer(self, person_id: str) -> Viewer:
        """The person as somebody who is logged in."""
        person = self.site.person(person_id)
        assert person is not None
        return Viewer(person.id, person.role, person.grid)

    def told(self, alert_id: str) -> list[str]:
        """Who was told, in order, each time."""
        from alerts.store import schema

        sent = schema.deliveries
        with self.engine.connect() as connection:
            return list(
                connection.execute(
                    select(sent.c.person)
                    .where(sent.c.alert_id == alert_id, sent.c.person.is_not(None))
                    .order_by(sent.c.alert_version, sent.c.step, sent.c.person)
                ).scalars()
            )

    def count(self, table: object) -> int:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return int(
                connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
            )

    def plate(
        self, text: str = "冀A12345", *, camera: str = "east-gate-in", visit: Event | None = None
    ) -> Event:
        """A plate passes; with ``visit``, as a later revision of that one."""
        now = self.clock.now()
        own = uuid7(now)
        return Event(
            id=own,
            visit=visit.visit if visit else own,
            revision=visit.revision + 1 if visit else 0,
            node="node-east",
            camera=camera,
            kind=EventKind.PLATE,
            started_at=now,
            captured_at=now,
            plate=PlateReading(
                text=text, raw=text, confidence=0.9, characters=(), colour="blue", plate_kind="blue"
            ),
            thumbnail=b"\xff\xd8\xff\xd9",
        )

    def face(self, *, camera: str = "home-li-qiang") -> Event:
        """A face is seen."""
        now = self.clock.now()
        own = uuid7(now)
        return Event(
            id=own,
            visit=own,
            node="node-east",
            camera=camera,
            kind=EventKind.FACE,
            started_at=now,
            captured_at=now,
            face=FaceShot(quality=0.8, height_px=90),
            thumbnail=b"\xff\xd8\xff\xd9",
        )

    def health(
        self,
        *,
        active: bool,
        severity: Severity = Severity.INFO,
        camera: str = "east-gate-in",
        condition: str = "offline",
    ) -> Event:
        """The gate's camera goes offline, or comes back; or other trouble of another subject."""
        now = self.clock.now()
        own = uuid7(now)
        return Event(
            id=own,
            visit=own,
            node="node-east",
            camera=camera,
            kind=EventKind.HEALTH,
            severity=severity,
            started_at=now,
            captured_at=now,
            health=HealthReport.model_validate({"condition": condition, "active": active}),
        )


@contextmanager
def county_at(url: str, site: Site, start: datetime = DAY) -> Iterator[County]:
    """A county on the database at ``url``, migrated; closed at the end."""
    engine = open_engine(url)
    try:
        upgrade(engine)
        yield County(engine, site, FakeClock(start))
    finally:
        engine.dispose()


def sqlite_url(folder: Path) -> str:
    """A SQLite database in ``folder``."""
    return f"sqlite:///{folder / 'centre.db'}"
