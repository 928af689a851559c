"""When a picture of a stream is due, and the packets that wait undecoded until one is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.streams.frame_time import FrameTimer
from edge.streams.stream import PacketSource, Picture, StreamPacket
from edge.watching.counters import Counters

_KEY_SHARE = 0.45
"""A key frame is looked at when this share of the interval has passed."""


@dataclass(slots=True)
class Pace:
    """Lets through at most one picture per interval of stream time."""

    interval_s: float
    last_s: float | None = None
    """When the last one was that was let through."""

    def would(self, at_s: float, *, share: float = 0.95) -> bool:
        """Whether this share of the interval has passed, so that a picture would be let through.

        A little less than all of it, so that 5 of 25 pictures are every fifth, not every sixth.
        """
        return self.last_s is None or not 0 <= at_s - self.last_s < self.interval_s * share

    def expects(self, packet: StreamPacket, timer: FrameTimer) -> bool:
        """Whether the picture of a packet would be let through; key frames sooner than others."""
        share = _KEY_SHARE if packet.is_keyframe else 0.95
        return self.would(utc_of(timer, packet.pts_s, packet), share=share)

    def passed(self, at_s: float) -> None:
        """Note a picture that was let through."""
        self.last_s = at_s


class Undecoded:
    """Packets that nobody has needed yet: a key frame makes those before it needless.

    Pictures are given one by one: a group of them decoded at once would take 150 MB.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._packets: list[StreamPacket] = []
        self._skips = False

    def add(self, packet: StreamPacket) -> None:
        """The next packet of the stream."""
        if packet.is_keyframe:
            self.clear()
        if not self._skips:
            self._packets.append(packet)

    def clear(self) -> None:
        """What waits will never be needed; what comes may be."""
        self._packets.clear()
        self._skips = False

    def skip(self) -> None:
        """Nothing before the next key frame will be needed."""
        self._packets.clear()
        self._skips = True

    def decode(self, stream: PacketSource) -> Iterator[Picture]:
        """All pictures of what waits."""
        packets, self._packets = self._packets, []
        for packet in packets:
            begun = time.thread_time()
            pictures = stream.decode(packet)
            self._counters.decode_s += time.thread_time() - begun
            self._counters.decoded += len(pictures)
            yield from pictures

    def latest(self, stream: PacketSource) -> Iterable[Picture]:
        """The last picture of what waits, if there is one."""
        return deque(self.decode(stream), maxlen=1)


def utc_of(timer: FrameTimer, pts_s: float | None, packet: StreamPacket) -> float:
    """Unix seconds of a picture; a stream without time stamps is timed by arrival."""
    if pts_s is None or timer.offset_s is None:
        return packet.arrived_s
    return timer.unix_s(pts_s, packet.arrived_s)
