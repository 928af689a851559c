"""The people of a demo answer what they were told of, and leave exactly the first to climb."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from config.clock import FakeClock
from demo import answers
from demo.answers import PATIENCE_S, Answers


class Recorder:
    """A person whose answers are written down instead of sent."""

    taken: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, *, address: str, account: str, password: str) -> None:
        assert password == f"{account}-secret"
        self._account = account

    def acknowledge(self, alert_id: str) -> bool:
        self.taken.append((self._account, alert_id))
        return True

    def close(self) -> None: ...


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Answers:
    Recorder.taken = []
    monkeypatch.setattr(answers, "Person", Recorder)
    passwords = {name: f"{name}-secret" for name in ("liu", "wang")}
    return Answers(address="http://127.0.0.1:1", passwords=passwords, clock=clock)


def alert(number: str, what: str, state: str, *told: str) -> dict[str, Any]:
    return {"line": "alert", "alert_id": number, "what": what, "state": state, "told": list(told)}


def test_the_first_alert_climbs_and_the_grid_head_answers_it(
    people: Answers, clock: FakeClock
) -> None:
    people.notice(alert("a", "opened", "open", "liu"))
    clock.advance(PATIENCE_S + 1)
    people.act()
    assert Recorder.taken == []
    people.notice(alert("a", "escalated", "open", "wang"))
    clock.advance(PATIENCE_S + 1)
    people.act()
    assert Recorder.taken == [("wang", "a")]


def test_evidence_that_joins_does_not_make_anyone_forget(people: Answers, clock: FakeClock) -> None:
    people.notice(alert("a", "opened", "open", "liu"))
    people.notice(alert("b", "opened", "open", "liu"))
    people.notice(alert("b", "evidence joined", "open"))
    people.act()
    assert Recorder.taken == [], "nobody answers before having looked"
    clock.advance(PATIENCE_S + 1)
    people.act()
    assert Recorder.taken == [("liu", "b")]


def test_what_somebody_else_took_is_not_answered_again(people: Answers, clock: FakeClock) -> None:
    people.notice(alert("a", "opened", "open", "liu"))
    people.notice(alert("b", "opened", "open", "liu"))
    people.notice(alert("b", "acknowledged", "acked"))
    clock.advance(PATIENCE_S + 1)
    people.act()
    people.act(everything=True)
    assert Recorder.taken == []


def test_an_alert_that_is_over_by_itself_leaves_its_part_to_the_next(
    people: Answers, clock: FakeClock
) -> None:
    people.notice(alert("trouble", "opened", "open", "liu"))
    assert people.awaits_escalation
    people.notice(alert("trouble", "closed", "closed"))
    assert not people.awaits_escalation
    people.notice(alert("b", "opened", "open", "liu"))
    clock.advance(PATIENCE_S + 1)
    people.act()
    assert Recorder.taken == []
    assert people.awaits_escalation
    people.notice(alert("b", "escalated", "open", "wang"))
    assert not people.awaits_escalation
