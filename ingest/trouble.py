"""Says in words what keeps a part of the centre from storing: for readiness, metrics, heartbeat.

It lives in memory: a disk that is full could not keep it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from config.clock import Clock


@dataclass(frozen=True, slots=True)
class Trouble:
    """What one part says, and since when it has not stored, on the monotonic clock."""

    problem: str
    since: float


class Troubles:
    """The parts that cannot store just now; safe between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of: dict[str, Trouble] = {}

    def say(self, part: str, problem: str) -> None:
        """``part`` could not store. The words are the newest, the time is that of the first."""
        with self._lock:
            known = self._of.get(part)
            since = self._clock.monotonic() if known is None else known.since
            self._of[part] = Trouble(problem, since)

    def clear(self, part: str) -> None:
        """``part`` has stored again."""
        with self._lock:
            self._of.pop(part, None)

    def now(self) -> dict[str, Trouble]:
        """What is wrong at this moment, by part; empty when all is well."""
        with self._lock:
            return dict(self._of)

    def lasting(self, seconds: float) -> list[str]:
        """Names of the parts that have not stored for longer than ``seconds``, sorted."""
        now = self._clock.monotonic()
        return sorted(part for part, one in self.now().items() if now - one.since > seconds)
