"""The moves that the state machine's commands share: tell a rung, pass one over, arm a timer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alerts.deciding.routing import Ladder
from alerts.life.escalation import PEACETIME, Profile, wait_for
from alerts.life.state import Alert, Refused, Skipped, State, Tell, Timer, TimerKind, Transition

SYSTEM = "system"
"""Actor of what no person did."""
_TIMER_OF = {
    State.REVIEW: TimerKind.REVIEW,
    State.OPEN: TimerKind.STEP,
    State.ACKED: TimerKind.ACK_EXPIRY,
    State.ONSITE: TimerKind.ONSITE_EXPIRY,
    State.WAITING: TimerKind.DEPARTMENTS,
    State.DONE: TimerKind.VERIFY,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What a transition may look at besides the alert itself.

    ``told`` are the people told since the alert last opened: a rung on which everybody was
    told before and did not answer is passed over, except the last. ``timer`` is the one armed.
    """

    now: datetime
    ladder: Ladder
    told: frozenset[str] = frozenset()
    timer: Timer | None = None
    profile: Profile = PEACETIME


def require(alert: Alert, states: tuple[State, ...] | frozenset[State], what: str) -> None:
    """Refuse a command that does not fit the alert's state.

    Raises:
        Refused: the alert is in none of ``states``; ``what`` says what cannot be done with it.
    """
    if alert.state not in states:
        reason = "taken" if alert.acked_by and alert.state is not State.OPEN else "wrong_state"
        raise Refused(reason, alert, f"an alert in state {alert.state} cannot be {what}")


def move(alert: Alert, scene: Scene, state: State, **changes: Any) -> Alert:
    """The next version of the alert, in ``state``, with ``changes`` of its other fields."""
    return replace(alert, state=state, version=alert.version + 1, changed_at=scene.now, **changes)


def timer_of(alert: Alert, scene: Scene) -> Timer | None:
    """The timer that the alert's state asks for, running from now."""
    kind = _TIMER_OF.get(alert.state)
    if kind is None:
        return None
    if kind is TimerKind.DEPARTMENTS:
        waiting = [item.deadline for item in alert.departments if item.reported_by is None]
        return Timer(kind, min(waiting))
    again = alert.turn if kind is TimerKind.STEP and scene.ladder.is_alone else 0
    wait = wait_for(kind, alert.escalate_after_s, scene.profile, again=again)
    return Timer(kind, scene.now + wait)


def done(
    alert: Alert,
    scene: Scene,
    action: str,
    actor: str,
    detail: str = "",
    tell: tuple[Tell, ...] = (),
) -> Transition:
    """A move with the timer that its state asks for."""
    return Transition(
        alert=alert,
        timer=timer_of(alert, scene),
        action=action,
        actor=actor,
        detail=detail,
        tell=tell,
    )


def climb(
    alert: Alert,
    scene: Scene,
    wanted: int,
    action: str,
    actor: str,
    *,
    why: str = "",
    **changes: Any,
) -> Transition:
    """Open on the first rung from ``wanted`` on where somebody stands who was not told yet."""
    last = scene.ladder.last
    skipped: list[Skipped] = []
    rung = min(wanted, last)
    while rung < last and (reason := _pass_over(scene, rung)) is not None:
        skipped.append(reason)
        rung += 1
    turn = alert.turn + 1 if wanted > last else 0
    opened = move(
        alert, scene, State.OPEN, step=rung, turn=turn, acked_by=None, acked_at=None, **changes
    )
    return Transition(
        alert=opened,
        timer=timer_of(opened, scene),
        action=action,
        actor=actor,
        detail=f"{why}step {rung}" + (f", turn {turn}" if turn else ""),
        tell=(Tell(rung, turn),),
        skipped=tuple(skipped),
    )


def _pass_over(scene: Scene, rung: int) -> Skipped | None:
    people = scene.ladder.people(rung)
    if not people:
        empty = scene.ladder.rungs[rung]
        return Skipped(rung, empty.empty_zh, empty.empty_en)
    if scene.told.issuperset(people):
        return Skipped(rung, "这一级的人都已通知过", "everybody on this step was told before")
    return None


def standing(rungs: Ladder, wanted: int) -> int:
    """The first rung from ``wanted`` on where somebody stands; the last one never is empty."""
    return next((rung for rung in range(wanted, rungs.last) if rungs.people(rung)), rungs.last)
