"""The drill: a backup is taken while events come, the database is lost, and all comes back."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from typer.testing import CliRunner

from config.clock import SystemClock
from config.errors import UserError
from config.ids import uuid7
from ingest.backup.cli import backup, restoring
from ingest.backup.database import back_up, restore
from ingest.backup.evidence import copy_evidence, restore_evidence
from ingest.engine import open_engine, writing
from ingest.media import DiskStore
from ingest.migrate import current, newest, upgrade
from ingest.store import EventStore
from tests.contracts.test_media_store import JPEG, MP4, put
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


def test_a_foreign_database_is_not_taken_for_ours(urls: tuple[str, str], tmp_path: Path) -> None:
    engine = open_engine(urls[0])
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE events (surprise TEXT)"))
    engine.dispose()
    if urls[0].startswith("sqlite"):
        (tmp_path / "one.db").rename(tmp_path / "foreign")
    else:
        back_up(urls[0], tmp_path / "foreign")
    with pytest.raises(UserError, match="none of Menshen's"):
        restore(urls[1], tmp_path / "foreign")
    target = open_engine(urls[1])
    assert inspect(target).get_table_names() == [], "it can be restored into"
    target.dispose()


def test_a_backup_of_a_newer_version_is_said_so(urls: tuple[str, str], tmp_path: Path) -> None:
    engine = open_engine(urls[0])
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    engine.dispose()
    back_up(urls[0], tmp_path / "newer")
    with pytest.raises(UserError, match="newer version"):
        restore(urls[1], tmp_path / "newer")


# == files of evidence


def test_evidence_is_copied_once_and_put_back(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "media")
    first = put(store, JPEG)
    copied = copy_evidence(store, tmp_path / "safe-monday")
    assert (copied.files, copied.new, copied.pruned) == (1, 1, 0)
    second = put(store, MP4)
    copied = copy_evidence(store, tmp_path / "safe-tuesday")
    assert (copied.files, copied.new) == (2, 1), "each file is copied once"
    again = DiskStore(tmp_path / "new")
    assert restore_evidence(again, tmp_path / "safe-tuesday") == 2
    assert {item.file.sha256 for item in again.walk()} == {first, second}
    assert restore_evidence(again, tmp_path / "safe-monday") == 0, "it is there already"


def test_what_was_deleted_leaves_the_backups_with_the_last_that_names_it(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "media")
    gone, kept = put(store, JPEG), put(store, MP4)
    copy_evidence(store, tmp_path / "monday")
    store.remove(gone)
    assert copy_evidence(store, tmp_path / "tuesday").pruned == 0, "monday still names it"
    (tmp_path / "monday.files").unlink()
    assert copy_evidence(store, tmp_path / "wednesday").pruned == 1
    assert [path.stem for path in (tmp_path / "evidence").glob("*/*")] == [kept]


def test_damage_is_found_before_it_spreads(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "media")
    first, second = put(store, JPEG), put(store, MP4)
    copy_evidence(store, tmp_path / "monday")
    (damaged,) = (tmp_path / "evidence").glob(f"*/{first}.jpg")
    damaged.write_bytes(JPEG[:-1] + b"?")
    again = DiskStore(tmp_path / "new")
    with pytest.raises(UserError, match="missing or damaged"):
        restore_evidence(again, tmp_path / "monday")
    assert [item.file.sha256 for item in again.walk()] == [second], "the others are in"
    (rotten,) = (tmp_path / "media").glob(f"*/{second}.mp4")
    rotten.write_bytes(MP4[:-1] + b"?")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match="other bytes"):
        copy_evidence(store, tmp_path / "elsewhere" / "tuesday")
    (tmp_path / "monday.files").write_text("../../etc/passwd\n")
    with pytest.raises(UserError, match="no file of ours"):
        restore_evidence(again, tmp_path / "monday")
    with pytest.raises(UserError, match="cannot be read"):
        restore_evidence(again, tmp_path / "absent")


def test_the_commands_carry_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path / "old"))
    store = DiskStore(tmp_path / "old" / "media")
    sha256, event = put(store, JPEG), motion()
    engine = open_engine(f"sqlite:///{tmp_path / 'old' / 'centre.db'}")
    upgrade(engine)
    EventStore(engine, SystemClock()).insert(batch_of([(1, event)], epoch=uuid7(MOMENT)))
    engine.dispose()
    out = tmp_path / "safe" / "monday.backup"
    done = CliRunner().invoke(backup, ["--out", str(out)], catch_exceptions=False)
    assert "1 files, 1 new" in done.output
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path / "new"))
    done = CliRunner().invoke(restoring, ["--from", str(out)], catch_exceptions=False)
    assert "1 files put back" in done.output
    assert DiskStore(tmp_path / "new" / "media").find(sha256) is not None
    engine = open_engine(f"sqlite:///{tmp_path / 'new' / 'centre.db'}")
    assert EventStore(engine, SystemClock()).load(event.id) == event
    engine.dispose()


def test_a_server_that_asks_for_a_password(tmp_path: Path) -> None:
    """The password travels in the environment of pg_dump, never in its words."""
    with tempfile.TemporaryDirectory(prefix="menshen-postgres-") as folder:
        server = Postgres(Path(folder))
        server.create()
        server.start()
        try:
            trusting, other = server.new_database(), server.new_database()
            engine = open_engine(trusting)
            upgrade(engine)
            event = motion()
            EventStore(engine, SystemClock()).insert(batch_of([(1, event)], epoch=uuid7(MOMENT)))
            with writing(engine) as connection:
                connection.execute(text("ALTER ROLE menshen PASSWORD 'p@ss/word:1'"))
            rules = Path(folder) / "data" / "pg_hba.conf"
            rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
            with writing(engine) as connection:
                connection.execute(text("SELECT pg_reload_conf()"))
            engine.dispose()
            with pytest.raises(UserError, match="password"):
                back_up(trusting, tmp_path / "refused")
            assert not (tmp_path / "refused").exists()
            named = [
                url.replace("menshen@", "menshen:p%40ss%2Fword%3A1@") for url in (trusting, other)
            ]
            back_up(named[0], tmp_path / "backup")
            restore(named[1], tmp_path / "backup")
            again = open_engine(named[1])
            assert EventStore(again, SystemClock()).load(event.id) == event
            again.dispose()
        finally:
            server.stop()
