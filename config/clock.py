"""The only source of time: a protocol, the system's clock, and one that tests move by hand."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

COUNTY_ZONE = ZoneInfo("Asia/Shanghai")
SKEW = timedelta(minutes=1)
"""Clocks of two processes that share a database differ by less."""


class Clock(Protocol):
    """What every module asks for time, so that stories can fast-forward."""

    def now(self) -> datetime:
        """Wall-clock time, timezone-aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going backwards."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until ``event`` is set or ``seconds`` have passed; True when it was set."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


class FakeClock:
    """A clock that stands still until a test calls :meth:`advance`.

    ``wait`` blocks until another thread has advanced the clock past the deadline or set the
    event, so that loops under test take no real time.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("FakeClock needs a timezone-aware start")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._moved = threading.Condition()
        self.waiting = 0
        """How many threads are in :meth:`wait`."""

    def now(self) -> datetime:
        with self._moved:
            return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        with self._moved:
            return self._elapsed

    def advance(self, seconds: float) -> datetime:
        """Move time forward by ``seconds`` (>= 0) and wake every waiter; returns the new now."""
        if seconds < 0:
            raise ValueError("time only moves forward")
        with self._moved:
            self._elapsed += seconds
            self._moved.notify_all()
        return self.now()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        with self._moved:
            deadline = self._elapsed + seconds
            self.waiting += 1
            while not event.is_set() and self._elapsed < deadline:
                # A setter of the event does not know this condition: look again shortly.
                self._moved.wait(0.005)
            self.waiting -= 1
        return event.is_set()


def local_text(moment: datetime, zone: ZoneInfo = COUNTY_ZONE) -> str:
    """``2026-03-01 08:15:00 UTC+08:00``: how a moment is shown to a person.

    Raises:
        ValueError: if ``moment`` has no timezone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a timezone cannot be shown in local time")
    local = moment.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{offset[:3]}:{offset[3:]}"
