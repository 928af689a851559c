"""The evidence door: what is verified, what is refused in words, and the uploader that uses it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from config.clock import FakeClock
from ingest.engine import open_engine, reading, writing
from ingest.media import LIMIT_BYTES, DiskStore, MediaError, MediaStore
from ingest.media.http import media_router
from ingest.migrate import upgrade
from ingest.retention.files import Files
from ingest.retention.followers import Nobody
from ingest.schema import media as media_table
from ingest.store import EventStore

JPEG = b"\xff\xd8\xff\xe0" + b"a picture " * 50
MP4 = b"\0\0\0\x18ftypisom" + b"a clip " * 50
WHO = {"Authorization": "Bearer right-token", "X-Menshen-Node": "node-1"}


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return DiskStore(tmp_path / "media")


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[EventStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    upgrade(engine)
    yield EventStore(engine, clock)
    engine.dispose()


@pytest.fixture
def door(media: MediaStore, store: EventStore) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(media_router(store, media, {"node-1": SecretStr("right-token")}))
    with TestClient(app) as client:
        yield client


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(door: TestClient, data: bytes, **change: str) -> httpx.Response:
    headers = {**WHO, "Content-Type": change.get("media_type", "image/jpeg")}
    name = change.get("name", name_of(data))
    answer: httpx.Response = door.put(f"/v1/media/{name}", content=data, headers=headers)
    return answer


@pytest.mark.parametrize(("data", "media_type"), [(JPEG, "image/jpeg"), (MP4, "video/mp4")])
def test_a_file_is_stored_once_and_read_back(
    door: TestClient, media: MediaStore, store: EventStore, data: bytes, media_type: str
) -> None:
    first, again = put(door, data, media_type=media_type), put(door, data, media_type=media_type)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    with media.open(name_of(data)) as file:
        assert file.read() == data
    with reading(store.engine) as connection:
        (row,) = connection.execute(select(media_table)).all()
    assert (row.media_type, row.size_bytes, row.node) == (media_type, len(data), "node-1")


def test_a_row_lost_to_a_crash_is_written_by_the_retry(
    door: TestClient, media: MediaStore, store: EventStore
) -> None:
    with media.begin(name_of(JPEG)) as upload:
        upload.write(JPEG)
        upload.finish(declared=None)
    assert put(door, JPEG).status_code == 200
    with reading(store.engine) as connection:
        assert len(connection.execute(select(media_table)).all()) == 1


@pytest.mark.parametrize(
    ("data", "change", "status"),
    [
        (JPEG, {"name": name_of(MP4)}, 422),
        (JPEG, {"name": "not-a-sha256"}, 422),
        (JPEG, {"name": "..%2f..%2fetc%2fpasswd"}, 404),
        (JPEG, {"name": name_of(JPEG).upper()}, 422),
        (b"GIF89a and more bytes", {}, 415),
        (b"", {}, 415),
        (b"\xff", {}, 415),
        (JPEG, {"media_type": "video/mp4"}, 415),
        (JPEG[:4] + bytes(LIMIT_BYTES), {}, 413),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    door: TestClient, tmp_path: Path, data: bytes, change: dict[str, str], status: int
) -> None:
    answer = put(door, data, **change)
    assert answer.status_code == status
    if status != 404:
        assert answer.json()["remedy"]
    assert [found for found in (tmp_path / "media").rglob("*") if found.is_file()] == []


def test_a_giant_without_a_length_is_cut_off(door: TestClient, tmp_path: Path) -> None:
    chunks = (JPEG[:4] + bytes(1_000_000) for _ in range(25))
    answer = door.put(f"/v1/media/{'a' * 64}", content=chunks, headers=WHO)
    assert answer.status_code == 413
    assert list((tmp_path / "media" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    "who",
    [
        {},
        {"X-Menshen-Node": "node-1"},
        {**WHO, "Authorization": "Bearer wrong-token"},
        {**WHO, "Authorization": "Basic right-token"},
        {**WHO, "X-Menshen-Node": "node-2"},
        {**WHO, "Authorization": "Bearer "},
    ],
)
def test_without_the_nodes_token_nothing_is_taken(
    door: TestClient, media: MediaStore, who: dict[str, str]
) -> None:
    answer = door.put(f"/v1/media/{name_of(JPEG)}", content=JPEG, headers=who)
    assert answer.status_code == 401
    assert "token" not in answer.json()["problem"] or "right-token" not in answer.text
    assert media.find(name_of(JPEG)) is None


@given(data=st.binary(max_size=200), name=st.text("0123456789abcdefG./", max_size=70))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_upload_is_a_server_error(door: TestClient, data: bytes, name: str) -> None:
    for path in (name, name_of(data)):
        answer = door.put(f"/v1/media/{path}", content=data, headers=WHO)
        assert answer.status_code < 500


def test_half_files_of_a_crash_are_swept(tmp_path: Path) -> None:
    half = tmp_path / "media" / "incoming" / "abc"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    DiskStore(tmp_path / "media")
    assert half.exists(), "another process may be writing it"
    os.utime(half, (0, 0))
    DiskStore(tmp_path / "media")
    assert not half.exists()


def test_a_file_that_retention_removes_meanwhile_is_taken_anew(
    door: TestClient, media: DiskStore, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found on the disk, gone until it was listed: the body that came with it is kept."""
    assert put(door, JPEG).status_code == 201
    found = media.find(name_of(JPEG))
    answers = [found, None]
    real = media.find
    monkeypatch.setattr(media, "find", lambda name: answers.pop(0) if answers else real(name))
    assert put(door, JPEG).status_code == 201
    with media.open(name_of(JPEG)) as file:
        assert file.read() == JPEG


def test_an_order_to_remove_is_withdrawn_by_the_upload(
    door: TestClient, media: DiskStore, store: EventStore, clock: FakeClock
) -> None:
    assert put(door, JPEG).status_code == 201
    with writing(store.engine) as connection:
        files = Files(store.engine, media, clock, Nobody())
        assert files.doom(connection, [name_of(JPEG)], "a rule") == 1
    assert put(door, JPEG).status_code == 200
    assert files.carry_out() == 0
    assert media.find(name_of(JPEG)) is not None


def test_a_store_that_is_away_is_503_and_the_edge_keeps_the_file(
    door: TestClient, media: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise MediaError(status=503, where="s3", problem="away", remedy="later")

    monkeypatch.setattr(media, "keep", away)
    answer = put(door, JPEG)
    assert (answer.status_code, answer.json()["problem"]) == (503, "away")
