"""The centre's disk is full: nothing is acknowledged, it says so, and goes on with room."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine

from config.clock import SystemClock
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from ingest.accounting import account
from ingest.engine import open_engine
from ingest.media import DiskStore
from ingest.media.http import PART as EVIDENCE
from ingest.media.http import media_router
from ingest.migrate import upgrade
from ingest.store import EventStore
from ingest.subscriber import PART as INGEST
from ingest.subscriber import Subscriber
from ingest.trouble import Troubles
from tests.events import motion, wait_until
from tests.servers import Mosquitto, running_postgres
from tests.small_disk import SmallDisk

CLOCK = SystemClock()
HEADERS = {
    "Authorization": "Bearer right-token",
    "X-Menshen-Node": "node-1",
    "Content-Type": "image/jpeg",
}
JPEG = b"\xff\xd8\xff\xe0" + bytes(300_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    tmp_path.chmod(0o711)  # PostgreSQL's user must be able to pass
    small = SmallDisk(tmp_path / "centre", megabytes=160)
    yield small
    small.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, disk: SmallDisk) -> Iterator[Engine]:
    with ExitStack() as stack:
        url = f"sqlite:///{disk.folder / 'centre.db'}"
        if request.param == "postgresql":
            sizes = "max_wal_size=32MB", "min_wal_size=32MB"
            server = running_postgres(disk.folder / "postgres", *sizes)
            url = stack.enter_context(server).new_database()
        engine = open_engine(url)
        stack.callback(engine.dispose)
        upgrade(engine)
        yield engine


def door_app(engine: Engine, media: DiskStore, troubles: Troubles) -> FastAPI:
    app, tokens = FastAPI(), {"node-1": SecretStr("right-token")}
    app.include_router(media_router(EventStore(engine, CLOCK), media, tokens, troubles))
    return app


def test_a_full_database_acknowledges_nothing_says_so_and_goes_on(
    database: Engine, disk: SmallDisk, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    troubles = Troubles(CLOCK)
    store = EventStore(database, CLOCK)
    centre = Subscriber(
        broker_url=mosquitto.url, county="demo", store=store, clock=CLOCK, troubles=troubles
    )
    centre.start()
    assert centre.wait_until_up(60)
    path = tmp_path / "outbox.sqlite"
    outbox = Outbox.open(path, node="node-1", clock=CLOCK, budget_bytes=10**9)
    node = Publisher(
        outbox=outbox, broker_url=mosquitto.url, county="demo", node="node-1", clock=CLOCK
    )
    node.start()
    try:
        outbox.append(motion())
        wait_until(lambda: outbox.pending() == 0, what="a receipt while there is room")
        disk.fill()
        # Larger than what the database may have reserved for itself.
        for _ in range(200):
            outbox.append(motion(thumbnail=bytes(20_000)))
        wait_until(lambda: INGEST in troubles.now(), what="words of it", limit_s=120)
        assert "disk of the database is full" in troubles.now()[INGEST].problem
        receipted = 201 - outbox.pending()
        assert store.counts().events >= receipted, "only what is stored has a receipt"
        assert outbox.pending() > 0
        disk.make_room()
        wait_until(lambda: outbox.pending() == 0, what="the rest", limit_s=120)
        wait_until(lambda: troubles.now() == {}, what="its end")
    finally:
        node.stop()
        centre.stop()
        outbox.close()
    result = account([path], database)
    assert (result.committed, result.lost, result.duplicates) == (201, 0, 0)
    assert result.dead_letters == 0


def test_a_full_disk_of_evidence_is_507_in_words_and_the_file_is_taken_later(
    disk: SmallDisk, tmp_path: Path
) -> None:
    troubles = Troubles(CLOCK)
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    media = DiskStore(disk.folder / "media")
    address = f"/v1/media/{hashlib.sha256(JPEG).hexdigest()}"
    with TestClient(door_app(engine, media, troubles)) as door:
        disk.fill()
        refused = door.put(address, content=JPEG, headers=HEADERS)
        assert refused.status_code == 507
        assert "disk of the evidence is full" in refused.json()["problem"]
        assert EVIDENCE in troubles.now()
        left = [path for path in (disk.folder / "media").rglob("*") if path.is_file()]
        assert left == [], "what was half written takes no room"
        disk.make_room()
        assert door.put(address, content=JPEG, headers=HEADERS).status_code == 201
        assert troubles.now() == {}
    engine.dispose()


def test_a_full_database_refuses_evidence_in_words(disk: SmallDisk, tmp_path: Path) -> None:
    troubles = Troubles(CLOCK)
    engine = open_engine(f"sqlite:///{disk.folder / 'c.db'}")
    upgrade(engine)
    media = DiskStore(tmp_path / "media")
    address = f"/v1/media/{hashlib.sha256(JPEG).hexdigest()}"
    with TestClient(door_app(engine, media, troubles)) as door:
        with engine.connect() as connection:
            # What the log has reserved already would take a while to use up.
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        disk.fill()
        refused = door.put(address, content=JPEG, headers=HEADERS)
        assert refused.status_code == 507
        assert "disk of the database is full" in refused.json()["problem"]
        assert EVIDENCE in troubles.now()
        disk.make_room()
        assert door.put(address, content=JPEG, headers=HEADERS).status_code == 200, "it lay there"
        assert troubles.now() == {}
    engine.dispose()
