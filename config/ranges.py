"""A set of sequence numbers kept as ranges: what a receipt covers, and what is missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]
"""First and last number, both inside."""


@dataclass(frozen=True, slots=True)
class SeqSet:
    """Numbers from 1: all up to ``upto``, and those inside the ranges ``also``.

    Ranges ascend, do not touch each other, and lie above ``upto + 1``, as in
    :class:`config.wire.Receipt`.
    """

    upto: int = 0
    also: tuple[Range, ...] = ()

    def including(self, numbers: Iterable[int]) -> SeqSet:
        """This set and ``numbers`` (each >= 1, any order, repeats allowed)."""
        return self._merged(_runs(sorted(set(numbers))))

    def filled_to(self, upto: int) -> SeqSet:
        """This set and every number up to ``upto``."""
        return self if upto <= self.upto else self._merged(iter([(1, upto)]))

    def covers(self, number: int) -> bool:
        """True when ``number`` is in the set."""
        if number <= self.upto:
            return True
        place = bisect_right(self.also, (number, _BEYOND)) - 1
        return place >= 0 and self.also[place][1] >= number

    def count(self) -> int:
        """How many numbers are in the set."""
        return self.upto + sum(last - first + 1 for first, last in self.also)

    def highest(self) -> int:
        """The largest number in the set; 0 when it is empty."""
        return self.also[-1][1] if self.also else self.upto

    def gaps(self) -> tuple[Range, ...]:
        """The ranges missing below :meth:`highest`."""
        return self.missing(self.highest())

    def missing(self, last: int) -> tuple[Range, ...]:
        """The ranges of 1 to ``last`` that are not in the set."""
        found = []
        start = self.upto + 1
        for first, end in self.also:
            if first > last:
                break
            found.append((start, first - 1))
            start = end + 1
        if start <= last:
            found.append((start, last))
        return tuple(found)

    def _merged(self, runs: Iterator[Range]) -> SeqSet:
        merged: list[list[int]] = [[0, self.upto]]
        for first, last in sorted([*self.also, *runs]):
            if first <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], last)
            else:
                merged.append([first, last])
        return SeqSet(merged[0][1], tuple((first, last) for first, last in merged[1:]))


_BEYOND = 2**64


def _runs(ordered: list[int]) -> Iterator[Range]:
    start = previous = None
    for number in ordered:
        if start is None or previous is None:
            start = number
        elif number != previous + 1:
            yield start, previous
            start = number
        previous = number
    if start is not None and previous is not None:
        yield start, previous
