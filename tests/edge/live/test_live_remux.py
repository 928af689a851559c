"""Remuxing: what libav encodes and we wrap, libav reads again; nonsense crashes nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.live import FrameKind, LiveFrame
from edge.live.mp4 import TIMESCALE
from edge.live.nal import Codec, UnreadableError, parameter_sets, split
from edge.live.remux import CodedPicture, Remuxer, Source

CODECS: list[tuple[Codec, str, str]] = [
    ("h264", "libx264", "avc1."),
    ("hevc", "libx265", "hvc1."),
]


def coded(encoder: str, *, count: int = 30, reordered: bool = False) -> list[CodedPicture]:
    """Pictures as an RTSP camera sends them: Annex B, parameter sets before key frames."""
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 10), Fraction(10)
    context.gop_size, context.max_b_frames = 10, 2 if reordered else 0
    context.options = {"preset": "ultrafast"} if not reordered else {"preset": "veryfast"}
    if encoder == "libx265":
        context.options |= {"x265-params": "keyint=10:min-keyint=10:log-level=none:bframes=0"}
    packets = []
    for number in range(count):
        image = np.full((240, 320, 3), (number * 7) % 255, np.uint8)
        image[:, number * 5 : number * 5 + 40] = 255
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        packets += context.encode(frame)
    packets += context.encode(None)
    return [
        CodedPicture(bytes(item), item.pts / 10 + 100, item.dts / 10 + 100, item.is_keyframe, n)
        for n, item in enumerate(packets)
    ]


def written(codec: Codec, pictures: list[CodedPicture]) -> list[LiveFrame]:
    remuxer = Remuxer(Source(codec, 320, 240, b""), 1)
    return [message for picture in pictures for message in remuxer.feed(picture)]


def as_file(messages: list[LiveFrame]) -> bytes:
    parts = []
    for message in messages:
        start = 1 + message.payload[0] if message.kind is FrameKind.INIT else 0
        parts.append(message.payload[start:])
    return b"".join(parts)


def shown(data: bytes) -> list[Any]:
    with av.open(io.BytesIO(data), "r") as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(("codec", "encoder", "name"), CODECS)
def test_every_picture_but_the_held_one_comes_out_at_its_time(
    codec: Codec, encoder: str, name: str
) -> None:
    messages = written(codec, coded(encoder))
    assert [message.kind for message in messages].count(FrameKind.INIT) == 1
    init = messages[0].payload
    assert init[1 : 1 + init[0]].decode().startswith(name)
    pictures = shown(as_file(messages))
    assert len(pictures) == 29
    assert [round(picture.time * 10) for picture in pictures] == list(range(29))
    assert not any(picture.is_corrupt for picture in pictures)
    assert [message.is_key for message in messages[1:]] == [n % 10 == 0 for n in range(29)]


def test_reordered_pictures_are_shown_in_their_order() -> None:
    pictures = coded("libx264", reordered=True)
    assert any(item.pts_s != item.dts_s for item in pictures), "there are B pictures"
    times = [picture.pts for picture in shown(as_file(written("h264", pictures)))]
    assert times == sorted(times)
    assert len(set(times)) == len(times) >= 27


def test_reordered_pictures_of_which_only_the_time_to_show_them_is_known() -> None:
    pictures = coded("libx264", count=60, reordered=True)
    # As over RTP, where the decoding time is not sent.
    messages = written("h264", [replace(picture, dts_s=picture.pts_s) for picture in pictures])
    with av.open(io.BytesIO(as_file(messages)), "r") as container:
        times = [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]
    assert len(times) >= 58
    assert times == sorted(times)
    assert np.allclose(np.diff(times), 0.1, atol=0.001)


def test_a_stream_without_time_stamps_and_one_whose_clock_is_set_go_on() -> None:
    pictures = coded("libx264")
    for change in (
        lambda n, item: (None, None),
        lambda n, item: (item.pts_s - 90, item.dts_s - 90) if n > 12 else (item.pts_s, item.dts_s),
        lambda n, item: (item.pts_s + 9e5, item.dts_s + 9e5) if n > 8 else (item.pts_s, item.dts_s),
    ):
        times = [change(n, item) for n, item in enumerate(pictures)]
        changed = [
            replace(item, pts_s=pts_s, dts_s=dts_s)
            for item, (pts_s, dts_s) in zip(pictures, times, strict=True)
        ]
        found = shown(as_file(written("h264", changed)))
        steps = np.diff([picture.pts for picture in found])
        assert len(found) == 29
        assert (steps > 0).all()
        assert steps.max() <= 10 * TIMESCALE


def test_a_picture_in_two_packets_is_one_fragment() -> None:
    pictures = coded("libx264", count=12)
    halves: list[CodedPicture] = []
    for item in pictures:
        units = [b"\0\0\0\1" + unit for unit in split(item.data)]
        for part in (b"".join(units[:-1]), units[-1]):
            halves += [CodedPicture(part, item.pts_s, item.dts_s, item.is_key, 0)] if part else []
    assert len(halves) > len(pictures)
    assert len(shown(as_file(written("h264", halves)))) == 11


def test_parameter_sets_may_come_with_the_description_only() -> None:
    pictures = coded("libx264", count=12)
    sets = b"".join(
        b"\0\0\0\1" + unit for unit in split(pictures[0].data) if unit[0] & 31 in (7, 8)
    )
    remuxer = Remuxer(Source("h264", 320, 240, sets), 1)
    found = []
    for item in pictures:
        units = [unit for unit in split(item.data) if unit[0] & 31 not in (7, 8)]
        bare = b"".join(b"\0\0\1" + unit for unit in units)
        found += remuxer.feed(CodedPicture(bare, item.pts_s, item.dts_s, item.is_key, 0))
    assert len(shown(as_file(found))) == 11


@settings(max_examples=60)
@given(
    codec=st.sampled_from(["h264", "hevc"]),
    extradata=st.binary(max_size=80),
    packets=st.lists(
        st.tuples(
            st.binary(max_size=60),
            st.none() | st.floats(-1e6, 1e6),
            st.none() | st.floats(-1e6, 1e6),
            st.booleans(),
        ),
        max_size=12,
    ),
)
def test_nonsense_gives_messages_or_an_error_in_words(
    codec: Codec,
    extradata: bytes,
    packets: list[tuple[bytes, float | None, float | None, bool]],
) -> None:
    starts = b"\0\0\1\x67\x64\0\x1f\0\0\1\x68\xee\0\0\1\x40\1\0\0\1\x42\1\0\0\1\x44\1"
    remuxer = Remuxer(Source(codec, 320, 240, starts + extradata), 3)
    for data, pts, dts, is_key in packets:
        try:
            messages = remuxer.feed(CodedPicture(b"\0\0\1" + data, pts, dts, is_key, 0))
        except UnreadableError:
            return
        for message in messages:
            assert LiveFrame.unpack(message.packed) == message


@given(st.binary(max_size=120))
def test_parameter_sets_of_nonsense_are_refused_in_words(data: bytes) -> None:
    for codec, kinds in (("h264", (7, 8)), ("hevc", (64, 66, 68))):
        extradata = b"".join(b"\0\0\1" + bytes([kind]) + data for kind in kinds)
        sets = parameter_sets(codec, extradata)  # type: ignore[arg-type]
        if not sets.complete:
            continue
        try:
            assert sets.codec_string
            assert sets.configuration()
        except UnreadableError:
            continue


def test_the_camera_clip_is_the_same_after_remuxing(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        filtered = av.bitstream.BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [
            out for item in container.demux(stream) if item.size for out in filtered.filter(item)
        ]
    pictures = [
        CodedPicture(bytes(item), float(item.pts * item.time_base), None, item.is_keyframe, 0)
        for item in packets
        if item.pts is not None
    ]
    ours = shown(as_file(written("h264", pictures)))
    with av.open(str(clip)) as container:
        theirs = list(container.decode(video=0))[: len(ours)]
    assert len(ours) > 100
    for mine, other in zip(ours[::20], theirs[::20], strict=True):
        assert np.array_equal(mine.to_ndarray(format="bgr24"), other.to_ndarray(format="bgr24"))
