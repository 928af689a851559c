"""Wakes the loops of one process when something was committed; other processes are polled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.5
"""How often a waiter looks by itself, for changes that another process committed."""


class Hub:
    """A doorbell: :meth:`ring` after a commit, :meth:`wait` until a condition holds.

    Rings are counted, so that one between a look and the wait is never missed.
    """

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._rings = 0
        self._closed = False

    def ring(self) -> None:
        """Wake every waiter to look again."""
        with self._bell:
            self._rings += 1
            self._bell.notify_all()

    def close(self) -> None:
        """Wake every waiter for good: waits return at once from now on."""
        with self._bell:
            self._closed = True
            self._bell.notify_all()

    def count(self) -> int:
        """How often it rang; hand it to :meth:`wait_ring`."""
        with self._bell:
            return self._rings

    def wait_ring(self, seen: int, timeout_s: float) -> None:
        """Block until it rang more than ``seen`` times, or ``timeout_s`` passed, or closed."""
        with self._bell:
            self._bell.wait_for(lambda: self._closed or self._rings > seen, timeout_s)

    def wait(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Block until ``holds()`` is true; False after ``timeout_s`` or when closed.

        It is asked at once, after each ring, and every half second.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.count()
            if holds():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._closed:
                return False
            self.wait_ring(seen, min(left, LOOK_EVERY_S))
