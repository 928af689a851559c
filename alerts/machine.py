"""The life of an alert: one pure function from (alert, command, ladder, now) to what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alerts.escalation import PEACETIME, REOPEN_WITHIN, Profile, wait_for
from alerts.routing import Ladder
from alerts.state import (
    LIVE,
    UNANSWERED,
    Acknowledge,
    Alert,
    Arrive,
    Command,
    Confirm,
    DepartmentReport,
    Fire,
    Hold,
    Join,
    Open,
    Outcome,
    Recover,
    Refused,
    Reject,
    Release,
    Reopen,
    Report,
    Skipped,
    State,
    Summon,
    Suppress,
    Tell,
    Timer,
    TimerKind,
    Transition,
    Verify,
    Whistle,
)

SYSTEM = "system"
"""Actor of what no person did."""

_ACTIVE = (State.ACKED, State.ONSITE)
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


def step(alert: Alert, command: Command, scene: Scene) -> Transition:
    """What ``command`` does to ``alert``.

    Raises:
        Refused: the command does not fit the alert's state; nothing is changed.
    """
    handler = _HANDLERS[type(command)]
    return handler(alert, command, scene)


def _require(alert: Alert, states: tuple[State, ...] | frozenset[State], what: str) -> None:
    if alert.state not in states:
        reason = "taken" if alert.acked_by and alert.state is not State.OPEN else "wrong_state"
        raise Refused(reason, alert, f"an alert in state {alert.state} cannot be {what}")


def _move(alert: Alert, scene: Scene, state: State, **changes: Any) -> Alert:
    return replace(alert, state=state, version=alert.version + 1, changed_at=scene.now, **changes)


def _timer(alert: Alert, scene: Scene) -> Timer | None:
    """The timer that the alert's state asks for, running from now."""
    kind = _TIMER_OF.get(alert.state)
    if kind is None:
        return None
    if kind is TimerKind.DEPARTMENTS:
        waiting = [item.deadline for item in alert.departments if item.reported_by is None]
        return Timer(kind, min(waiting))
    return Timer(kind, scene.now + wait_for(kind, alert.escalate_after_s, scene.profile))


def _done(
    alert: Alert,
    scene: Scene,
    action: str,
    actor: str,
    detail: str = "",
    tell: tuple[Tell, ...] = (),
) -> Transition:
    return Transition(
        alert=alert,
        timer=_timer(alert, scene),
        action=action,
        actor=actor,
        detail=detail,
        tell=tell,
    )


