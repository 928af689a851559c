"""The life of an alert, walked at random and compared with a naive model."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerts.deciding.routing import Ladder, Recipient, Rung
from alerts.life.machine import Scene, step
from alerts.life.state import (
    LIVE,
    Acknowledge,
    Alert,
    Arrive,
    Command,
    Confirm,
    Department,
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
    Suppress,
    Timer,
    TimerKind,
    Transition,
    Verify,
    Whistle,
)
from config.event import Severity

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cat")


def ladder(*steps: tuple[str, ...]) -> Ladder:
    return Ladder(
        tuple(
            Rung(
                "级",
                "rung",
                tuple(Recipient(name, "因", "because") for name in names),
                "空",
                "empty",
            )
            for names in steps
        )
    )


FULL = ladder(("worker", "owner"), ("head",), ("deputy",), ("town",), ("desk",))


def new() -> Alert:
    return Alert(
        id="a", state=State.NEW, severity=Severity.NOTICE, escalate_after_s=300,
        opened_at=NOW, changed_at=NOW, seen_at=NOW,
    )  # fmt: skip


def opened(rungs: Ladder = FULL) -> Transition:
    return step(new(), Open(), Scene(NOW, rungs))


def test_an_empty_slot_escalates_at_once_and_says_why() -> None:
    result = opened(ladder((), (), ("deputy",), ("town",), ("desk",)))
    assert result.alert.step == 2
    assert [(item.step, item.reason_en) for item in result.skipped] == [(0, "empty"), (1, "empty")]


def test_somebody_who_did_not_answer_is_not_asked_again_under_another_hat() -> None:
    first = opened(ladder(("ann",), ("ann",), ("bob",), (), ("desk",)))
    scene = Scene(
        NOW + timedelta(seconds=300),
        ladder(("ann",), ("ann",), ("bob",), (), ("desk",)),
        told=frozenset({"ann"}),
        timer=first.timer,
    )
    assert step(first.alert, Fire(TimerKind.STEP), scene).alert.step == 2


def test_a_timer_that_is_not_due_changes_nothing() -> None:
    first = opened()
    with pytest.raises(Refused) as refusal:
        step(first.alert, Fire(TimerKind.STEP), Scene(NOW, FULL, timer=first.timer))
    assert refusal.value.reason == "stale"


def test_a_possible_match_sends_nobody_before_a_person_confirms() -> None:
    held = step(new(), Hold(), Scene(NOW, FULL))
    assert (held.alert.state, [tell.step for tell in held.tell]) == (State.REVIEW, [4])
    assert step(held.alert, Confirm("desk"), Scene(NOW, FULL)).alert.step == 0
    rejected = step(held.alert, Reject("desk"), Scene(NOW, FULL))
    assert (rejected.alert.outcome, rejected.tell) == (Outcome.FALSE_ALARM, ())


def test_after_a_day_a_closed_alert_stays_closed() -> None:
    closed = step(opened().alert, Recover(), Scene(NOW, FULL)).alert
    late = Scene(NOW + timedelta(hours=24, seconds=1), FULL)
    with pytest.raises(Refused):
        step(closed, Reopen("ann"), late)
    assert step(closed, Join(Severity.CRITICAL), late).alert.state is State.CLOSED
    soon = Scene(NOW + timedelta(hours=24), FULL)
    assert step(closed, Join(Severity.CRITICAL), soon).alert.state is State.OPEN
    assert step(closed, Join(Severity.NOTICE), soon).alert.state is State.CLOSED


def hidden(parent: str = "node", timer: Timer | None = None) -> Alert:
    return step(new(), Suppress(parent, "the node is down", timer), Scene(NOW, FULL)).alert


def test_what_a_root_hides_waits_for_its_own_recovery_and_opens_if_none_comes() -> None:
    gone = step(hidden(), ParentGone(timedelta(minutes=3)), Scene(NOW, FULL))
    assert (gone.alert.state, gone.tell) == (State.SUPPRESSED, ())
    assert gone.timer == Timer(TimerKind.RELEASE, NOW + timedelta(minutes=3))
    later = Scene(NOW + timedelta(minutes=3), FULL, timer=gone.timer)
    opened_after = step(gone.alert, Fire(TimerKind.RELEASE), later)
    assert (opened_after.alert.state, opened_after.alert.parent) == (State.OPEN, None)
    assert [tell.step for tell in opened_after.tell] == [0]
    recovered = step(gone.alert, Recover(), later)
    assert (recovered.alert.outcome, recovered.tell) == (Outcome.RESOLVED, ())


def test_what_somebody_has_taken_is_never_hidden() -> None:
    taken = step(opened().alert, Acknowledge("ann"), Scene(NOW, FULL)).alert
    with pytest.raises(Refused):
        step(taken, Suppress("node", "the node is down"), Scene(NOW, FULL))


def test_a_sighting_under_a_silence_closes_when_the_silence_ends() -> None:
    end = Timer(TimerKind.LAPSE, NOW + timedelta(hours=1))
    under = hidden("silence", end)
    lapsed = step(under, Fire(TimerKind.LAPSE), Scene(end.due_at, FULL, timer=end))
    assert (lapsed.alert.outcome, lapsed.tell) == (Outcome.NO_ACTION, ())


def test_nothing_critical_stays_hidden() -> None:
    loud = step(hidden(), Join(Severity.CRITICAL), Scene(NOW, FULL))
    assert (loud.alert.state, [tell.step for tell in loud.tell]) == (State.OPEN, [0])


ALLOWED: dict[type, set[State]] = {
    Acknowledge: {State.OPEN},
    Arrive: {State.ACKED},
    Report: {State.ACKED, State.ONSITE},
    Verify: {State.DONE},
    Whistle: {State.ACKED, State.ONSITE},
    DepartmentReport: {State.WAITING},
    Confirm: {State.REVIEW},
    Reject: {State.REVIEW},
    ParentGone: {State.SUPPRESSED},
    Suppress: {State.NEW, State.OPEN, State.SUPPRESSED},
    Recover: set(LIVE) | {State.SUPPRESSED},
    Reopen: {State.CLOSED},
    Open: {State.NEW},
    Hold: {State.NEW},
    Join: set(State) - {State.NEW},
}
"""The arrows of the design's diagram, written down a second time."""


