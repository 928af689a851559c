"""A camera's threads: logins are spared, waits beat, faults are told in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr

from config.clock import FakeClock, SystemClock
from config.errors import UserError
from config.site import Gate
from edge.simulator.auth import Credentials
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.streams.backoff import RetryPolicy
from edge.streams.stream import Fault, StreamError, VideoStream
from edge.watching.camera import CameraSpec, CameraState, CameraThreads, Opener, open_stream
from edge.watching.gates import Unhurried
from tests.edge.cameras import until
from tests.edge.hostile import loop, smaller_loop

URL = "rtsp://admin:hunter2@10.0.0.5/main"


class Nowhere(Unhurried):
    """A sink that takes nothing."""

    def put(self, at: datetime, picture: Any, boxes: Any, before: Any = ()) -> None:
        raise AssertionError("no picture can come from a camera that cannot be opened")

    def put_glances(self, glances: Any) -> None:
        raise AssertionError("nor can anything be seen to move")


class Refusals:
    """An opener that always fails in one way, and remembers when it was asked."""

    def __init__(self, clock: FakeClock, fault: Fault) -> None:
        self.clock = clock
        self.fault = fault
        self.asked: list[float] = []

    def __call__(self, url: str, camera: str) -> VideoStream:
        self.asked.append(self.clock.monotonic())
        raise StreamError(camera=camera, url=url, fault=self.fault)


@pytest.fixture
def told() -> list[CameraState]:
    return []


def run_for(camera: CameraThreads, clock: FakeClock, seconds: float) -> None:
    """Let fake seconds pass in steps; for each the threads wait, and all of them see it."""
    for _ in range(int(seconds * 2)):
        until(lambda: clock.waiting == len(camera.roles), pause_s=0.001)
        clock.advance(0.5)
        until(lambda: min(camera.beats.values()) == clock.monotonic(), pause_s=0.001)


@pytest.fixture
def threads(clock: FakeClock, told: list[CameraState]) -> Iterator[Any]:
    started: list[CameraThreads] = []

    def start(opener: Opener, **spec: Any) -> CameraThreads:
        camera = CameraThreads(
            CameraSpec(**{"id": "gate", "url": URL, **spec}),
            sink=Nowhere(),
            tell=told.append,
            clock=clock,
            opener=opener,
        )
        started.append(camera)
        camera.start()
        return camera

    yield start
    for camera in started:
        camera.stop()


def test_a_wrong_password_is_tried_three_times_and_then_not_for_ten_minutes(
    clock: FakeClock, threads: Any, told: list[CameraState]
) -> None:
    opener = Refusals(clock, Fault.CREDENTIALS)
    camera = threads(opener, sub_url="rtsp://admin:hunter2@10.0.0.5/sub")
    run_for(camera, clock, 30)
    assert len(opener.asked) == 3
    run_for(camera, clock, 560)
    assert len(opener.asked) == 3, "the account must not be locked by us"
    run_for(camera, clock, 60)
    assert len(opener.asked) >= 4
    assert opener.asked[3] - opener.asked[2] >= 600
    assert {state.fault for state in told} == {Fault.CREDENTIALS}
    assert all("hunter2" not in state.problem for state in told)


def test_a_real_camera_is_asked_no_more_often_with_a_wrong_password(
    clock: FakeClock, threads: Any, told: list[CameraState]
) -> None:
    right = Credentials(user="admin", password=SecretStr("another"))
    source = CameraSource("gate", loop(), smaller_loop())
    asked: list[str] = []

    def opener(url: str, camera: str) -> VideoStream:
        asked.append(url)
        return open_stream(url, camera)

    with RtspServer("127.0.0.1", 0, [source], right) as server:
        urls = [server.url("gate", role).replace("//", "//admin:hunter2@") for role in
                ("main", "sub")]  # fmt: skip
        camera = threads(opener, url=urls[0], sub_url=urls[1])
        run_for(camera, clock, 120)
    assert asked == urls[:1] * 3
    assert {state.fault for state in told} == {Fault.CREDENTIALS}


def test_a_camera_that_is_off_is_tried_again_for_ever_ever_more_slowly(
    clock: FakeClock, threads: Any
) -> None:
    opener = Refusals(clock, Fault.UNREACHABLE)
    camera = threads(opener)
    run_for(camera, clock, 400)
    gaps = [b - a for a, b in zip(opener.asked, opener.asked[1:], strict=False)]
    assert len(gaps) >= 8
    assert max(gaps) <= 62
    assert min(gaps) >= 1
    assert gaps[-1] > gaps[0]


class Blind(Nowhere):
    """A sink that takes everything and forgets it."""

    def put(self, at: datetime, picture: Any, boxes: Any, before: Any = ()) -> None:
        """Nobody looks."""

    def put_glances(self, glances: Any) -> None:
        """Nobody looks."""


def test_a_camera_without_its_sub_stream_is_lost_for_nothing_that_moves_is_noticed(
    told: list[CameraState],
) -> None:
    may_open = threading.Event()

    def opener(url: str, camera: str) -> VideoStream:
        if url.endswith("sub") and not may_open.is_set():
            raise StreamError(camera=camera, url=url, fault=Fault.NOT_FOUND)
        return open_stream(url, camera)

    source = CameraSource("gate", loop(), smaller_loop())
    with RtspServer("127.0.0.1", 0, [source]) as server:
        main, sub = (server.url("gate", role) for role in ("main", "sub"))
        retry = RetryPolicy(first_s=0.1, longest_s=0.1)
        camera = CameraThreads(
            CameraSpec(id="gate", url=main, sub_url=sub, retry=retry),
            sink=Blind(),
            tell=told.append,
            clock=SystemClock(),
            opener=opener,
        )
        camera.start()
        try:
            until(lambda: bool(told) and not told[-1].online)
            assert told[-1].fault is Fault.NOT_FOUND
            assert told[-1].problem.startswith("sub-stream: ")
            may_open.set()
            until(lambda: told[-1].online)
        finally:
            camera.stop()


def test_a_gate_that_needs_a_sub_stream_says_so(clock: FakeClock) -> None:
    with pytest.raises(UserError) as caught:
        CameraThreads(
            CameraSpec(id="gate", url=URL, gate=Gate.SUBSTREAM),
            sink=Nowhere(),
            tell=lambda _: None,
            clock=clock,
        )
    assert "sub_url" in str(caught.value)


def test_a_printed_spec_shows_no_password() -> None:
    assert "hunter2" not in repr(CameraSpec(id="gate", url=URL, sub_url=URL))
