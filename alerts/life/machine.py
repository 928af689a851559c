"""The life of an alert: one pure function from (alert, command, ladder, now) to what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from alerts.life.escalation import REOPEN_WITHIN
from alerts.life.moves import SYSTEM, Scene, climb, done, move, require, standing
from alerts.life.state import (
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
    ParentGone,
    Recover,
    Refused,
    Reject,
    Reopen,
    Report,
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
from config.event import Severity

__all__ = ["SYSTEM", "Scene", "step"]

_ACTIVE = (State.ACKED, State.ONSITE)


def step(alert: Alert, command: Command, scene: Scene) -> Transition:
    """What ``command`` does to ``alert``.

    Raises:
        Refused: the command does not fit the alert's state; nothing is changed.
    """
    handler = _HANDLERS[type(command)]
    return handler(alert, command, scene)


def _open(alert: Alert, _command: Open, scene: Scene) -> Transition:
    require(alert, (State.NEW,), "opened")
    return climb(alert, scene, 0, "opened", SYSTEM)


def _suppress(alert: Alert, command: Suppress, scene: Scene) -> Transition:
    """Only what nobody has taken yet: an answer is never hidden."""
    require(alert, (State.NEW, State.OPEN, State.SUPPRESSED), "suppressed")
    if (alert.parent, scene.timer) == (command.parent, command.timer):
        return Transition(alert, scene.timer, "suppressed", SYSTEM, changed=False)
    hidden = move(alert, scene, State.SUPPRESSED, parent=command.parent)
    return Transition(hidden, command.timer, "suppressed", SYSTEM, command.reason)


def _parent_gone(alert: Alert, command: ParentGone, scene: Scene) -> Transition:
    require(alert, (State.SUPPRESSED,), "let go by its parent")
    waiting = move(alert, scene, State.SUPPRESSED)
    timer = Timer(TimerKind.RELEASE, scene.now + command.grace)
    return Transition(
        waiting, timer, "parent gone", SYSTEM, f"opens at {timer.due_at:%H:%M:%S} UTC"
    )


def _show(alert: Alert, scene: Scene, action: str, *, why: str = "", **changes: Any) -> Transition:
    """A suppressed alert opens: nobody counts as told of it."""
    untold = replace(scene, told=frozenset())
    return climb(
        alert, untold, 0, action, SYSTEM, why=why, parent=None, cycle=alert.cycle + 1, **changes
    )


def _hold(alert: Alert, _command: Hold, scene: Scene) -> Transition:
    require(alert, (State.NEW,), "held for review")
    last = scene.ladder.last
    held = move(alert, scene, State.REVIEW, step=last)
    return done(held, scene, "held for review", SYSTEM, tell=(Tell(last),))


def _confirm(alert: Alert, command: Confirm, scene: Scene) -> Transition:
    require(alert, (State.REVIEW,), "confirmed")
    untold = replace(scene, told=frozenset())
    return climb(alert, untold, 0, "confirmed", command.by, cycle=alert.cycle + 1)


def _reject(alert: Alert, command: Reject, scene: Scene) -> Transition:
    require(alert, (State.REVIEW,), "rejected")
    return _close(alert, scene, command.by, Outcome.FALSE_ALARM, "rejected")


def _acknowledge(alert: Alert, command: Acknowledge, scene: Scene) -> Transition:
    if alert.acked_by == command.by and alert.state in LIVE:
        return Transition(alert, scene.timer, "acknowledged", command.by, changed=False)
    require(alert, (State.OPEN,), "acknowledged")
    taken = move(alert, scene, State.ACKED, acked_by=command.by, acked_at=scene.now)
    return done(taken, scene, "acknowledged", command.by)


def _arrive(alert: Alert, command: Arrive, scene: Scene) -> Transition:
    if alert.state is State.ONSITE and alert.acked_by == command.by:
        return Transition(alert, scene.timer, "arrived", command.by, changed=False)
    require(alert, (State.ACKED,), "marked as arrived at")
    return done(move(alert, scene, State.ONSITE), scene, "arrived", command.by)


def _report(alert: Alert, command: Report, scene: Scene) -> Transition:
    require(alert, _ACTIVE, "reported on")
    return done(move(alert, scene, State.DONE), scene, "reported", command.by, command.note)


def _verify(alert: Alert, command: Verify, scene: Scene) -> Transition:
    require(alert, (State.DONE,), "verified")
    return _close(alert, scene, command.by, command.outcome, "closed")


def _close(alert: Alert, scene: Scene, by: str, outcome: Outcome, action: str) -> Transition:
    closed = move(alert, scene, State.CLOSED, outcome=outcome, closed_at=scene.now)
    return done(closed, scene, action, by, str(outcome))


def _whistle(alert: Alert, command: Whistle, scene: Scene) -> Transition:
    require(alert, _ACTIVE, "whistled for")
    names = [item.name for item in command.departments]
    if not names or len(set(names)) != len(names):
        raise Refused("wrong_state", alert, "a whistle calls departments, each once")
    if any(item.deadline <= scene.now for item in command.departments):
        raise Refused("wrong_state", alert, "a department's deadline must lie ahead")
    waiting = move(
        alert, scene, State.WAITING, departments=command.departments, back_to=alert.state
    )
    return done(waiting, scene, "whistled", command.by, ", ".join(names))


def _department(alert: Alert, command: DepartmentReport, scene: Scene) -> Transition:
    require(alert, (State.WAITING,), "reported on by a department")
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
    moved = move(
        alert,
        scene,
        state,
        departments=departments,
        back_to=None if all_in else alert.back_to,
    )
    return done(moved, scene, "department reported", command.by, command.department)


def _join(alert: Alert, command: Join, scene: Scene) -> Transition:
    """Evidence changes neither state nor timer, unless it is louder than what was known."""
    require(alert, frozenset(State) - {State.NEW}, "joined")
    seen = scene.now if not command.is_revision else alert.seen_at
    count = alert.sightings + (0 if command.is_revision else 1)
    if command.severity.rank <= alert.severity.rank:
        joined = move(alert, scene, alert.state, seen_at=seen, sightings=count)
        return Transition(joined, scene.timer, "evidence joined", SYSTEM)
    louder = {"seen_at": seen, "sightings": count, "severity": command.severity}
    detail = f"severity rises to {command.severity}"
    if alert.state is State.CLOSED and _reopens(alert, scene.now):
        return _fresh(alert, scene, "reopened", SYSTEM, why=f"{detail}; ", **louder)
    is_heard = command.is_unsilenced or command.severity is Severity.CRITICAL
    if alert.state is State.SUPPRESSED and is_heard:
        return _show(alert, scene, "released", why=f"{detail}; ", **louder)
    joined = move(alert, scene, alert.state, **louder)
    if alert.state not in UNANSWERED:
        return Transition(joined, scene.timer, "evidence joined", SYSTEM, detail)
    rung = standing(scene.ladder, alert.step)
    joined = replace(joined, step=rung, turn=alert.turn + 1)
    tell = (Tell(rung, joined.turn),)
    return Transition(joined, scene.timer, "evidence joined", SYSTEM, detail, tell)


def _recover(alert: Alert, _command: Recover, scene: Scene) -> Transition:
    require(alert, LIVE | {State.SUPPRESSED}, "ended by recovery")
    return _close(alert, scene, SYSTEM, Outcome.RESOLVED, "recovered")


def _reopens(alert: Alert, now: datetime) -> bool:
    return alert.closed_at is not None and now - alert.closed_at <= REOPEN_WITHIN


def _fresh(
    alert: Alert, scene: Scene, action: str, actor: str, *, why: str = "", **changes: Any
) -> Transition:
    """A new life of a closed alert: nobody counts as told."""
    untold = replace(scene, told=frozenset())
    return climb(
        alert,
        untold,
        0,
        action,
        actor,
        why=why,
        cycle=alert.cycle + 1,
        parent=None,
        outcome=None,
        closed_at=None,
        departments=(),
        back_to=None,
        **changes,
    )


def _reopen(alert: Alert, command: Reopen, scene: Scene) -> Transition:
    require(alert, (State.CLOSED,), "reopened")
    if not _reopens(alert, scene.now):
        raise Refused("wrong_state", alert, "it was closed more than 24 hours ago")
    return _fresh(alert, scene, "reopened", command.by)


def _summon(alert: Alert, command: Summon, scene: Scene) -> Transition:
    """Never downwards, and whoever stands there is told again: somebody asked for them."""
    require(alert, (State.OPEN, *_ACTIVE), "passed on")
    rung = max(alert.step, standing(scene.ladder, min(command.step, scene.ladder.last)))
    called = move(
        alert,
        scene,
        State.OPEN,
        step=rung,
        turn=alert.turn + 1,
        acked_by=None,
        acked_at=None,
    )
    tell = (Tell(rung, called.turn),)
    return done(called, scene, "called for", command.by, f"step {rung}", tell)


def _fire(alert: Alert, command: Fire, scene: Scene) -> Transition:
    due = scene.timer
    if due is None or due.kind is not command.kind or due.due_at > scene.now:
        raise Refused("stale", alert, "this timer is not due any more")
    if due.kind is TimerKind.LAPSE:
        return _close(alert, scene, SYSTEM, Outcome.NO_ACTION, "lapsed")
    if alert.state is State.SUPPRESSED:
        return _show(alert, scene, "released")
    if alert.state is State.OPEN:
        return climb(alert, scene, alert.step + 1, "escalated", SYSTEM)
    if alert.state in _ACTIVE:
        why = f"{alert.acked_by} did not go on; "
        return climb(alert, scene, alert.step + 1, "expired", SYSTEM, why=why)
    if alert.state is State.WAITING:
        late = [item.name for item in alert.departments if item.reported_by is None]
        why = f"no report from {', '.join(late)}; "
        return climb(alert, scene, alert.step + 1, "expired", SYSTEM, why=why, back_to=None)
    if alert.state is State.REVIEW:
        again = move(alert, scene, State.REVIEW, turn=alert.turn + 1)
        return done(again, scene, "asked again", SYSTEM, tell=(Tell(alert.step, again.turn),))
    again = move(alert, scene, alert.state, turn=alert.turn + 1)
    whom = standing(scene.ladder, 1)
    return done(again, scene, "asked to verify", SYSTEM, tell=(Tell(whom, again.turn),))


_HANDLERS: dict[type, Callable[[Alert, Any, Scene], Transition]] = {
    Open: _open,
    Suppress: _suppress,
    ParentGone: _parent_gone,
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
