"""Tells the time inside ``session.run`` from the time around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from models.session import Session

_Result = TypeVar("_Result")


class TimedSession:
    """A session that adds up how long its runs took; everything else passes through."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.seconds = 0.0

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """As Session.run, timed."""
        start = time.perf_counter()
        try:
            return self._session.run(feeds)
        finally:
            self.seconds += time.perf_counter() - start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class Watches:
    """Several timed sessions that are read and reset as one."""

    def __init__(self, *watches: TimedSession) -> None:
        self._watches = watches

    @property
    def seconds(self) -> float:
        """What all of them took together."""
        return sum(watch.seconds for watch in self._watches)

    @seconds.setter
    def seconds(self, value: float) -> None:
        for watch in self._watches:
            watch.seconds = value


def timed(session: Session) -> tuple[Session, TimedSession]:
    """The wrapped session twice: as what detectors take, and as the stopwatch it is."""
    watch = TimedSession(session)
    return cast("Session", watch), watch


def clocked(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """The result of ``call`` and the seconds it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def median_ms(call: Callable[[], object], *, repeat: int, warm: int = 3) -> float:
    """Median milliseconds of ``repeat`` calls after ``warm`` untimed ones."""
    for _ in range(warm):
        call()
    return float(np.median([clocked(call)[1] for _ in range(repeat)]) * 1e3)
