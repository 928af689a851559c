"""Events by day on PostgreSQL, and the way from every earlier schema on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from config.clock import FakeClock
from config.event import Event
from config.ids import uuid7
from ingest.engine import open_engine, reading, writing
from ingest.migrate import _config, current, newest, upgrade
from ingest.partitions import DAYS_AHEAD, Partitions, lower_bound
from ingest.store import EventStore
from tests.events import MOMENT, batch_of, motion

REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))
]


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    opened = open_engine(postgres_url)
    yield opened
    opened.dispose()


def seen_at(moment: datetime) -> Event:
    return motion().model_copy(update={"id": uuid7(moment)})


def place(engine: Engine, event: Event) -> str:
    with reading(engine) as connection:
        found = connection.execute(
            text("SELECT tableoid::regclass::text FROM events WHERE id = :id"), {"id": event.id}
        ).scalar_one()
    return str(found)


@given(day=st.dates(date(2000, 1, 1), date(2200, 1, 1)), second=st.integers(0, 86_399))
def test_every_id_of_a_day_lies_between_its_bounds(day: date, second: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    made = uuid7(midnight + timedelta(seconds=second))
    assert lower_bound(day) <= made < lower_bound(day + timedelta(days=1))


def test_each_day_has_its_partition_and_a_wrong_clock_the_default(engine: Engine) -> None:
    upgrade(engine)
    clock = FakeClock(MOMENT)
    store = EventStore(engine, clock)
    today, late = seen_at(MOMENT), seen_at(MOMENT - timedelta(days=9))
    lost, early = seen_at(datetime(2001, 1, 1, tzinfo=UTC)), seen_at(MOMENT + timedelta(days=90))
    numbered = list(enumerate([today, late, lost, early], start=1))
    assert store.insert(batch_of(numbered, epoch=uuid7(MOMENT))).acked_upto == 4
    assert [place(engine, event) for _, event in numbered] == [
        "events_20260301",
        "events_20260220",
        "events_default",
        "events_default",
    ]
    ahead = [MOMENT.date() + timedelta(days=number) for number in range(DAYS_AHEAD + 1)]
    assert Partitions(engine).days() == [date(2026, 2, 20), *ahead]
    clock.advance(86_400)
    store.insert(batch_of([(5, seen_at(clock.now()))], epoch=uuid7(MOMENT)))
    assert Partitions(engine).days()[-1] == ahead[-1] + timedelta(days=1)


def test_events_that_came_before_their_partition_stay_and_are_found(engine: Engine) -> None:
    upgrade(engine)
    store = EventStore(engine, FakeClock(MOMENT))
    far = seen_at(MOMENT + timedelta(days=30))
    epoch = uuid7(MOMENT)
    store.insert(batch_of([(1, far)], epoch=epoch))
    later = EventStore(engine, FakeClock(MOMENT + timedelta(days=30)))
    again = seen_at(MOMENT + timedelta(days=30, hours=1))
    assert later.insert(batch_of([(1, far), (2, again)], epoch=epoch)).acked_upto == 2
    assert (place(engine, far), place(engine, again)) == ("events_default", "events_default")
    assert later.load(far.id) == far


def test_the_migration_moves_what_is_stored_and_its_queue(engine: Engine) -> None:
    upgrade(engine, "0004")
    store = EventStore(engine, FakeClock(MOMENT))
    store._partitions._is_postgresql = False  # as that version was
    numbered = [(n, seen_at(MOMENT + timedelta(days=n))) for n in range(1, 4)]
    store.insert(batch_of(numbered, epoch=uuid7(MOMENT)))
    assert {place(engine, event) for _, event in numbered} == {"events_default"}
    before = store.counts()
    upgrade(engine)
    assert store.counts() == before
    assert [place(engine, event)[-8:] for _, event in numbered] == [
        "20260302",
        "20260303",
        "20260304",
    ]
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM events"))
    assert store.counts().queued == 0, "the queue still follows its events"


@pytest.mark.parametrize("revision", REVISIONS)
def test_from_every_earlier_schema_to_the_newest(bare_engine: Engine, revision: str) -> None:
    upgrade(bare_engine, revision)
    assert current(bare_engine) == revision
    event = motion()
    EventStore(bare_engine, FakeClock()).insert(batch_of([(1, event)], epoch=uuid7(MOMENT)))
    upgrade(bare_engine)
    assert current(bare_engine) == newest()
    assert EventStore(bare_engine, FakeClock()).load(event.id) == event
