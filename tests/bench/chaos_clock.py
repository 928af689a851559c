"""A wall clock that a signal steps, and the county's name: what chaos's processes share."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

from config.clock import SystemClock

COUNTY = "chaos"
CAMERAS_PER_NODE = 4
_STEP = timedelta(hours=7, minutes=31)


class SteppingClock(SystemClock):
    """The machine's clock with an offset; the monotonic one never jumps.

    SIGUSR1 and SIGUSR2 step it by hours, forwards and back.
    """

    def __init__(self) -> None:
        self._offset = timedelta()
        signal.signal(signal.SIGUSR1, lambda *_: self._step(_STEP))
        signal.signal(signal.SIGUSR2, lambda *_: self._step(-_STEP))

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def _step(self, by: timedelta) -> None:
        self._offset += by
