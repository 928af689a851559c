"""A day whose partition cannot be made just now does not hold up every group of events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from config.clock import FakeClock
from config.ids import uuid7
from ingest import partitions
from ingest.engine import open_engine
from ingest.partitions import DAYS_AHEAD, Partitions
from ingest.store import EventStore
from tests.events import MOMENT, batch_of, motion


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Only PostgreSQL, for ``engine``."""
    return postgres_url


def test_a_backup_that_reads_events_all_night_does_not_hold_up_each_group(
    engine: Engine, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pg_dump`` keeps new partitions out until it ends: to ask again each time would make all
    that reads or writes events wait, each time."""
    monkeypatch.setattr(partitions, "LOCK_WAIT", "50ms", raising=False)
    clock, epoch = FakeClock(MOMENT), uuid7(MOMENT)
    store = EventStore(engine, clock)
    store.insert(batch_of([(1, motion())], epoch=epoch))
    clock.advance(timedelta(days=1).total_seconds())
    tries: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "lock_timeout" in statement:
            tries.append(statement)

    dump = open_engine(postgres_url)
    with dump.connect() as reader:
        reader.execute(text("SELECT 1 FROM events LIMIT 1"))
        for seq in (2, 3, 4):
            receipt = store.insert(batch_of([(seq, motion())], epoch=epoch))
            assert receipt.acked_upto == seq
            clock.advance(1)
    dump.dispose()
    assert len(tries) == 1
    clock.advance(60)
    store.insert(batch_of([(5, motion())], epoch=epoch))
    ahead = MOMENT.date() + timedelta(days=1 + DAYS_AHEAD)
    assert ahead in Partitions(engine).days()
