"""A store of evidence that lies: whatever S3 answers, we say 503 in words and believe nothing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.errors import UserError
from ingest.backup.evidence import copy_evidence
from ingest.media import MediaError
from ingest.media.base import name_of
from ingest.media.s3 import Bucket, S3Store

JPEG = b"\xff\xd8\xff\xe0" + b"a picture " * 50
SHA256 = hashlib.sha256(JPEG).hexdigest()
_XML = "application/xml"
_BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "%b">%b]><x>&j;</x>' % (
    b"ha" * 50,
    b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)),
)
Answer = tuple[int, str, bytes]
GARBAGE: dict[str, Answer] = {
    "no XML": (200, _XML, b"\0\xff<not xml"),
    "an empty body": (200, _XML, b""),
    "a web page": (200, "text/html", b"<html>log in here</html>"),
    "an XML bomb": (200, _XML, _BOMB),
    "another document": (200, _XML, b"<Surprise><Key>x</Key></Surprise>"),
    "an error without words": (500, _XML, b""),
    "an error that is none": (403, _XML, b"<Error><Code></Code></Error>"),
    "a redirection": (301, _XML, b""),
    "a teapot": (418, "text/plain", b"short and stout"),
}


class LyingServer(ThreadingHTTPServer):
    """Says yes to HEAD on the bucket, and ``answer`` to everything else."""

    answer: Answer = (200, _XML, b"")
    head: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: LyingServer

    def do_HEAD(self) -> None:
        is_bucket = self.path.count("/") == 1
        self.send_response(200)
        for name, value in () if is_bucket else self.server.head:
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        status, media_type, body = self.server.answer
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815
    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with LyingServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def store(server: LyingServer, tmp_path: Path) -> Iterator[S3Store]:
    bucket = Bucket(
        endpoint=f"http://127.0.0.1:{server.server_port}",
        name="evidence",
        prefix="files",
        access_key=SecretStr("tester"),
        secret_key=SecretStr("very-secret"),
    )
    made = S3Store(bucket, tmp_path / "spool")
    yield made
    made.close()


def put(store: S3Store) -> None:
    with store.begin(SHA256) as upload:
        upload.write(JPEG)
        upload.finish(declared="image/jpeg")


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(MediaError) as caught:
        yield
    assert caught.value.status == 503
    assert "very-secret" not in str(caught.value)


GOOD_HEAD = (
    ("Content-Length", str(len(JPEG))),
    ("Last-Modified", "Tue, 24 Nov 2026 17:00:00 GMT"),
    ("ETag", '"x"'),
)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_never_believed(server: LyingServer, store: S3Store, answer: Answer) -> None:
    """Nothing is kept, listed or removed on the word of it, and nothing but 503 comes out."""
    server.answer = answer
    works: tuple[Callable[[], object], ...] = (
        lambda: list(store.walk()),
        lambda: store.remove(SHA256),
        lambda: store.find(SHA256),
    )
    for work in works:
        try:
            found = work()
        except (MediaError, FileNotFoundError) as error:
            assert not isinstance(error, MediaError) or error.status == 503
        else:
            assert found in ([], False), "what is nothing is told as nothing"


@pytest.mark.parametrize("size", ["0", "-1", "9" * 30, "many", str(len(JPEG) - 1)])
def test_a_file_of_another_size_is_not_kept(server: LyingServer, store: S3Store, size: str) -> None:
    server.head = (("Content-Length", size), *GOOD_HEAD[1:])
    server.answer = (200, _XML, b"")
    with refused():
        put(store)


@pytest.mark.parametrize("when", ["", "yesterday", "Tue, 99 Nov 2026 17:00:00 GMT"])
def test_a_date_that_is_none_is_503(server: LyingServer, store: S3Store, when: str) -> None:
    server.head = (GOOD_HEAD[0], ("Last-Modified", when))
    with refused():
        store.find(SHA256)


def test_names_that_are_not_ours_are_not_listed(server: LyingServer, store: S3Store) -> None:
    items = b"".join(
        b"<Contents><Key>%b</Key><Size>1</Size>"
        b"<LastModified>2026-11-24T17:00:00.000Z</LastModified></Contents>" % key
        for key in (
            b"files/../../etc/passwd",
            b"/etc/passwd",
            b"files/" + name_of(SHA256, "image/jpeg").upper().encode(),
            b"files/" + name_of(SHA256, "image/jpeg").encode(),
        )
    )
    body = (
        b"<ListBucketResult><Name>evidence</Name><IsTruncated>false</IsTruncated>"
        + items
        + b"</ListBucketResult>"
    )
    server.answer = (200, _XML, body)
    assert [item.file.sha256 for item in store.walk()] == [SHA256]


def test_other_bytes_are_found_by_the_backup(
    server: LyingServer, store: S3Store, tmp_path: Path
) -> None:
    key = b"files/" + name_of(SHA256, "image/jpeg").encode()
    body = (
        b"<ListBucketResult><Name>evidence</Name><IsTruncated>false</IsTruncated><Contents><Key>%b</Key><Size>9</Size>"
        b"<LastModified>2026-11-24T17:00:00.000Z</LastModified></Contents></ListBucketResult>" % key
    )
    server.head, server.answer = GOOD_HEAD, (200, _XML, body)
    with pytest.raises(UserError, match="other bytes"):
        copy_evidence(store, tmp_path / "monday")


def test_bytes_that_break_off_are_an_error_not_a_shorter_file(
    server: LyingServer, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(JPEG[:100])
        handler.close_connection = True

    monkeypatch.setattr(_Handler, "do_GET", short)
    server.head = GOOD_HEAD
    with refused(), store.open(SHA256) as file:
        file.read()
