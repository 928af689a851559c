"""Cameras that misbehave in the ways real ones do, for tests of whoever reads them."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edge.simulator.behaviour import Behaviour, HangUpError
from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit, EncodedLoop
from edge.simulator.nal import Codec, is_parameter_set

__all__ = [
    "BackwardsTimestamps",
    "ChangeOfCoding",
    "ChangeOfResolution",
    "CloseMidGop",
    "DropPackets",
    "HalfOpen",
    "MissingParameterSets",
    "TruncatePackets",
    "WrongFrameSize",
]


@dataclass
class DropPackets(Behaviour):
    """Loses a share (0..1) of the RTP packets; their sequence numbers are missing."""

    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def packet(self, packet: bytes) -> bytes | None:
        return None if self._random.random() < self.share else packet


@dataclass
class TruncatePackets(Behaviour):
    """Cuts every ``every``-th RTP packet to ``size`` bytes; below 12 even its header is cut."""

    every: int = 5
    size: int = 6
    _count: int = 0

    def packet(self, packet: bytes) -> bytes | None:
        self._count += 1
        return packet[: self.size] if self._count % self.every == 0 else packet


@dataclass
class HalfOpen(Behaviour):
    """Falls silent after ``after`` pictures, answers no more, and leaves the connection open."""

    after: int
    _count: int = 0

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        return None if self.silent else unit

    @property
    def silent(self) -> bool:
        return self._count > self.after


@dataclass
class CloseMidGop(Behaviour):
    """Closes the connection after ``after`` pictures, at the first that is no key picture."""

    after: int
    _count: int = 0

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        if self._count > self.after and not unit.key:
            raise HangUpError
        return unit


@dataclass
class WrongFrameSize(Behaviour):
    """Every ``every``-th interleaved frame claims ``error`` bytes more than it has."""

    every: int = 7
    error: int = 100
    _count: int = 0

    def frame(self, framed: bytes) -> bytes:
        self._count += 1
        if self._count % self.every:
            return framed
        size = int.from_bytes(framed[2:4]) + self.error
        return framed[:2] + min(max(size, 0), 0xFFFF).to_bytes(2) + framed[4:]


@dataclass
class ChangeOfResolution(Behaviour):
    """From the first key picture after ``after`` pictures, sends ``other`` with its own SPS."""

    other: EncodedLoop
    after: int
    _count: int = 0
    _played: int = field(default=-1)

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        if self._played < 0 and self._count > self.after and unit.key:
            self._played = 0
        if self._played < 0:
            return unit
        substitute = self.other.unit_at(self._played)
        self._played += 1
        return replace(unit, nals=substitute.nals, key=substitute.key)


@dataclass
class ChangeOfCoding(Behaviour):
    """From the first key picture after ``after`` pictures, sends ``other`` in another coding.

    It does not say so: whoever watches is told nothing, whoever connects then is told the truth.

    Args:
        changed: one for all connections of the camera; set when it changes.
    """

    other: EncodedLoop
    after: int
    changed: threading.Event
    _count: int = 0
    _played: int = 0

    def described(self, loop: EncodedLoop) -> EncodedLoop:
        return self.other if self.changed.is_set() else loop

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        if self._count > self.after and unit.key:
            self.changed.set()
        if not self.changed.is_set():
            return unit
        substitute = self.other.unit_at(self._played)
        self._played += 1
        return replace(unit, nals=substitute.nals, key=substitute.key)


@dataclass
class BackwardsTimestamps(Behaviour):
    """After ``after`` pictures the stream's time jumps back by ``jump_s`` seconds and goes on."""

    after: int
    jump_s: float = 10.0
    _count: int = 0

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        if self._count <= self.after:
            return unit
        return replace(unit, show=unit.show - round(self.jump_s * TICKS_PER_SECOND))


@dataclass
class MissingParameterSets(Behaviour):
    """Never tells SPS and PPS, neither in the session description nor in the stream."""

    codec: Codec = Codec.H264

    def announced(self, sets: Sequence[bytes]) -> Sequence[bytes]:
        return sets[:0]

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        kept = tuple(nal for nal in unit.nals if not is_parameter_set(self.codec, nal))
        return replace(unit, nals=kept)