def _climb(
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
    opened = _move(
        alert, scene, State.OPEN, step=rung, turn=turn, acked_by=None, acked_at=None, **changes
    )
    return Transition(
        alert=opened,
        timer=_timer(opened, scene),
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


def _standing(rungs: Ladder, wanted: int) -> int:
    """The first rung from ``wanted`` on where somebody stands; the last one never is empty."""
    return next((rung for rung in range(wanted, rungs.last) if rungs.people(rung)), rungs.last)


def _open(alert: Alert, _command: Open, scene: Scene) -> Transition:
    _require(alert, (State.NEW,), "opened")
    return _climb(alert, scene, 0, "opened", SYSTEM)


def _suppress(alert: Alert, command: Suppress, scene: Scene) -> Transition:
    _require(alert, (State.NEW, State.OPEN), "suppressed")
    hidden = _move(alert, scene, State.SUPPRESSED, parent=command.parent)
    return _done(hidden, scene, "suppressed", SYSTEM, command.reason)


def _release(alert: Alert, _command: Release, scene: Scene) -> Transition:
    _require(alert, (State.SUPPRESSED,), "released")
    untold = replace(scene, told=frozenset())
    return _climb(alert, untold, 0, "released", SYSTEM, parent=None, cycle=alert.cycle + 1)


def _hold(alert: Alert, _command: Hold, scene: Scene) -> Transition:
    _require(alert, (State.NEW,), "held for review")
    last = scene.ladder.last
    held = _move(alert, scene, State.REVIEW, step=last)
    return _done(held, scene, "held for review", SYSTEM, tell=(Tell(last),))


def _confirm(alert: Alert, command: Confirm, scene: Scene) -> Transition:
    _require(alert, (State.REVIEW,), "confirmed")
    untold = replace(scene, told=frozenset())
    return _climb(alert, untold, 0, "confirmed", command.by, cycle=alert.cycle + 1)


def _reject(alert: Alert, command: Reject, scene: Scene) -> Transition:
    _require(alert, (State.REVIEW,), "rejected")
    return _close(alert, scene, command.by, Outcome.FALSE_ALARM, "rejected")


def _acknowledge(alert: Alert, command: Acknowledge, scene: Scene) -> Transition:
    if alert.acked_by == command.by and alert.state in LIVE:
        return Transition(alert, scene.timer, "acknowledged", command.by, changed=False)
    _require(alert, (State.OPEN,), "acknowledged")
    taken = _move(alert, scene, State.ACKED, acked_by=command.by, acked_at=scene.now)
    return _done(taken, scene, "acknowledged", command.by)


def _arrive(alert: Alert, command: Arrive, scene: Scene) -> Transition:
    if alert.state is State.ONSITE and alert.acked_by == command.by:
        return Transition(alert, scene.timer, "arrived", command.by, changed=False)
    _require(alert, (State.ACKED,), "marked as arrived at")
    return _done(_move(alert, scene, State.ONSITE), scene, "arrived", command.by)


def _report(alert: Alert, command: Report, scene: Scene) -> Transition:
    _require(alert, _ACTIVE, "reported on")
    return _done(_move(alert, scene, State.DONE), scene, "reported", command.by, command.note)


def _verify(alert: Alert, command: Verify, scene: Scene) -> Transition:
    _require(alert, (State.DONE,), "verified")
    return _close(alert, scene, command.by, command.outcome, "closed")


def _close(alert: Alert, scene: Scene, by: str, outcome: Outcome, action: str) -> Transition:
    closed = _move(alert, scene, State.CLOSED, outcome=outcome, closed_at=scene.now)
    return _done(closed, scene, action, by, str(outcome))


def _whistle(alert: Alert, command: Whistle, scene: Scene) -> Transition:
    _require(alert, _ACTIVE, "whistled for")
    names = [item.name for item in command.departments]
    if not names or len(set(names)) != len(names):
        raise Refused("wrong_state", alert, "a whistle calls departments, each once")
    if any(item.deadline <= scene.now for item in command.departments):
        raise Refused("wrong_state", alert, "a department's deadline must lie ahead")
    waiting = _move(
        alert, scene, State.WAITING, departments=command.departments, back_to=alert.state
    )
    return _done(waiting, scene, "whistled", command.by, ", ".join(names))


def _department(alert: Alert, command: DepartmentReport, scene: Scene) -> Transition:
    _require(alert, (State.WAITING,), "reported on by a department")
    wanted = [item for item in alert.departments if item.name == command.department]
    if not wanted:
        raise Refused("wrong_state", alert, f"no department {command.department!r} was called")
    if wanted[0].reported_by is not None:
        return Transition(alert, scene.timer, "department reported", command.by, changed=False)
    departments = tuple(
        replace(item, reported_by=command.by) if item.name == command.department else item
        for item in alert.departments
    )
    all_in = all(item.reported_by is not None for item in departments)
    state = alert.back_to if all_in and alert.back_to is not None else State.WAITING
    moved = _move(
        alert,
        scene,
        state,
        departments=departments,
        back_to=None if all_in else alert.back_to,
    )
    return _done(moved, scene, "department reported", command.by, command.department)


def _join(alert: Alert, command: Join, scene: Scene) -> Transition:
    """Evidence changes neither state nor timer, unless it is louder than what was known."""
    _require(alert, frozenset(State) - {State.NEW}, "joined")
    seen = scene.now if not command.is_revision else alert.seen_at
    count = alert.sightings + (0 if command.is_revision else 1)
    if command.severity.rank <= alert.severity.rank:
        joined = _move(alert, scene, alert.state, seen_at=seen, sightings=count)
        return Transition(joined, scene.timer, "evidence joined", SYSTEM)
    louder = {"seen_at": seen, "sightings": count, "severity": command.severity}
    detail = f"severity rises to {command.severity}"
    if alert.state is State.CLOSED and _reopens(alert, scene.now):
        return _fresh(alert, scene, "reopened", SYSTEM, why=f"{detail}; ", **louder)
    joined = _move(alert, scene, alert.state, **louder)
    if alert.state not in UNANSWERED:
        return Transition(joined, scene.timer, "evidence joined", SYSTEM, detail)
    rung = _standing(scene.ladder, alert.step)
    joined = replace(joined, step=rung, turn=alert.turn + 1)
    tell = (Tell(rung, joined.turn),)
    return Transition(joined, scene.timer, "evidence joined", SYSTEM, detail, tell)


def _recover(alert: Alert, _command: Recover, scene: Scene) -> Transition:
    _require(alert, LIVE, "ended by recovery")
    return _close(alert, scene, SYSTEM, Outcome.RESOLVED, "recovered")


def _reopens(alert: Alert, now: datetime) -> bool:
    return alert.closed_at is not None and now - alert.closed_at <= REOPEN_WITHIN


def _fresh(
    alert: Alert, scene: Scene, action: str, actor: str, *, why: str = "", **changes: Any
) -> Transition:
    """A new life of a closed alert: nobody counts as told."""
    untold = replace(scene, told=frozenset())
    return _climb(
        alert,
        untold,
        0,
        action,
        actor,
        why=why,
        cycle=alert.cycle + 1,
        outcome=None,
        closed_at=None,
        departments=(),
        back_to=None,
        **changes,
    )


def _reopen(alert: Alert, command: Reopen, scene: Scene) -> Transition:
    _require(alert, (State.CLOSED,), "reopened")
    if not _reopens(alert, scene.now):
        raise Refused("wrong_state", alert, "it was closed more than 24 hours ago")
    return _fresh(alert, scene, "reopened", command.by)


def _summon(alert: Alert, command: Summon, scene: Scene) -> Transition:
    """Never downwards, and whoever stands there is told again: somebody asked for them."""
    _require(alert, (State.OPEN, *_ACTIVE), "passed on")
    rung = max(alert.step, _standing(scene.ladder, min(command.step, scene.ladder.last)))
    called = _move(
        alert,
        scene,
        State.OPEN,
        step=rung,
        turn=alert.turn + 1,
        acked_by=None,
        acked_at=None,
    )
    tell = (Tell(rung, called.turn),)
    return _done(called, scene, "called for", command.by, f"step {rung}", tell)


def _fire(alert: Alert, command: Fire, scene: Scene) -> Transition:
    due = scene.timer
    if due is None or due.kind is not command.kind or due.due_at > scene.now:
        raise Refused("stale", alert, "this timer is not due any more")
    if alert.state is State.OPEN:
        return _climb(alert, scene, alert.step + 1, "escalated", SYSTEM)
    if alert.state in _ACTIVE:
        why = f"{alert.acked_by} did not go on; "
        return _climb(alert, scene, alert.step + 1, "expired", SYSTEM, why=why)
    if alert.state is State.WAITING:
        late = [item.name for item in alert.departments if item.reported_by is None]
        why = f"no report from {', '.join(late)}; "
        return _climb(alert, scene, alert.step + 1, "expired", SYSTEM, why=why, back_to=None)
    if alert.state is State.REVIEW:
        again = _move(alert, scene, State.REVIEW, turn=alert.turn + 1)
        return _done(again, scene, "asked again", SYSTEM, tell=(Tell(alert.step, again.turn),))
    again = _move(alert, scene, alert.state, turn=alert.turn + 1)
    whom = _standing(scene.ladder, 1)
    return _done(again, scene, "asked to verify", SYSTEM, tell=(Tell(whom, again.turn),))


_HANDLERS: dict[type, Callable[[Alert, Any, Scene], Transition]] = {
    Open: _open,
    Suppress: _suppress,
    Release: _release,
    Hold: _hold,
    Confirm: _confirm,
    Reject: _reject,
    Acknowledge: _acknowledge,
    Arrive: _arrive,
    Report: _report,
    Verify: _verify,
    Whistle: _whistle,
    DepartmentReport: _department,
    Join: _join,
    Recover: _recover,
    Reopen: _reopen,
    Summon: _summon,
    Fire: _fire,
}
