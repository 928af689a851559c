"""The event store's contract, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError

from config.clock import FakeClock
from config.event import Event, EventKind, PlateReading
from config.ids import uuid7
from config.wire import Presence, Receipt
from ingest.engine import open_engine, reading, writing
from ingest.letters.reading import DeadLetter
from ingest.migrate import current, newest, upgrade
from ingest.presence import record_presence
from ingest.schema import dead_letters, events, metadata, presence, routing_queue, sequences
from ingest.store import EventNotFoundError, EventStore
from tests.events import MOMENT, batch_of, motion


@pytest.fixture
def store(engine: Engine, clock: FakeClock) -> EventStore:
    return EventStore(engine, clock)


@pytest.fixture
def epoch() -> str:
    return uuid7(MOMENT)


def letters(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(dead_letters).order_by(dead_letters.c.id)))


def at_once(work: Callable[[Any], None], arguments: Iterable[Any]) -> None:
    """Run ``work`` for each argument in a thread of its own; the first error is raised."""
    given_arguments = list(arguments)
    with ThreadPoolExecutor(len(given_arguments)) as pool:
        list(pool.map(work, given_arguments))


def test_a_batch_is_stored_once_and_queued_once(store: EventStore, epoch: str) -> None:
    first, second = motion(), motion(camera="cam-2", thumbnail=b"\xff\xd8\xff")
    batch = batch_of([(1, first), (2, second)], epoch=epoch)
    receipts = [store.insert(batch), store.insert(batch)]
    assert {(r.acked_upto, r.also) for r in receipts} == {(2, ())}
    assert store.load(first.id) == first
    assert store.load(second.id) == second
    counts = store.counts()
    assert (counts.events, counts.queued, counts.dead_letters, counts.nodes) == (2, 2, 0, 1)


def test_an_unknown_event_is_named(store: EventStore) -> None:
    with pytest.raises(EventNotFoundError, match="is not stored"):
        store.load("01900000-0000-7000-8000-000000000000")


def test_a_receipt_names_the_gaps_until_they_close(store: EventStore, epoch: str) -> None:
    by_seq = {seq: motion() for seq in range(1, 8)}
    late = store.insert(batch_of([(s, by_seq[s]) for s in (2, 3, 6)], epoch=epoch))
    assert (late.acked_upto, late.also) == (0, ((2, 3), (6, 6)))
    assert store.gaps("node-1", epoch) == ((1, 1), (4, 5))
    closed = store.insert(batch_of([(s, by_seq[s]) for s in (1, 4, 5, 7)], epoch=epoch))
    assert (closed.acked_upto, closed.also) == (7, ())
    assert store.gaps("node-1", epoch) == ()
    assert store.gaps("nobody", epoch) == ()


def test_what_was_shed_is_passed_over_and_counted(
    store: EventStore, engine: Engine, epoch: str
) -> None:
    store.insert(batch_of([(1, motion())], epoch=epoch))
    receipt = store.insert(batch_of([(10, motion())], epoch=epoch, oldest=10))
    assert receipt.acked_upto == 10
    late = motion()
    store.insert(batch_of([(5, late)], epoch=epoch))  # was on its way when it was shed
    assert store.load(late.id) == late
    with reading(engine) as connection:
        assert connection.execute(select(sequences.c.skipped)).scalar_one() == 7


def test_a_new_epoch_begins_at_one(store: EventStore, epoch: str) -> None:
    store.insert(batch_of([(1, motion())], epoch=epoch))
    assert store.insert(batch_of([(1, motion())], epoch=uuid7(MOMENT))).acked_upto == 1
    assert store.counts().events == 2


def test_contradictions_are_kept_whole_and_stop_nothing(
    store: EventStore, engine: Engine, epoch: str
) -> None:
    known, other, fine = motion(), motion(), motion()
    store.insert(batch_of([(1, known)], epoch=epoch))
    receipt = store.insert(batch_of([(1, other), (2, known), (3, fine)], epoch=epoch))
    assert receipt.acked_upto == 3
    assert store.load(fine.id) == fine
    with pytest.raises(EventNotFoundError):
        store.load(other.id)
    rows = letters(engine)
    assert {Event.model_validate_json(row.body).id for row in rows} == {known.id, other.id}
    assert any("number 1 is stored already" in row.reason for row in rows)
    assert any("its id is stored already, as number 1" in row.reason for row in rows)


def test_contradictions_inside_one_group_too(store: EventStore, engine: Engine, epoch: str) -> None:
    first, second = motion(), motion()
    store.insert_group(
        [
            batch_of([(1, first), (2, first)], epoch=epoch),
            batch_of([(1, second)], epoch=epoch),
            batch_of([(1, first)], epoch=epoch),
        ]
    )
    assert store.counts().events == 1
    assert len(letters(engine)) == 2


def test_the_same_poison_again_only_counts(store: EventStore, engine: Engine) -> None:
    letter = DeadLetter.of("menshen/v1/x/evt/node-1/cam\0", b"\xff" * 9_000, "bad \ud800 \0 text")
    store.insert_group([], [letter])
    store.insert_group([], [letter])
    (row,) = letters(engine)
    assert (row.times, row.size_bytes, len(row.head)) == (2, 9_000, 512)


def test_text_that_postgresql_cannot_hold_is_stored(store: EventStore, epoch: str) -> None:
    plate = PlateReading(
        text="京A\x0012345", raw="\0", confidence=0.5, characters=(), colour="蓝", plate_kind="x"
    )
    event = motion().model_copy(update={"kind": EventKind.PLATE, "plate": plate})
    assert store.insert_resilient([batch_of([(1, event)], epoch=epoch)])[0].acked_upto == 1
    assert store.load(event.id) == event


@pytest.mark.parametrize(
    "change",
    [
        {"revision": 2**70},
        {"captured_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
    ],
)
def test_numbers_and_dates_without_a_place_are_buried(
    store: EventStore, epoch: str, change: dict[str, Any]
) -> None:
    good, bad = motion(), motion().model_copy(update=change)
    store.insert_resilient([batch_of([(1, bad), (2, good)], epoch=epoch)])
    assert store.load(good.id) == good
    assert (store.counts().events, store.counts().dead_letters) == (1, 1)


def test_refused_data_is_buried_and_its_neighbours_are_stored(
    store: EventStore, engine: Engine, epoch: str
) -> None:
    with writing(engine) as connection:
        _refuse_camera(connection, "cam-bad")
    good, bad = motion(), motion(camera="cam-bad")
    receipts = store.insert_resilient([batch_of([(1, good), (2, bad)], epoch=epoch)])
    assert receipts[-1].acked_upto == 1, "what is not stored as an event gets no receipt"
    assert store.load(good.id) == good
    (row,) = letters(engine)
    assert "refused" in row.reason
    assert Event.model_validate_json(row.body) == bad


def _refuse_camera(connection: Any, camera: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(
            text(
                f"CREATE TRIGGER t BEFORE INSERT ON events WHEN NEW.camera = '{camera}' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )
    else:
        connection.execute(
            text(f"ALTER TABLE events ADD CONSTRAINT no CHECK (camera <> '{camera}')")
        )


def test_a_failing_commit_stores_nothing_and_receipts_nothing(
    store: EventStore, engine: Engine, epoch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("x", {}, Exception("disk full"))

    event = motion()
    with monkeypatch.context() as patch:
        patch.setattr("ingest.store.bury", broken)
        with pytest.raises(OperationalError):
            store.insert_resilient([batch_of([(1, event)], epoch=epoch)])
    assert store.counts().events == store.counts().queued == 0
    assert store.received("node-1", epoch).count() == 0
    assert store.insert(batch_of([(1, event)], epoch=epoch)).acked_upto == 1


def test_replicas_at_once_store_each_event_once(
    database_url: str, engine: Engine, clock: FakeClock, epoch: str
) -> None:
    by_seq = {seq: motion() for seq in range(1, 101)}

    def replica(seed: int) -> None:
        own = open_engine(database_url)
        try:
            seqs = list(by_seq)
            random.Random(seed).shuffle(seqs)
            for start in range(0, 100, 10):
                part = [(seq, by_seq[seq]) for seq in seqs[start : start + 10]]
                EventStore(own, clock).insert(batch_of(part, epoch=epoch))
        finally:
            own.dispose()

    at_once(replica, range(3))
    store = EventStore(engine, clock)
    assert (store.counts().events, store.counts().queued) == (100, 100)
    assert store.counts().dead_letters == 0
    assert store.received("node-1", epoch).upto == 100


def test_nodes_that_share_ids_in_two_orders_do_not_stop_each_other(
    database_url: str, engine: Engine, clock: FakeClock
) -> None:
    shared = [motion() for _ in range(40)]

    def hostile(node: str) -> None:
        own = open_engine(database_url)
        try:
            mine = [event.model_copy(update={"node": node}) for event in shared]
            mine = mine if node == "node-1" else mine[::-1]
            for start in range(0, 40, 8):
                part = list(enumerate(mine[start : start + 8], start=start + 1))
                EventStore(own, clock).insert(batch_of(part, epoch=uuid7(MOMENT), node=node))
        finally:
            own.dispose()

    at_once(hostile, ["node-1", "node-2"])
    store = EventStore(engine, clock)
    assert store.counts().events == 40
    assert store.counts().dead_letters == 40


def test_presence_keeps_the_newest_sign_and_when_the_state_changed(
    engine: Engine, clock: FakeClock
) -> None:
    def sign(state: Any, waiting: int = 0) -> None:
        record_presence(engine, clock, Presence(node="node-1", state=state, outbox_events=waiting))
        clock.advance(30)

    began = clock.now()
    sign("online")
    sign("online", 2**40)
    with reading(engine) as connection:
        row = connection.execute(select(presence)).one()
    assert (row.state, row.changed_at, row.outbox_events) == ("online", began, 2**31 - 1)
    went = clock.now()
    sign("offline")
    with reading(engine) as connection:
        row = connection.execute(select(presence)).one()
    assert (row.state, row.changed_at) == ("offline", went)


def test_the_migrations_make_the_tables_that_the_code_describes(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    import alerts.store.schema  # noqa: F401 - adds its tables to the same metadata
    import ingest.retention.schema  # noqa: F401

    ours = {table.name for table in (events, sequences, routing_queue, dead_letters, presence)}
    with reading(engine) as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    # PostgreSQL lists the foreign key once more for each partition.
    differences = [
        text
        for text in map(str, found)
        if any(f"'{name}'" in text for name in ours) and "events_default" not in text
    ]
    assert differences == []
    assert current(engine) == newest()


def test_two_processes_may_migrate_at_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(3)]
    at_once(upgrade, engines)
    assert current(engines[0]) == newest()
    for engine in engines:
        engine.dispose()


def test_a_new_database_waits_for_who_is_writing_its_first_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE first (x INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.execute("COMMIT")

    monkeypatch.setattr("ingest.engine.time.sleep", pause)
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    assert (mode, len(pauses)) == ("wal", 3)
    engine.dispose()
    other.close()


def test_an_event_outlives_a_migration_from_the_first_schema(
    database_url: str, clock: FakeClock, epoch: str
) -> None:
    engine = open_engine(database_url)
    upgrade(engine, "0001")
    event = motion()
    EventStore(engine, clock).insert(batch_of([(1, event)], epoch=epoch))
    upgrade(engine)
    assert EventStore(engine, clock).load(event.id) == event
    engine.dispose()


@pytest.fixture
def naive_engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'naive.db'}")
    upgrade(opened)
    yield opened
    opened.dispose()


@given(
    batches=st.lists(
        st.tuples(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 12)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_receipts_agree_with_a_plain_set_however_batches_come(
    naive_engine: Engine, batches: list[tuple[list[int], int]]
) -> None:
    """Reordered, repeated and missing batches, with and without shedding."""
    store = EventStore(naive_engine, FakeClock())
    epoch = uuid7(MOMENT)
    made: dict[int, Event] = {}
    covered: set[int] = set()
    for seqs, oldest in batches:
        low = min(oldest, min(seqs))
        for seq in seqs:
            made.setdefault(seq, motion())
        receipt: Receipt = store.insert(
            batch_of([(seq, made[seq]) for seq in seqs], epoch=epoch, oldest=low)
        )
        covered |= set(seqs) | set(range(1, low))
        assert {n for n in range(1, 40) if receipt.covers(n)} == covered
    for event in made.values():
        assert store.load(event.id) == event


def test_sqlite_readers_do_not_wait_for_a_writer(naive_engine: Engine) -> None:
    with writing(naive_engine), reading(naive_engine) as reader:
        assert reader.execute(select(events.c.id)).all() == []
