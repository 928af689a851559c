"""Frame time in UTC: the stream's own clock (PTS), tied to the moments its packets arrive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(slots=True)
class FrameTimer:
    """Maps a stream's presentation time to UTC.

    Arrival is never early, only late by a varying network delay, so the smallest difference
    ``arrival - pts`` seen is the best estimate of the offset. It may creep up by
    ``drift_per_s`` (a crystal is off by up to 100 parts per million) and is taken anew when
    presentation time runs ahead of arrival by more than ``jump_s`` in one step, or steps back by
    more than ``back_s`` (reordered pictures step back less). A packet that is merely late, on a
    busy machine or line, changes nothing: its picture was taken when its own time says.
    """

    drift_per_s: float = 2e-4
    jump_s: float = 2.0
    back_s: float = 0.5
    offset_s: float | None = None
    jumps: int = 0
    late_s: float = 30.0
    """Packets late by more than ``jump_s`` for so long are not late: the stream's time stood."""
    _before: tuple[float, float] | None = None
    """When the last jump came, and the offset until then."""
    _late_since_s: float | None = None
    _arrival_s: float = 0.0
    _pts_s: float = 0.0

    def observe(self, pts_s: float, arrival_s: float) -> None:
        """Learn from one packet.

        Args:
            pts_s: presentation time in seconds on the stream's own clock.
            arrival_s: when it came, in Unix seconds.
        """
        difference = arrival_s - pts_s
        if self.offset_s is None:
            self.offset_s = difference
        elif self._jumped(pts_s, arrival_s) or self._stood(difference, arrival_s):
            self._before = (arrival_s, self.offset_s)
            self.offset_s = difference
            self.jumps += 1
        else:
            elapsed = max(0.0, arrival_s - self._arrival_s)
            self.offset_s = min(difference, self.offset_s + self.drift_per_s * elapsed)
        self._arrival_s, self._pts_s = arrival_s, pts_s

    def _stood(self, difference: float, arrival_s: float) -> bool:
        assert self.offset_s is not None
        if difference - self.offset_s <= self.jump_s:
            self._late_since_s = None
            return False
        if self._late_since_s is None:
            self._late_since_s = arrival_s
        return arrival_s - self._late_since_s > self.late_s

    def _jumped(self, pts_s: float, arrival_s: float) -> bool:
        step = pts_s - self._pts_s
        return step < -self.back_s or step - (arrival_s - self._arrival_s) > self.jump_s

    def unix_s(self, pts_s: float, arrival_s: float) -> float:
        """The moment a picture was taken, of a packet that may have come before the last jump.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self.offset_s is None:
            raise ValueError("no packet was observed yet")
        if self._before is not None and arrival_s < self._before[0]:
            return pts_s + self._before[1]
        return pts_s + self.offset_s

    def utc(self, pts_s: float) -> datetime:
        """The moment a picture was taken, as far as arrival can tell.

        Raises:
            ValueError: nothing was observed yet.
        """
        if self.offset_s is None:
            raise ValueError("no packet was observed yet")
        return datetime.fromtimestamp(pts_s + self.offset_s, UTC)
