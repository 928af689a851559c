"""How long each state may last before somebody else is told: durations, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from alerts.life.state import TimerKind

REOPEN_WITHIN = timedelta(hours=24)
"""A closed alert can be taken up again for this long (design, section 5)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Multiples of a rule's ``escalate_after_s`` for each thing that is waited for."""

    step: float = 1.0
    acked: float = 3.0
    onsite: float = 12.0
    verify: float = 12.0
    review: float = 1.0


PEACETIME = Profile()
WARTIME = Profile(step=0.5, acked=1.5, onsite=12.0, verify=12.0, review=0.5)
"""Twice as fast up the ladder. Who is on the spot of a flood is not hurried: they are needed."""


RAREST = timedelta(hours=6)
"""A step that tells the same people for ever comes no more rarely than this (decision 0018)."""


def wait_for(
    kind: TimerKind, escalate_after_s: int, profile: Profile = PEACETIME, *, again: int = 0
) -> timedelta:
    """How long a timer of ``kind`` runs; at least one second.

    ``again`` counts how often the same people were told before and nobody else may be: from the
    second time on the wait doubles, up to :data:`RAREST`.

    Raises:
        ValueError: for ``departments``, whose deadlines are their own.
    """
    factors = {
        TimerKind.STEP: profile.step,
        TimerKind.ACK_EXPIRY: profile.acked,
        TimerKind.ONSITE_EXPIRY: profile.onsite,
        TimerKind.VERIFY: profile.verify,
        TimerKind.REVIEW: profile.review,
    }
    if kind not in factors:
        raise ValueError(f"a timer of kind {kind} has no duration of its own")
    wait = timedelta(seconds=max(1.0, escalate_after_s * factors[kind]))
    if again < 2:
        return wait
    return max(wait, min(wait * (1 << min(again - 1, 20)), RAREST))
