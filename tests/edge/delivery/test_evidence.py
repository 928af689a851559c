"""Evidence stays on the edge until the centre has it, and the uploader never gives up."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
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


def uploader(
    evidence: EvidenceStore, centre: Callable[[httpx.Request], httpx.Response]
) -> Uploader:
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


def test_what_was_refused_goes_after_its_own_days(tmp_path: Path) -> None:
    clock = FakeClock()
    evidence = EvidenceStore(tmp_path, 10**6, keep_days=30, clock=clock)
    for data in (b"old", b"young"):
        evidence.put(data, media_type="image/jpeg", role="crop")
        clock.advance(DAY_S)
    for stored in evidence.waiting():
        evidence.refused(stored)
    clock.advance(28.5 * DAY_S)
    evidence.expire()
    (left,) = (tmp_path / "refused").iterdir()
    assert left.read_bytes() == b"young"


def test_what_was_refused_counts_and_goes_first_when_there_is_no_room(tmp_path: Path) -> None:
    """A proxy that takes nothing large must not fill the disk that events are kept on."""
    dropped: list[StoredFile] = []
    before = EvidenceStore(tmp_path, 350)
    for number in range(2):
        before.put(bytes([number]) * 100, media_type="image/jpeg", role="crop")
        before.refused(before.waiting()[0])
    after = EvidenceStore(tmp_path, 350, on_drop=dropped.append)
    after.put(b"2" * 100, media_type="image/jpeg", role="crop")
    after.refused(after.waiting()[0])
    kept = after.put(b"3" * 100, media_type="image/jpeg", role="crop")
    assert len(list((tmp_path / "refused").iterdir())) == 2
    assert [file.sha256 for file in after.waiting()] == [kept.sha256]
    assert (after.dropped, dropped) == (1, [])


def test_a_disk_that_lets_nothing_be_deleted_does_not_end_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel makes it after an error, read-only; cameras are watched all the same."""
    clock = FakeClock()
    evidence = EvidenceStore(tmp_path, 10**6, keep_days=30, clock=clock)
    evidence.put(JPEG, media_type="image/jpeg", role="crop")
    clock.advance(31 * DAY_S)

    def refuse(_path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    evidence.expire()
    assert evidence.waiting() == []


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


def test_what_comes_during_a_long_round_goes_before_the_rest_of_it(tmp_path: Path) -> None:
    evidence = EvidenceStore(tmp_path, 10**6)
    taken: list[bytes] = []

    def centre(request: httpx.Request) -> httpx.Response:
        taken.append(request.read())
        if len(taken) == 1:
            evidence.put(b"of an alert just now", media_type="image/jpeg", role="crop")
        return httpx.Response(201)

    for waiting in (b"old", b"older", b"oldest")[::-1]:
        evidence.put(waiting, media_type="image/jpeg", role="crop")
    sender = uploader(evidence, centre)
    assert sender.upload_waiting() is True
    assert taken == [b"old", b"of an alert just now", b"older", b"oldest"]
    sender.stop()


@pytest.mark.parametrize(("status", "asked"), [(507, 1), (401, 1), (503, 1), (500, 3)])
def test_a_centre_that_takes_nothing_is_not_sent_everything_each_time(
    tmp_path: Path, status: int, asked: int
) -> None:
    """Its disk is full, or the token wrong: with all that waits, the line would be full as well."""
    evidence, centre = EvidenceStore(tmp_path, 10**6), Centre()
    for number in range(3):
        evidence.put(bytes([number]), media_type="image/jpeg", role="crop")
    centre.status = status
    sender = uploader(evidence, centre)
    assert sender.upload_waiting() is False
    assert centre.asked == asked
    assert len(evidence.waiting()) == 3
    sender.stop()


def test_a_file_at_which_the_line_breaks_each_time_does_not_hold_up_the_others(
    tmp_path: Path,
) -> None:
    evidence, taken = EvidenceStore(tmp_path, 10**6), list[bytes]()

    def centre(request: httpx.Request) -> httpx.Response:
        if (body := request.read()) == b"a long clip":
            raise httpx.ReadTimeout("a proxy gave up")
        taken.append(body)
        return httpx.Response(201)

    evidence.put(b"a crop", media_type="image/jpeg", role="crop")
    evidence.put(b"a long clip", media_type="video/mp4", role="clip")
    sender = uploader(evidence, centre)
    assert [sender.upload_waiting() for _ in range(3)] == [False] * 3
    assert taken == [b"a crop"]
    assert len(evidence.waiting()) == 1, "and it is tried for ever"
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
