"""An encoded stretch of video that repeats for ever, with time that never jumps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from config.errors import UserError
from edge.simulator.nal import Codec

TICKS_PER_SECOND = 90_000
"""RTP clock rate of both codings (RFC 6184 section 8.2.1, RFC 7798 section 7.1)."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture: ``send`` and ``show`` are its decoding and presentation time in ticks."""

    send: int
    show: int
    nals: tuple[bytes, ...]
    key: bool


@dataclass(frozen=True)
class EncodedLoop:
    """Pictures in decoding order; the first is a key picture and carries the parameter sets.

    ``length`` is the loop's duration in ticks of 1/90000 s. Positions are counted over all
    passes: position ``n`` is unit ``n % len(units)`` of pass ``n // len(units)``.
    """

    codec: Codec
    width: int
    height: int
    length: int
    parameter_sets: tuple[bytes, ...]
    units: tuple[AccessUnit, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.units or not self.units[0].key:
            raise UserError(
                where="video loop",
                problem="it does not begin with a key picture",
                remedy="give a clip that holds at least one key picture",
            )
        if self.length <= self.units[-1].send:
            raise UserError(
                where="video loop",
                field="length",
                problem="the loop ends before its last picture is sent",
                remedy="give the clip's whole duration",
            )

    @property
    def seconds(self) -> float:
        """Duration of one pass."""
        return self.length / TICKS_PER_SECOND

    @cached_property
    def _sends(self) -> list[int]:
        return [unit.send for unit in self.units]

    @cached_property
    def _keys(self) -> list[int]:
        return [index for index, unit in enumerate(self.units) if unit.key]

    def unit_at(self, position: int) -> AccessUnit:
        """The unit at a position, with its times counted from the start of the first pass."""
        turn, index = divmod(position, len(self.units))
        unit, shift = self.units[index], turn * self.length
        return AccessUnit(unit.send + shift, unit.show + shift, unit.nals, unit.key)

    def position_at(self, ticks: int) -> int:
        """The first position that is sent at or after ``ticks`` (>= 0)."""
        turn, rest = divmod(ticks, self.length)
        return turn * len(self.units) + bisect_left(self._sends, rest)

    def next_key(self, position: int) -> int:
        """The first key picture at or after ``position``."""
        turn, index = divmod(position, len(self.units))
        where = bisect_left(self._keys, index)
        if where == len(self._keys):
            return (turn + 1) * len(self.units) + self._keys[0]
        return turn * len(self.units) + self._keys[where]

    def last_key(self, position: int) -> int:
        """The last key picture at or before ``position`` (>= 0)."""
        turn, index = divmod(position, len(self.units))
        return turn * len(self.units) + self._keys[bisect_right(self._keys, index) - 1]
