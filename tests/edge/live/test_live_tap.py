"""The tap in a decode child: whoever watches sees the camera as soon as it can be shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from multiprocessing import Pipe
from typing import Any

import av

from config.live import FrameKind, LiveFrame, LiveStart
from edge.live.remux import CodedPicture
from edge.live.tap import LiveTap
from edge.streams.stream import StreamInfo, StreamPacket
from tests.edge.live.test_live_remux import coded


class Stream:
    """An open stream that has not seen a key frame yet."""

    codec = "h264"
    parameter_sets = b""

    def __init__(self) -> None:
        self.info = StreamInfo("h264", "unknown", 0, 0, 10.0)


def packet(picture: CodedPicture) -> StreamPacket:
    one = av.Packet(picture.data)
    one.pts = one.dts = picture.at_ms
    one.time_base = Fraction(1, 10)
    return StreamPacket(
        pts_s=picture.pts_s,
        arrived_s=picture.at_ms / 10,
        at_s=picture.at_ms / 10,
        size=len(picture.data),
        is_keyframe=picture.is_key,
        coded=one,
    )


class Lock:
    """A lock before which something else gets its turn, the n-th time that it is taken."""

    def __init__(self, turn: int, other: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._left, self._other = turn, other

    def __enter__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._other()
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def test_masks_that_come_while_somebody_begins_to_watch_hide_from_them_too() -> None:
    ours, theirs = Pipe()
    tap = LiveTap(theirs)
    tap.add("gate", ("main",), ())
    masks = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)
    feed: Any = tap._feeds["gate", "main"]
    feed.lock = Lock(2, lambda: tap.mask("gate", masks))  # the first is to end what was watched
    tap._open(LiveStart(channel=5, camera="gate", stream="main", mode="video"))
    assert [len(channel.masks) for channel in feed.channels.values()] == [1]
    ours.close()


def camera_packets() -> list[StreamPacket]:
    """Two seconds of a camera, from a key frame on."""
    return [packet(picture) for picture in coded("libx264", count=20)]


def test_a_camera_whose_first_key_frame_came_late_is_shown() -> None:
    """Where key frames are further apart than opening waits, others come first."""
    pictures = coded("libx264", count=21)
    first = [number for number, one in enumerate(pictures) if one.is_key][1]
    ours, theirs = Pipe()
    stream: Any = Stream()
    tap = LiveTap(theirs)
    tap.add("gate", ("main",), ())
    tap.start()
    try:
        for picture in pictures[first - 2 : first + 3]:
            if picture.is_key:
                stream.info = replace(stream.info, width=320, height=240)
            tap.packet("gate", "main", stream, packet(picture))
        start = LiveStart(channel=5, camera="gate", stream="main", mode="video")
        ours.send_bytes(start.model_dump_json().encode())
        assert ours.poll(60)
        message = ours.recv_bytes()
    finally:
        ours.close()
    assert not message.startswith(b"{"), f"a state: {message!r}"
    assert LiveFrame.unpack(message).kind is FrameKind.INIT
