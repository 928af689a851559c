"""Wakes the loops of one process when something was committed; other processes are polled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from enum import StrEnum

LOOK_EVERY_S = 0.5
"""How often a waiter looks by itself, for changes that another process committed."""


class Bell(StrEnum):
    """What was committed: each loop heeds only what makes work for it."""

    EVENTS = "events"
    """Events wait for their decision."""
    CHANGES = "changes"
    """Alerts changed: notices may wait to be handed over."""
    NOTICES = "notices"
    """Notices wait for a channel, or a channel has failed for good."""
    ENDED = "ended"
    """An attempt has ended, and waits to be written down."""


ALL = frozenset(Bell)
_SHOWN = frozenset({Bell.CHANGES})
"""What pages show; the rest need not wake them."""


class Hub:
    """Doorbells: :meth:`ring` after a commit, :meth:`wait` until a condition holds.

    Rings are counted, so that one between a look and the wait is never missed.
    """

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._rings = dict.fromkeys(Bell, 0)
        self._closed = False

    def ring(self, *bells: Bell) -> None:
        """Wake those who heed any of ``bells`` to look again; without bells, everybody."""
        with self._bell:
            for bell in bells or Bell:
                self._rings[bell] += 1
            self._bell.notify_all()

    def close(self) -> None:
        """Wake every waiter for good: waits return at once from now on."""
        with self._bell:
            self._closed = True
            self._bell.notify_all()

    def count(self, bells: Collection[Bell] = ALL) -> int:
        """How often ``bells`` rang; hand it to :meth:`wait_ring`."""
        with self._bell:
            return self._count(bells)

    def wait_ring(self, seen: int, timeout_s: float, bells: Collection[Bell] = ALL) -> None:
        """Block until ``bells`` rang more than ``seen`` times, ``timeout_s`` passed, or closed."""
        with self._bell:
            self._bell.wait_for(lambda: self._closed or self._count(bells) > seen, timeout_s)

    def _count(self, bells: Collection[Bell]) -> int:
        return sum(self._rings[bell] for bell in bells)

    def wait(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Block until ``holds()`` is true; False after ``timeout_s`` or when closed.

        It is asked at once, after each ring, and every half second.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.count(_SHOWN)
            if holds():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._closed:
                return False
            self.wait_ring(seen, min(left, LOOK_EVERY_S), _SHOWN)
