"""Frame time follows the stream's clock, and survives late packets and clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.streams.frame_time import FrameTimer

T0 = 1_700_000_000.0


@given(st.lists(st.floats(0, 1.5), min_size=5, max_size=60))
def test_late_packets_never_make_a_frame_later_than_its_arrival(delays: list[float]) -> None:
    timer = FrameTimer()
    for number, delay in enumerate(delays):
        pts = number * 0.04
        timer.observe(pts, T0 + pts + delay)
        taken = timer.utc(pts).timestamp()
        assert T0 + pts - 1e-3 <= taken <= T0 + pts + delay + 1e-3


def test_a_burst_at_the_start_settles_on_the_quickest_packet() -> None:
    timer = FrameTimer()
    for pts in (0.0, 0.5, 1.0):
        timer.observe(pts, T0 + 1.0)
    assert timer.utc(1.0) == datetime.fromtimestamp(T0 + 1.0, UTC)
    assert timer.utc(0.0) == datetime.fromtimestamp(T0, UTC)


@pytest.mark.parametrize("jump", [-5000.0, -3.0, 3.0, 1e6])
def test_a_jump_of_the_cameras_clock_is_followed_at_once(jump: float) -> None:
    timer = FrameTimer()
    timer.observe(10.0, T0)
    timer.observe(10.04 + jump, T0 + 0.04)
    assert abs(timer.utc(10.04 + jump).timestamp() - (T0 + 0.04)) < 0.01
    assert timer.jumps == 1


@pytest.mark.parametrize("jump", [-10.0, 3600.0])
def test_a_picture_that_came_before_the_jump_keeps_its_time(jump: float) -> None:
    timer = FrameTimer()
    for i in range(10):
        timer.observe(i * 0.1, T0 + i * 0.1)
    for i in range(10, 20):
        timer.observe(i * 0.1 + jump, T0 + i * 0.1)
    assert timer.unix_s(0.9, T0 + 0.9) == pytest.approx(T0 + 0.9, abs=0.01)
    assert timer.unix_s(1.0 + jump, T0 + 1.0) == pytest.approx(T0 + 1.0, abs=0.01)
    assert timer.unix_s(1.9 + jump, T0 + 1.9) == pytest.approx(T0 + 1.9, abs=0.01)


def test_a_machine_that_was_busy_for_seconds_does_not_move_the_time_of_what_it_saw() -> None:
    timer = FrameTimer()
    for i in range(100):
        late = 4.0 if 20 < i < 60 else 0.0
        timer.observe(i * 0.1, T0 + i * 0.1 + late)
        assert abs(timer.utc(i * 0.1).timestamp() - (T0 + i * 0.1)) < 0.05


def test_a_camera_whose_time_stood_still_is_followed_after_half_a_minute() -> None:
    timer = FrameTimer()
    for i in range(1000):
        pause = 4.0 if i > 100 else 0.0
        timer.observe(i * 0.1, T0 + i * 0.1 + pause)
    assert abs(timer.utc(99.9).timestamp() - (T0 + 103.9)) < 0.05


def test_without_a_packet_there_is_no_time() -> None:
    with pytest.raises(ValueError, match="no packet"):
        FrameTimer().utc(1.0)
    with pytest.raises(ValueError, match="no packet"):
        FrameTimer().unix_s(1.0, T0)