class Life(RuleBasedStateMachine):
    """Any order of commands keeps the promises of the design."""

    def __init__(self) -> None:
        super().__init__()
        self.alert, self.timer, self.now = new(), None, NOW
        self.told: set[str] = set()
        self.keys: set[tuple[int, int, int]] = set()
        self.rungs = FULL

    def do(self, command: Command) -> None:
        before, timer = self.alert, self.timer
        scene = Scene(self.now, self.rungs, frozenset(self.told), timer)
        try:
            result = step(before, command, scene)
        except Refused as refusal:
            assert refusal.alert == before
            allowed = before.state in ALLOWED.get(type(command), set())
            # What else may refuse: a late reopening, a whistle for the past, an unknown name.
            assert not allowed or isinstance(command, Reopen | Whistle | DepartmentReport)
            return
        self.check(before, command, result)

    def check(self, before: Alert, command: Command, result: Transition) -> None:
        if not result.changed:
            assert (result.alert, result.timer, result.tell) == (before, self.timer, ())
            return
        if not isinstance(command, Fire):
            assert before.state in ALLOWED[type(command)]
        assert result.alert.version == before.version + 1
        assert result.alert.severity.rank >= before.severity.rank
        if result.alert.cycle == before.cycle:
            assert result.alert.step >= before.step or before.state is State.REVIEW
        else:
            self.told.clear()
        for tell in result.tell:
            key = (result.alert.cycle, tell.step, tell.turn)
            assert key not in self.keys, "an idempotency key would swallow this notice"
            self.keys.add(key)
            assert self.rungs.people(tell.step), "a notice to nobody"
            self.told.update(self.rungs.people(tell.step))
        if result.alert.state is State.OPEN and before.state is not State.OPEN:
            assert result.tell, "an alert that opens tells somebody"
        self.alert, self.timer = result.alert, result.timer

    @invariant()
    def whoever_is_live_has_a_timer_ahead_and_nobody_else_has(self) -> None:
        if self.alert.state is State.SUPPRESSED:
            assert self.timer is None or self.timer.kind in {TimerKind.RELEASE, TimerKind.LAPSE}
            return
        assert (self.timer is not None) == (self.alert.state in LIVE)

    @invariant()
    def an_answer_has_a_name(self) -> None:
        if self.alert.state in {State.ACKED, State.ONSITE, State.WAITING}:
            assert self.alert.acked_by in PEOPLE
        if self.alert.state is State.OPEN:
            assert self.alert.acked_by is None

    @rule(
        command=st.one_of(
            st.sampled_from([Open(), Hold(), Recover(), Suppress("p", "node down")]),
            st.integers(0, 600).map(lambda seconds: ParentGone(timedelta(seconds=seconds))),
            st.sampled_from(PEOPLE).flatmap(
                lambda who: st.sampled_from(
                    [Acknowledge(who), Arrive(who), Report(who), Confirm(who), Reject(who),
                     Reopen(who), Verify(who, Outcome.RESOLVED), DepartmentReport("fire", who)]
                )
            ),
            st.builds(Join, st.sampled_from(list(Severity)), st.booleans()),
        )
    )  # fmt: skip
    def anything_happens(self, command: Command) -> None:
        self.do(command)

    @rule(minutes=st.integers(-5, 60), who=st.sampled_from(PEOPLE))
    def whistle(self, minutes: int, who: str) -> None:
        deadline = self.now + timedelta(minutes=minutes)
        self.do(Whistle(who, (Department("fire", deadline), Department("city", deadline))))

    @rule(minutes=st.integers(0, 60), kind=st.sampled_from([TimerKind.RELEASE, TimerKind.LAPSE]))
    def silence(self, minutes: int, kind: TimerKind) -> None:
        until = Timer(kind, self.now + timedelta(minutes=minutes))
        self.do(Suppress("s", "the owner wants quiet", until))

    @rule(seconds=st.integers(0, 100_000))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.timer is not None)
    @rule()
    def the_timer_fires(self) -> None:
        assert self.timer is not None
        self.now = max(self.now, self.timer.due_at)
        version = self.alert.version
        self.do(Fire(self.timer.kind))
        assert self.alert.version == version + 1, "a due timer always leads on"

    @rule(kind=st.sampled_from(list(TimerKind)))
    def a_wrong_timer_fires(self, kind: TimerKind) -> None:
        armed: Timer | None = self.timer
        if armed is None or armed.kind is not kind:
            self.do(Fire(kind))

    @rule(hole=st.integers(0, 3))
    def somebody_leaves_the_roster(self, hole: int) -> None:
        rungs = list(FULL.rungs)
        rungs[hole] = replace(rungs[hole], recipients=())
        self.rungs = Ladder(tuple(rungs))


STEPS = int(os.environ.get("MENSHEN_WALK_STEPS", "6000"))
"""How many steps are walked; `make walk` sets it to 100,000 or more."""
LENGTH = 60
TestLife = Life.TestCase
TestLife.settings = settings(max_examples=max(1, STEPS // LENGTH), stateful_step_count=LENGTH)
