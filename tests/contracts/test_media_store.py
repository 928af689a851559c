"""The contract of stores of evidence, the same on a disk and on a server that speaks S3."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.errors import UserError
from config.settings import Settings
from ingest.media import DiskStore, MediaError, MediaStore
from ingest.media.base import LIMIT_BYTES, name_of, parse_name
from ingest.media.opening import open_media
from tests.s3_server import MotoServer, RcloneServer, S3Server

JPEG = b"\xff\xd8\xff\xe0" + b"a picture " * 50
MP4 = b"\0\0\0\x18ftypisom" + b"a clip " * 50
_BUCKETS = (f"evidence-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    running = MotoServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    running = RcloneServer(tmp_path_factory.mktemp("rclone"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(params=["disk", "moto", "moto-with-versions", "rclone"])
def media(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MediaStore]:
    if request.param == "disk":
        yield DiskStore(tmp_path / "media")
        return
    server: S3Server = request.getfixturevalue("rclone" if request.param == "rclone" else "server")
    bucket = server.new_bucket(next(_BUCKETS), has_versions="versions" in request.param)
    store = server.store(bucket, tmp_path)
    yield store
    store.close()


def name_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(media: MediaStore, data: bytes, *, name: str | None = None) -> str:
    sha256 = name or name_of_bytes(data)
    with media.begin(sha256) as upload:
        for start in range(0, len(data), 1_000_000):
            upload.write(data[start : start + 1_000_000])
        upload.finish(declared=None)
    return sha256


@pytest.mark.parametrize(("data", "media_type"), [(JPEG, "image/jpeg"), (MP4, "video/mp4")])
def test_what_is_kept_is_found_read_listed_and_removed(
    media: MediaStore, data: bytes, media_type: str
) -> None:
    sha256 = put(media, data)
    assert put(media, data) == sha256, "the same file again is welcome"
    found = media.find(sha256)
    assert found is not None
    assert (found.media_type, found.size_bytes) == (media_type, len(data))
    with media.open(sha256) as file:
        assert file.read(5) == data[:5]
        assert file.read() == data[5:]
    (listed,) = media.walk()
    assert listed.file == found
    assert abs(listed.changed_at - datetime.now(UTC)) < timedelta(hours=1)
    assert media.remove(sha256)
    assert media.find(sha256) is None
    assert list(media.walk()) == []
    assert not media.remove(sha256)


def test_what_is_absent_is_said_so(media: MediaStore) -> None:
    for name in ("0" * 64, "", "../../etc/passwd", "A" * 64, "é" * 64):
        assert media.find(name) is None
        assert not media.remove("0" * 64)
        with pytest.raises(FileNotFoundError):
            media.open(name)


@pytest.mark.parametrize(
    ("data", "name", "status"),
    [
        (JPEG, name_of_bytes(MP4), 422),
        (b"GIF89a and more", name_of_bytes(b"GIF89a and more"), 415),
        (b"", name_of_bytes(b""), 415),
        (JPEG[:4] + bytes(LIMIT_BYTES), "a" * 64, 413),
    ],
)
def test_nothing_that_is_not_verified_is_kept(
    media: MediaStore, data: bytes, name: str, status: int
) -> None:
    with pytest.raises(MediaError) as caught:
        put(media, data, name=name)
    assert caught.value.status == status
    assert list(media.walk()) == []


def test_an_upload_that_breaks_off_leaves_nothing(media: MediaStore) -> None:
    with media.begin(name_of_bytes(JPEG)) as upload:
        upload.write(JPEG[:100])
    assert list(media.walk()) == []
    assert put(media, JPEG) == name_of_bytes(JPEG)


@given(data=st.binary(max_size=3_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_picture_comes_back_as_it_was(media: MediaStore, data: bytes) -> None:
    sha256 = put(media, b"\xff\xd8\xff" + data.ljust(9, b"\0"))
    with media.open(sha256) as file:
        assert name_of_bytes(file.read()) == sha256


@given(name=st.text(max_size=80))
def test_only_our_own_names_are_parsed(name: str) -> None:
    parsed = parse_name(name)
    assert parsed is None or name_of(*parsed) == name


def test_what_lies_there_and_is_not_ours_is_passed_over(server: S3Server, tmp_path: Path) -> None:
    bucket = server.new_bucket(next(_BUCKETS))
    store = server.store(bucket, tmp_path)
    half = tmp_path / "note.txt"
    half.write_text("somebody else's")
    for key in ("evidence/readme.txt", f"other/{name_of('a' * 64, 'image/jpeg')}"):
        server.client().fput_object(bucket.name, key, str(half))
    sha256 = put(store, JPEG)
    assert [item.file.sha256 for item in store.walk()] == [sha256]
    store.close()


def test_every_version_of_a_removed_file_is_gone(server: S3Server, tmp_path: Path) -> None:
    bucket = server.new_bucket(next(_BUCKETS), has_versions=True)
    store = server.store(bucket, tmp_path)
    sha256 = put(store, JPEG)
    put(store, JPEG)
    assert store.remove(sha256)
    left = server.client().list_objects(bucket.name, recursive=True, include_version=True)
    assert list(left) == []
    store.close()


def test_a_store_that_is_away_is_503_and_comes_back(tmp_path: Path) -> None:
    server = MotoServer()
    server.start()
    store = server.store(server.new_bucket(next(_BUCKETS)), tmp_path)
    sha256 = put(store, JPEG)
    server.stop()
    try:
        for work in (
            lambda: store.find(sha256),
            lambda: store.open(sha256),
            lambda: put(store, MP4),
            lambda: store.remove(sha256),
            lambda: list(store.walk()),
        ):
            with pytest.raises(MediaError) as caught:
                work()
            assert caught.value.status == 503
            assert "tester" not in str(caught.value)
    finally:
        server.start()
    with store.open(sha256) as file:
        assert file.read() == JPEG
    store.close()
    server.stop()


def test_keys_that_the_store_refuses_are_said_at_the_start(
    rclone: S3Server, tmp_path: Path
) -> None:
    bucket = rclone.new_bucket(next(_BUCKETS))
    with pytest.raises(UserError, match="MENSHEN_MEDIA") as caught:
        rclone.store(replace(bucket, secret_key=SecretStr("another-secret")), tmp_path)
    assert "another-secret" not in str(caught.value)


def test_the_settings_choose_the_store(server: S3Server, tmp_path: Path) -> None:
    assert isinstance(open_media(Settings(data_dir=tmp_path)), DiskStore)
    bucket = server.new_bucket(next(_BUCKETS))
    keys = {"s3_access_key": SecretStr("k"), "s3_secret_key": SecretStr("very-secret")}
    chosen = Settings(
        data_dir=tmp_path, media=f"s3://{bucket.name}/a/b", s3_endpoint=server.endpoint, **keys
    )
    sha256 = put(open_media(chosen), JPEG)
    (item,) = server.client().list_objects(bucket.name, recursive=True)
    assert item.object_name == f"a/b/{name_of(sha256, 'image/jpeg')}"
    for change in ({"media": "s3://absent"}, {"s3_endpoint": None}, {"s3_secret_key": None}):
        with pytest.raises(UserError) as caught:
            open_media(chosen.model_copy(update=change))
        assert "very-secret" not in str(caught.value)
