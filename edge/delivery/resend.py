"""Remembers what was sent and not yet receipted, and says when to send it again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from config.ranges import SeqSet

FIRST_WAIT_S = 8.0
LONGEST_WAIT_S = 60.0
OVERTAKEN_S = 2.0
"""A batch is taken for lost when the centre receipts one that was sent this much later."""


def wait_before(attempt: int, chance: random.Random) -> float:
    """Seconds until attempt ``attempt`` (1 is the first resend): 8, 16, 32, 60, 60, … ± 25 %."""
    plain = min(FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16), LONGEST_WAIT_S)
    return plain * chance.uniform(0.75, 1.25)


@dataclass(slots=True)
class Flight:
    """Numbers sent together: ``seqs`` ascending; times in seconds of a monotonic clock."""

    seqs: tuple[int, ...]
    attempts: int
    sent_at: float
    due_at: float


@dataclass(slots=True)
class Flights:
    """Everything between being sent and being receipted. Not thread-safe: the caller locks."""

    chance: random.Random = field(default_factory=random.Random)
    _flights: list[Flight] = field(default_factory=list)

    def add(self, seqs: tuple[int, ...], *, attempts: int, now: float) -> None:
        """``seqs`` (ascending, not empty) are being sent for the ``attempts``-th time."""
        due_at = now + wait_before(attempts, self.chance)
        self._flights.append(Flight(seqs, attempts, now, due_at))

    def pop_due(self, now: float) -> Flight | None:
        """Take out the flight that has been due longest, or None."""
        due = min(self._flights, key=lambda flight: flight.due_at, default=None)
        if due is None or due.due_at > now:
            return None
        self._flights.remove(due)
        return due

    def next_due(self) -> float | None:
        """When the next flight is due; None when nothing is in flight."""
        return min((flight.due_at for flight in self._flights), default=None)

    def landed(self, covered: SeqSet, *, now: float) -> None:
        """Forget what a receipt covers; hurry what it overtook by more than ``OVERTAKEN_S``."""
        newest_landed: float | None = None
        kept = []
        for flight in self._flights:
            left = _uncovered(flight.seqs, covered)
            if len(left) < len(flight.seqs):
                newest_landed = max(flight.sent_at, newest_landed or flight.sent_at)
            if left:
                flight.seqs = left
                kept.append(flight)
        self._flights = kept
        if newest_landed is None:
            return
        for flight in kept:
            if flight.sent_at + OVERTAKEN_S <= newest_landed:
                flight.due_at = now

    def hurry(self, now: float) -> None:
        """After a lost connection: everything is due within a second, spread by chance."""
        for flight in self._flights:
            flight.due_at = min(flight.due_at, now + self.chance.uniform(0.0, 1.0))

    def count(self) -> int:
        """Events in flight."""
        return sum(len(flight.seqs) for flight in self._flights)

    def seqs(self) -> frozenset[int]:
        """The numbers in flight."""
        return frozenset(seq for flight in self._flights for seq in flight.seqs)


def _uncovered(seqs: tuple[int, ...], covered: SeqSet) -> tuple[int, ...]:
    if covered.upto >= seqs[-1]:
        return ()
    if covered.highest() < seqs[0]:
        return seqs
    return tuple(seq for seq in seqs if not covered.covers(seq))
