"""Pixels for plates and faces, and where makers put the sub-stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UserError
from edge.streams.stream import StreamInfo, StreamPacket
from edge.tools.optics import guess_sub_stream, pixels, widest_for_plates
from edge.tools.probe import Measure, check_address, report_of


def test_a_gate_four_metres_wide_is_enough_and_a_square_is_not() -> None:
    assert pixels(1920, 4).plate_px == pytest.approx(211, abs=1)
    assert pixels(1920, 4).plate_enough
    assert not pixels(1920, 20).plate_enough
    assert not pixels(640, 6).face_enough


@given(st.integers(160, 8000))
def test_at_the_widest_scene_a_plate_has_what_it_needs(width: int) -> None:
    assert pixels(width, widest_for_plates(width) - 0.05).plate_enough


def test_a_scene_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        pixels(1920, 0)


@pytest.mark.parametrize(
    ("main", "sub"),
    [
        ("rtsp://u:p@h/Streaming/Channels/101", "rtsp://u:p@h/Streaming/Channels/102"),
        (
            "rtsp://h/cam/realmonitor?channel=1&subtype=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=1",
        ),
        ("rtsp://h/h264/ch1/main/av_stream", "rtsp://h/h264/ch1/sub/av_stream"),
        ("rtsp://h:554/cam1/main", "rtsp://h:554/cam1/sub"),
        ("rtsp://h/stream1", "rtsp://h/stream2"),
        ("rtsp://h/live", None),
        ("rtsp://h/Streaming/Channels/102", None),
    ],
)
def test_sub_streams_of_the_common_makers(main: str, sub: str | None) -> None:
    assert guess_sub_stream(main) == sub


def packets(*, gop: int, rate: int, seconds: int) -> Measure:
    measure = Measure()
    for i in range(rate * seconds):
        measure.add(StreamPacket(i / rate, 0.0, 0.0, 20_000, i % gop == 0, None))
    return measure


def test_what_to_change_on_the_camera() -> None:
    info = StreamInfo("h264", "Main", 1280, 720, 25)
    good = report_of(info, packets(gop=50, rate=25, seconds=12), skew_s=0.2, scene_m=4)
    assert good.advice == ()
    assert good.gop_s == 2
    bad = report_of(info, packets(gop=250, rate=5, seconds=100), skew_s=-90, scene_m=30)
    text = " ".join(bad.advice)
    for word in ("I-frame interval", "pictures a second", "NTP", "zoom in", "face"):
        assert word in text


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "http://10.0.0.5/x", "rtsp://u:p4ss@10.0.0.5:port/x", "rtsp:///x", ""]
)
def test_what_is_no_rtsp_address_is_refused_without_quoting_it(address: str) -> None:
    with pytest.raises(UserError, match="rtsp://user:password@") as caught:
        check_address(address)
    assert "p4ss" not in str(caught.value)
    check_address("rtsp://u:p%40ss@[fd00::5]:554/stream1")
