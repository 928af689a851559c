"""What chaos does when: a schedule of kills and faults that the same seed repeats. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

KILLS = {
    "edge": 5,
    "ingest-0": 3,
    "ingest-1": 3,
    "router": 2,
    "broker": 3,
    "broker-wiped": 1,
    "database": 2,
}
"""Whom ``kill -9`` meets, and how often against the others."""
FAULTS = (
    *("latency", "slow", "silent", "reset", "cut"),
    *("disk-full", "centre-full", "clock-step"),
)
ROLL_OUT = "roll-out"
"""Another configuration for one node; it ends no fault."""
LONGEST_FAULT_S = 2.0
LONGEST_FULL_S = 6.0
"""A database first uses up what it has reserved."""
LONG_EVERY = 125
"""After so many kills the network is away for minutes, when there is that much time: cut and silent
in turn."""


@dataclass(frozen=True, slots=True)
class Step:
    """Wait ``pause_s``, then do ``action`` (a key of KILLS, one of FAULTS, or ROLL_OUT).

    A fault stays for ``lasts_s`` and through the pause of the next step, which ends it.
    ``strength`` from 0 to 1 says how bad a fault is; a weak kill does not wait until its victim
    works.
    """

    pause_s: float
    action: str
    strength: float = 0.0
    lasts_s: float = 0.0

    @property
    def is_kill(self) -> bool:
        """True for a ``kill -9``."""
        return self.action in KILLS


def schedule(
    kills: int,
    *,
    seed: int,
    pause_s: float,
    is_sqlite: bool,
    is_long: bool,
    without: frozenset[str] = frozenset(),
) -> list[Step]:
    """``kills`` kills, with about one fault and one roll-out after every three of them.

    Args:
        pause_s: mean time between steps, in seconds.
        is_sqlite: the centre has one ingest, and no database server to kill.
        is_long: also take the network away for minutes now and then.
        without: faults that cannot be had here.
    """
    chance = random.Random(seed)
    spared = {"ingest-1", "database"} if is_sqlite else set()
    names = [name for name in KILLS if name not in spared]
    faults = [name for name in FAULTS if name not in without]
    steps: list[Step] = []
    for number in range(1, kills + 1):
        victim = chance.choices(names, [KILLS[name] for name in names])[0]
        steps.append(Step(_pause(chance, pause_s), victim, chance.random()))
        if chance.random() < 1 / 3:
            fault, strength = chance.choice(faults), chance.random()
            longest = LONGEST_FULL_S if fault == "centre-full" else LONGEST_FAULT_S
            lasts_s = chance.uniform(0, longest)
            steps.append(Step(_pause(chance, pause_s), fault, strength, lasts_s))
        if chance.random() < 1 / 3:
            steps.append(Step(_pause(chance, pause_s), ROLL_OUT, chance.random()))
        if is_long and number % LONG_EVERY == 0:
            fault = ("cut", "silent")[(number // LONG_EVERY + seed) % 2]
            steps.append(Step(0.0, fault, 1.0, chance.uniform(90, 150)))
    return steps


def _pause(chance: random.Random, mean_s: float) -> float:
    return min(chance.expovariate(1.0 / mean_s), 4 * mean_s)
