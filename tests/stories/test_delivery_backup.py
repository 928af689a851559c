"""The drill: a backup is taken while events come, the database is lost, and all comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.clock import SystemClock
from config.errors import UserError
from config.ids import uuid7
from ingest.backup import back_up, restore
from ingest.engine import open_engine
from ingest.migrate import current, newest, upgrade
from ingest.store import EventStore
from tests.events import MOMENT, batch_of, motion
from tests.servers import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a database, and of an empty one to restore into."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield server.new_database(), server.new_database()


def test_the_drill(urls: tuple[str, str], tmp_path: Path) -> None:
    engine = open_engine(urls[0])
    upgrade(engine)
    store = EventStore(engine, SystemClock())
    epoch, before = uuid7(MOMENT), [motion() for _ in range(20)]
    store.insert(batch_of(enumerate(before, start=1), epoch=epoch))
    stopping, seqs = threading.Event(), iter(range(21, 100_000))

    def write() -> None:
        while not stopping.is_set():
            store.insert(batch_of([(next(seqs), motion())], epoch=epoch))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        back_up(urls[0], tmp_path / "backup")
    finally:
        stopping.set()
        writer.join()
    engine.dispose()
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    restore(urls[1], tmp_path / "backup")
    again = open_engine(urls[1])
    restored = EventStore(again, SystemClock())
    assert current(again) == newest()
    assert [restored.load(event.id) for event in before] == before
    # Events and sequence are of one moment: what came after the backup shows as missing.
    counts = restored.counts()
    assert restored.received("node-1", epoch).count() == counts.events == counts.queued >= 20
    again.dispose()


def test_what_is_there_is_never_overwritten(urls: tuple[str, str], tmp_path: Path) -> None:
    engine = open_engine(urls[0])
    upgrade(engine)
    engine.dispose()
    (tmp_path / "old").write_text("an older backup")
    with pytest.raises(UserError, match="exists already"):
        back_up(urls[0], tmp_path / "old")
    back_up(urls[0], tmp_path / "new")
    with pytest.raises(UserError, match="is not empty"):
        restore(urls[0], tmp_path / "new")


def test_what_is_no_backup_is_refused_in_words(urls: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"no backup at all" * 500)
    with pytest.raises(UserError):
        restore(urls[1], tmp_path / "junk")
    with pytest.raises(UserError):
        restore(urls[1], tmp_path / "absent")
