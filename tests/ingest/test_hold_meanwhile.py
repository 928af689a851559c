"""A legal hold that is asked for while a sweep is under way keeps what it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select

from config.clock import FakeClock
from config.ids import uuid7
from config.site import Site
from ingest.media import DiskStore
from ingest.media.base import ListedMedia
from ingest.retention.followers import Nobody
from ingest.retention.holds import Scope
from ingest.retention.schema import hold_events, legal_holds
from ingest.retention.sweep import Sweeper
from tests.retention import GATE, START, RetentionCentre


class OneAlert(Nobody):
    """A follower for whom every alert has the same one event."""

    def __init__(self, event_id: str) -> None:
        self._event_id = event_id

    def refresh_holds(self, connection: Connection, now: datetime) -> None:
        known = select(hold_events.c.hold_id)
        fresh = select(legal_holds.c.id).where(legal_holds.c.id.not_in(known))
        for hold_id in connection.execute(fresh).scalars().all():
            values = {"event_id": self._event_id, "hold_id": hold_id}
            connection.execute(insert(hold_events).values(**values))


class SlowStore(DiskStore):
    """A store whose files take long to list: something happens meanwhile."""

    def __init__(self, folder: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(folder)
        self._meanwhile = meanwhile

    def walk(self) -> Iterator[ListedMedia]:
        self._meanwhile()
        yield from super().walk()


def test_a_hold_of_an_alert_keeps_from_the_moment_it_is_asked_for(
    engine: Engine, example_site: Site, tmp_path: Path
) -> None:
    """On PostgreSQL the event is all of its day, which would be dropped as a whole."""
    media = DiskStore(tmp_path / "media")
    centre = RetentionCentre(engine, example_site, FakeClock(START), media)
    event = centre.see(GATE)
    centre.days(31.5)

    def ask() -> None:
        centre.holds.ask(
            Scope(alert_id=uuid7(START)),
            owner="police-desk",
            case_number="A-2026-17",
            reason="theft",
            ends_at=centre.clock.now() + timedelta(days=3),
        )

    store = SlowStore(tmp_path / "media", ask)
    follower = OneAlert(event.id)
    sweeper = Sweeper(engine, example_site, centre.clock, store=store, follower=follower)
    assert (sweeper.run().events, centre.ids()) == (0, {event.id})
