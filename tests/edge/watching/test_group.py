"""Decode children: killed, hung or orphaned, and what happens to the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from config.clock import SystemClock
from edge.watching import group as group_module
from edge.watching.camera import CameraSpec, CameraState
from edge.watching.counters import Counters
from edge.watching.group import CameraGroup, GroupLimits
from tests.edge.cameras import LOGIN, PASSWORD, GstCamera, until

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[2]
LIMITS = GroupLimits(log_level="error", crash_pause_s=0.5, hang_s=4.0)


@pytest.fixture
def camera(clip: Path) -> Iterator[GstCamera]:
    with GstCamera(clip, login=True) as started:
        yield started


def group(name: str, camera: GstCamera) -> CameraGroup:
    spec = CameraSpec(id=name, url=f"rtsp://{LOGIN}{camera.address}", limit_px=320 * 240)
    return CameraGroup(name, (spec,), LIMITS, SystemClock())


def drain(group: CameraGroup) -> int:
    """Supervise once and take every waiting picture; returns how many there were."""
    group.supervise()
    count = 0
    while (taken := group.take()) is not None:
        _, frame, ring = taken
        assert frame.picture.shape == (240, 320, 3)
        ring.release(frame)
        count += 1
    return count


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"


def test_a_killed_or_frozen_child_is_replaced_and_the_other_group_is_untouched(
    camera: GstCamera,
) -> None:
    first, second = group("first", camera), group("second", camera)
    pictures = {"first": 0, "second": 0}

    def step() -> None:
        for item in (first, second):
            pictures[item.name] += drain(item)

    try:
        first.start()
        second.start()
        other = second.pid
        until(lambda: min(pictures.values()) > 0, step=step)
        for number, number_of_signal in enumerate((signal.SIGKILL, signal.SIGSTOP), start=1):
            assert first.pid is not None
            os.kill(first.pid, number_of_signal)
            until(lambda n=number: first.restarts == n, step=step)  # type: ignore[misc]
            before = dict(pictures)
            until(lambda b=before: pictures["first"] > b["first"], step=step)  # type: ignore[misc]
        assert second.pid == other
        assert second.restarts == 0
        assert pictures["second"] > 0
        until(lambda: first.counters("first").decoded > 0, step=step)
    finally:
        first.stop()
        second.stop()
    assert first.pid is None


def test_a_child_that_dies_before_it_was_given_its_memory_is_replaced(
    camera: GstCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that child leaves is a broken pipe, which must not end the whole node."""
    died: list[int] = []
    give = group_module.reduction.send_handle

    def to_the_dead(pipe: Connection, handle: int, pid: int) -> None:
        if not died:
            died.append(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        give(pipe, handle, pid)

    monkeypatch.setattr(group_module.reduction, "send_handle", to_the_dead)
    watched = group("first", camera)
    watched.start()
    try:
        assert watched.pid == died[0]
        until(lambda: drain(watched) > 0)
        assert watched.restarts == 1
        assert watched.pid != died[0]
    finally:
        watched.stop()


def test_who_asks_for_the_counters_of_a_camera_that_was_taken_away_gets_none() -> None:
    """Metrics are asked for at any time, and other groups may take seconds to change."""
    gone = CameraSpec(id="gate", url="rtsp://127.0.0.1:9/x")
    watched = CameraGroup("first", (gone,), LIMITS, SystemClock())
    watched.change(())
    assert watched.counters("gate") == Counters()


def test_the_cameras_of_a_child_that_died_are_lost_until_its_heir_has_them() -> None:
    """An heir that dies as well, again and again, would leave them unwatched and nobody told."""
    nowhere = CameraSpec(id="gate", url="rtsp://127.0.0.1:9/x", limit_px=320 * 240)
    watched = CameraGroup("first", (nowhere,), LIMITS, SystemClock())
    states: list[CameraState] = []
    watched.start()
    try:
        assert watched.pid is not None
        os.kill(watched.pid, signal.SIGKILL)
        until(lambda: watched.restarts == 1, step=lambda: states.extend(watched.supervise()))
    finally:
        watched.stop()
    assert [(state.camera, state.online, state.fault) for state in states] == [
        ("gate", False, None)
    ]
    assert "exited with -9" in states[0].problem


def test_who_asks_for_a_child_while_it_is_taken_down_is_told_that_there_is_none(
    camera: GstCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    close = BaseProcess.close

    def closing(process: BaseProcess) -> None:
        close(process)
        asked.append(watched.pid)  # as another thread might at this moment

    watched = group("watched", camera)
    watched.start()
    assert watched.pid is not None
    monkeypatch.setattr(BaseProcess, "close", closing)
    watched.stop()
    assert asked == [None]


def test_the_stream_comes_back_after_the_cameras_power_was_cut(camera: GstCamera) -> None:
    watched = group("gate", camera)
    states: list[bool] = []
    pictures = 0

    def step() -> None:
        nonlocal pictures
        states.extend(state.online for state in watched.supervise())
        pictures += drain(watched)

    try:
        watched.start()
        until(lambda: pictures > 0, step=step)
        camera.stop()
        until(lambda: states[-1:] == [False], step=step)
        camera.start()
        before = pictures
        until(lambda: states[-1:] == [True] and pictures > before, step=step)
        assert watched.restarts == 0, "a lost camera is no reason to replace the child"
    finally:
        watched.stop()


ORPHAN = """
import sys, time
from config.clock import SystemClock
from edge.watching import group as group_module
from edge.watching.camera import CameraSpec
from edge.watching.group import CameraGroup, GroupLimits

if __name__ == "__main__":
    spec = CameraSpec(id="gate", url=sys.argv[1], limit_px=320 * 240)
    group = CameraGroup("g", (spec,), GroupLimits(), SystemClock())
    group.start()
    while not group.supervise():
        time.sleep(0.05)
    print(group.pid, flush=True)
    time.sleep(600)
"""


def test_children_die_with_their_parent_and_log_no_password(
    camera: GstCamera, tmp_path: Path
) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    parent = subprocess.Popen(
        [sys.executable, str(script), f"rtsp://{LOGIN}{camera.address}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    _, logs = parent.communicate(timeout=60)
    until(lambda: gone(child))
    assert "stream connected" in logs
    assert PASSWORD not in logs
    assert LOGIN.split(":")[1].rstrip("@") not in logs
