"""Evidence stays on the edge until the centre has it, and the uploader never gives up."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from config.clock import FakeClock, SystemClock
from config.errors import UserError
from edge.delivery.evidence import EvidenceStore, StoredFile
from edge.delivery.uploader import Uploader
from tests.events import wait_until

DAY_S = 86_400.0
JPEG = b"\xff\xd8\xff\xe0 a picture"


class Centre:
    """Answers uploads as it is told to, and remembers what it took."""

    def __init__(self) -> None:
        self.status = 201
        self.is_reachable = True
        self.taken: dict[str, bytes] = {}
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self.is_reachable:
            raise httpx.ConnectError("no route")
        body = request.read()
        assert request.headers["authorization"] == "Bearer secret"
        assert request.headers["x-menshen-node"] == "node-1"
        if self.status == 201:
            self.taken[request.url.path.rsplit("/", 1)[1]] = body
        return httpx.Response(self.status, json={"remedy": "none"})


def uploader(evidence: EvidenceStore, centre: Centre) -> Uploader:
    return Uploader(
        evidence=evidence,
        centre_url="http://centre/",
        node="node-1",
        token=SecretStr("secret"),
        clock=SystemClock(),
        http=httpx.Client(transport=httpx.MockTransport(centre)),
    )


def test_a_file_is_named_by_its_content_and_survives_a_restart(tmp_path: Path) -> None:
    ref = EvidenceStore(tmp_path, 10**6).put(JPEG, media_type="image/jpeg", role="crop")
    assert ref.sha256 == hashlib.sha256(JPEG).hexdigest()
    (waiting,) = EvidenceStore(tmp_path, 10**6).waiting()
    assert (waiting.sha256, waiting.media_type) == (ref.sha256, "image/jpeg")
    assert waiting.path.read_bytes() == JPEG


def test_the_same_picture_twice_is_one_file(tmp_path: Path) -> None:
    evidence = EvidenceStore(tmp_path, 10**6)
    for _ in range(2):
        evidence.put(JPEG, media_type="image/jpeg", role="crop")
    assert len(evidence.waiting()) == 1


def test_when_full_the_oldest_goes_and_is_told(tmp_path: Path) -> None:
    dropped: list[StoredFile] = []
    evidence = EvidenceStore(tmp_path, 250, on_drop=dropped.append)
    refs = [evidence.put(bytes([n]) * 100, media_type="image/jpeg", role="crop") for n in range(5)]
    assert [file.sha256 for file in dropped] == [ref.sha256 for ref in refs[:3]]
    assert evidence.dropped == 3
    assert [file.sha256 for file in evidence.waiting()] == [refs[4].sha256, refs[3].sha256]
    assert not dropped[0].path.exists()


def test_after_its_days_evidence_goes_although_there_is_room_and_that_is_told(
    tmp_path: Path,
) -> None:
    clock, dropped = FakeClock(), list[StoredFile]()
    evidence = EvidenceStore(tmp_path, 10**6, keep_days=30, clock=clock, on_drop=dropped.append)
    first = evidence.put(b"first", media_type="image/jpeg", role="crop")
    clock.advance(29 * DAY_S)
    second = evidence.put(b"second", media_type="image/jpeg", role="crop")
    evidence.expire()
    assert (evidence.dropped, dropped) == (0, []), "it waits for the centre for all its days"
    clock.advance(1.5 * DAY_S)
    evidence.expire()
    assert [file.sha256 for file in dropped] == [first.sha256]
    assert not dropped[0].path.exists()
    assert evidence.dropped == 1
    assert [file.sha256 for file in evidence.waiting()] == [second.sha256]


def test_days_go_on_while_the_node_is_off_and_for_what_was_refused(tmp_path: Path) -> None:
    before = EvidenceStore(tmp_path, 10**6)
    old = before.put(b"old", media_type="image/jpeg", role="crop")
    young = before.put(b"young", media_type="image/jpeg", role="crop")
    odd = before.put(b"odd", media_type="image/jpeg", role="crop")
    waiting = {file.sha256: file for file in before.waiting()}
    before.refused(waiting[odd.sha256])
    now_s = SystemClock().now().timestamp()
    (refused,) = (tmp_path / "refused").iterdir()
    for path in (waiting[old.sha256].path, refused):
        os.utime(path, (now_s - 31 * DAY_S,) * 2)
    after = EvidenceStore(tmp_path, 10**6, keep_days=30)
    assert [file.sha256 for file in after.waiting()] == [young.sha256]
    assert not refused.exists()
    assert after.dropped == 2


def test_only_the_centres_yes_deletes(tmp_path: Path) -> None:
    evidence, centre = EvidenceStore(tmp_path, 10**6), Centre()
    evidence.put(JPEG, media_type="image/jpeg", role="crop")
    sender = uploader(evidence, centre)
    for status, is_reachable in ((500, True), (401, True), (201, False)):
        centre.status, centre.is_reachable = status, is_reachable
        assert sender.upload_waiting() is False
        assert len(evidence.waiting()) == 1
    centre.is_reachable = True
    assert sender.upload_waiting() is True
    assert list(centre.taken.values()) == [JPEG]
    assert evidence.waiting() == []
    assert list(tmp_path.glob("??/*")) == []
    sender.stop()


def test_a_file_that_is_never_taken_is_kept_apart(tmp_path: Path) -> None:
    evidence, centre = EvidenceStore(tmp_path, 10**6), Centre()
    ref = evidence.put(JPEG, media_type="image/jpeg", role="crop")
    centre.status = 415
    sender = uploader(evidence, centre)
    assert sender.upload_waiting() is True
    assert evidence.waiting() == []
    assert (tmp_path / "refused" / f"{ref.sha256}.jpg").read_bytes() == JPEG
    sender.stop()


def test_the_thread_uploads_what_comes(tmp_path: Path) -> None:
    evidence, centre = EvidenceStore(tmp_path, 10**6), Centre()
    sender = uploader(evidence, centre)
    sender.start()
    evidence.put(JPEG, media_type="image/jpeg", role="crop")
    wait_until(lambda: evidence.waiting() == [], what="the upload")
    sender.stop()
    assert list(centre.taken.values()) == [JPEG]


def test_a_folder_that_cannot_be_used_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="free space on this disk"):
        EvidenceStore(tmp_path / "file", 10**6)
