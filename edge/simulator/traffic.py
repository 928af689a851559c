"""Says how many events which camera sees and when: a county's day, with bursts. Pure."""

from __future__ import annotations

import math
import random
from bisect import insort
from dataclasses import dataclass, field

_HOURS = (
    *(0.20, 0.14, 0.11, 0.10, 0.14, 0.35, 0.95, 1.95, 1.75, 1.25, 1.15, 1.30),
    *(1.20, 1.05, 1.10, 1.20, 1.55, 2.15, 2.05, 1.50, 1.05, 0.75, 0.50, 0.30),
)
"""Weight of each local hour: quiet nights, and a peak when people leave and when they return."""
_MEAN = sum(_HOURS) / len(_HOURS)
BURST_SHARE = 0.2
"""This share of all events comes in bursts: a bus that empties, a school that ends."""
_BURST_EVENTS = (4, 24)
_BURST_S = 1.5


def day_factor(hour: float) -> float:
    """How busy the county is at ``hour`` (0 to 24) against its mean, which is 1."""
    first = math.floor(hour) % 24
    share = hour - math.floor(hour)
    return (_HOURS[first] * (1 - share) + _HOURS[(first + 1) % 24] * share) / _MEAN


@dataclass(slots=True)
class Traffic:
    """Events of ``cameras`` cameras, ``rate`` a second on average; the same seed, the same ones.

    Args:
        day_s: so many seconds are one day, which begins at midnight; None: no day curve.
    """

    cameras: int
    rate: float
    seed: int = 1
    day_s: float | None = None
    _chance: random.Random = field(init=False)
    _bursts: list[tuple[float, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def between(self, start_s: float, end_s: float) -> list[int]:
        """The cameras (0 to ``cameras`` - 1) that see something from ``start_s`` to ``end_s``.

        Call it for one stretch of time after the other, in seconds from the beginning.
        """
        expected = self.rate * (end_s - start_s) * self._factor((start_s + end_s) / 2)
        seen = [self._camera() for _ in range(_poisson(self._chance, expected * (1 - BURST_SHARE)))]
        mean_size = sum(_BURST_EVENTS) / 2
        for _ in range(_poisson(self._chance, expected * BURST_SHARE / mean_size)):
            self._begin_burst(start_s)
        while self._bursts and self._bursts[0][0] < end_s:
            seen.append(self._bursts.pop(0)[1])
        return seen

    def _factor(self, moment_s: float) -> float:
        return 1.0 if self.day_s is None else day_factor(moment_s / self.day_s * 24.0 % 24.0)

    def _camera(self) -> int:
        return self._chance.randrange(self.cameras)

    def _begin_burst(self, start_s: float) -> None:
        camera = self._camera()
        for _ in range(self._chance.randint(*_BURST_EVENTS)):
            insort(self._bursts, (start_s + self._chance.uniform(0.0, _BURST_S), camera))


def _poisson(chance: random.Random, mean: float) -> int:
    """A Poisson number; above 50 by its normal approximation."""
    if mean > 50.0:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    count, product, floor = 0, chance.random(), math.exp(-mean)
    while product > floor:
        count += 1
        product *= chance.random()
    return count
