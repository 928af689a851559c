"""Recordings: every segment plays, whatever ends it, and the budgets hold."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import pytest

from config.clock import SystemClock
from config.errors import UserError
from config.recording_site import Recording
from edge.live.remux import CodedPicture, Source
from edge.live.tap import picture_of
from edge.recording import shelf
from edge.recording.segments import SEGMENT_MS, Segments
from edge.recording.shelf import Shelf, began_s, expire, segment_path, segments
from edge.simulator.faults import ChangeOfResolution
from edge.watching.camera import CameraSpec
from edge.watching.group import CameraGroup, GroupLimits
from tests.edge.cameras import until
from tests.edge.hostile import loop, read, served, smaller_loop

DAY_S = 86_400.0
WANTED = Recording(budget_bytes=10**9, keep_days=7)
SOURCE = Source("h264", 320, 240, b"")


@pytest.fixture(scope="module")
def pictures() -> list[CodedPicture]:
    """Four seconds of a camera with ten pictures a second, a key frame each second."""
    with served(loop()) as url:
        packets, _ = read(url, 40)
    first = next(i for i, packet in enumerate(packets) if packet.is_keyframe)
    return [
        replace(picture_of(packet), at_ms=1_700_000_000_000 + 100 * n)
        for n, packet in enumerate(packets[first:])
    ]


def times(file: Path) -> list[float]:
    """When each picture of a file is shown, in s; all are decoded."""
    with av.open(str(file)) as container:
        return [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]


def until_the_end(file: Path) -> tuple[int, int]:
    """How many pictures of a file are shown, and how many packets cannot be."""
    shown = damaged = 0
    with av.open(str(file)) as container:
        for packet in container.demux(video=0):
            try:
                shown += len(packet.decode())
            except av.error.InvalidDataError:
                damaged += 1
    return shown, damaged


def later(pictures: list[CodedPicture], seconds: float) -> Iterator[CodedPicture]:
    for picture in pictures:
        assert picture.pts_s is not None
        assert picture.dts_s is not None
        yield replace(
            picture,
            pts_s=picture.pts_s + seconds,
            dts_s=picture.dts_s + seconds,
            at_ms=picture.at_ms + round(1000 * seconds),
        )


def writer(folder: Path, *, budget: int = 10**9) -> Segments:
    return Segments(Shelf(folder, budget_bytes=budget, keep_days=7))


def test_no_picture_is_lost_between_two_segments(
    tmp_path: Path, pictures: list[CodedPicture]
) -> None:
    recorded = writer(tmp_path)
    rounds = 2 * SEGMENT_MS // 4000
    for number in range(rounds):
        for picture in later(pictures[:40], 4.0 * number):
            recorded.feed(SOURCE, picture)
    recorded.close()
    files = segments(tmp_path)
    assert len(files) == 2
    assert sum(len(times(file)) for file in files) == rounds * len(pictures[:40])
    assert times(files[1])[0] == 0, "each plays from its own beginning"
    assert began_s(files[0]) == 1_700_000_000.0


def test_a_file_that_ends_anywhere_plays_up_to_there(
    tmp_path: Path, pictures: list[CodedPicture]
) -> None:
    recorded = writer(tmp_path / "camera")
    for picture in pictures:
        recorded.feed(SOURCE, picture)
    (file,) = segments(tmp_path / "camera")  # not closed: as a killed process leaves it
    assert len(times(file)) >= len(pictures) - 12
    recorded.close()
    whole = file.read_bytes()
    for share in (0.4, 0.7, 0.95):
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(whole[: round(len(whole) * share)])
        shown, damaged = until_the_end(cut)
        assert shown >= share * len(pictures) / 2
        assert damaged <= 1, "only the picture that was cut"


def test_another_size_in_mid_stream_begins_another_file(tmp_path: Path) -> None:
    behaviour = partial(ChangeOfResolution, other=smaller_loop(), after=12)
    with served(loop(), behaviour) as url:
        packets, _ = read(url, 40)
    recorded = writer(tmp_path)
    for packet in packets:
        recorded.feed(SOURCE, picture_of(packet))
    recorded.close()
    sizes = []
    for file in segments(tmp_path):
        with av.open(str(file), "r") as container:
            sizes.append([(frame.width, frame.height) for frame in container.decode(video=0)])
    assert [set(found) for found in sizes] == [{(320, 240)}, {(160, 120)}]
    first = next(i for i, packet in enumerate(packets) if packet.is_keyframe)
    assert sum(map(len, sizes)) == len(packets) - first, "none twice, none lost"


def test_the_oldest_goes_when_the_bytes_are_used_up(
    tmp_path: Path, pictures: list[CodedPicture]
) -> None:
    budget = 3 * sum(len(picture.data) for picture in pictures)
    recorded = writer(tmp_path, budget=budget)
    for number in range(8):
        for picture in later(pictures, 100.0 * number):
            recorded.feed(SOURCE, picture)
        assert sum(file.stat().st_size for file in segments(tmp_path)) <= budget
    recorded.close()
    kept = segments(tmp_path)
    assert 2 <= len(kept) < 8
    newest = round(1000 * (began_s(kept[-1]) or 0)) - pictures[0].at_ms
    assert newest == 700_000, "the newest is always there"


def test_young_segments_are_known_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week is ten thousand files a camera, and the thread that asks looks at all pictures."""
    now_s = 1_700_000_000.0
    folder = Shelf(tmp_path / "gate", budget_bytes=10**9, keep_days=7).folder
    ages = [minutes * 60 for minutes in range(200)]
    for age_s in [*ages, 8 * 86_400]:
        segment_path(folder, round((now_s - age_s) * 1000)).touch()
    asked: list[Path] = []

    def counted(path: Path) -> float | None:
        asked.append(path)
        return began_s(path)

    monkeypatch.setattr(shelf, "began_s", counted)
    assert expire(tmp_path, now_s) == 1
    assert len(asked) == 1
    assert len(segments(folder)) == 200


