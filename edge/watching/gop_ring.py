"""The last groups of pictures of a stream, undecoded, bounded in bytes and seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Generic, Protocol, TypeVar


class RingPacket(Protocol):
    """What the ring needs to know of a packet."""

    @property
    def size(self) -> int:
        """Bytes of coded picture."""

    @property
    def is_keyframe(self) -> bool:
        """True when decoding can start here."""

    @property
    def at_s(self) -> float:
        """Time of the packet in seconds, on a clock that does not jump."""


P = TypeVar("P", bound=RingPacket)


class GopRing(Generic[P]):
    """Keeps whole groups of pictures (GOPs); what it yields always starts at a key frame.

    The newest GOP is kept whole while it fits in ``max_bytes``; a single GOP larger than that
    is given up (and its later packets refused) until the next key frame, because the rest of
    it could not be decoded.
    """

    def __init__(self, *, max_bytes: int, max_seconds: float) -> None:
        if max_bytes <= 0 or max_seconds <= 0:
            raise ValueError("a ring holds a positive number of bytes and seconds")
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._gops: deque[list[P]] = deque()
        self._sizes: deque[int] = deque()
        self.bytes = 0
        self.overflows = 0

    def append(self, packet: P) -> None:
        """Add the next packet in stream order; old GOPs fall out."""
        if packet.is_keyframe:
            self._gops.append([packet])
            self._sizes.append(packet.size)
        elif self._gops:
            self._gops[-1].append(packet)
            self._sizes[-1] += packet.size
        else:
            return
        self.bytes += packet.size
        self._trim(packet.at_s)

    def _trim(self, now_s: float) -> None:
        while len(self._gops) > 1 and (
            self.bytes > self._max_bytes or now_s - self._gops[1][0].at_s > self._max_seconds
        ):
            self._drop_oldest()
        if self.bytes > self._max_bytes:
            self._drop_oldest()
            self.overflows += 1

    def _drop_oldest(self) -> None:
        self._gops.popleft()
        self.bytes -= self._sizes.popleft()

    def clear(self) -> None:
        """Forget everything, as after a reconnect."""
        self._gops.clear()
        self._sizes.clear()
        self.bytes = 0

    def since(self, at_s: float) -> Iterator[P]:
        """All packets from the last key frame at or before ``at_s`` (or the oldest one kept)."""
        first = 0
        for index, gop in enumerate(self._gops):
            if gop[0].at_s <= at_s:
                first = index
        for gop in list(self._gops)[first:]:
            yield from gop

    @property
    def oldest_s(self) -> float:
        """The moment of the first packet that is kept; minus infinity when there is none."""
        return self._gops[0][0].at_s if self._gops else -inf

    def all(self) -> Iterator[P]:
        """Everything that is kept, in order."""
        for gop in self._gops:
            yield from gop

    def __len__(self) -> int:
        return sum(len(gop) for gop in self._gops)