def test_days_hold_for_a_camera_that_is_recorded_no_longer_and_strange_files_stay(
    tmp_path: Path,
) -> None:
    now_s = 1_700_000_000.0
    Shelf(tmp_path / "gate", budget_bytes=10**9, keep_days=7)
    for days in (6.9, 7.1, 30):
        segment_path(tmp_path / "gate", round(1000 * (now_s - days * DAY_S))).write_bytes(b"x")
    (tmp_path / "gate" / "notes.mp4").write_bytes(b"not ours")
    assert expire(tmp_path, now_s) == 2
    assert len(segments(tmp_path / "gate")) == 1
    assert (tmp_path / "gate" / "notes.mp4").exists()
    assert expire(tmp_path / "nowhere", now_s) == 0
    (tmp_path / "gate" / "keep-days").write_text("many")
    assert expire(tmp_path, now_s + 30 * DAY_S) == 0, "said in the log, and nothing else stops"


def test_a_disk_that_takes_nothing_is_tried_again(
    tmp_path: Path, pictures: list[CodedPicture]
) -> None:
    folder = tmp_path / "gate"
    recorded = writer(folder)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()  # as a disk that was pulled
    for picture in pictures:
        recorded.feed(SOURCE, picture)
    assert recorded.errors == 1, "one gap, however many packets fall into it"
    folder.mkdir()
    for picture in later(pictures, 15.0):
        recorded.feed(SOURCE, picture)
    recorded.close()
    (file,) = segments(folder)
    assert len(times(file)) == len(pictures)


def test_masks_forbid_a_recording_however_it_is_asked_for() -> None:
    corner = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2))
    with pytest.raises(UserError, match="masks"):
        CameraSpec(id="gate", url="rtsp://127.0.0.1/a", masks=(corner,), recording=WANTED)


def test_a_camera_is_recorded_and_a_killed_child_leaves_what_plays(tmp_path: Path) -> None:
    limits = GroupLimits(log_level="error", crash_pause_s=0.5, recordings=tmp_path)

    def pictures_on_disk() -> int:
        found = segments(tmp_path / "gate") if (tmp_path / "gate").exists() else []
        return sum(len(times(file)) for file in found if file.stat().st_size > 4096)

    with served(loop()) as url:
        spec = CameraSpec(id="gate", url=url, limit_px=320 * 240, recording=WANTED)
        quiet = replace(spec, id="quiet", recording=None)
        group = CameraGroup("g", (spec, quiet), limits, SystemClock())
        try:
            group.start()
            until(lambda: pictures_on_disk() >= 20, step=group.supervise, pause_s=0.2)
            assert group.pid is not None
            os.kill(group.pid, signal.SIGKILL)
            until(lambda: group.restarts == 1, step=group.supervise)
            assert pictures_on_disk() >= 20
            until(lambda: len(segments(tmp_path / "gate")) == 2, step=group.supervise, pause_s=0.2)
        finally:
            group.stop()
    assert not (tmp_path / "quiet").exists()
    assert all(times(file) for file in segments(tmp_path / "gate"))
