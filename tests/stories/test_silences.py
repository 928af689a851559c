"""Silences: a planned hour of quiet has an owner, a reason and an end, and hides nothing grave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from alerts.auditing.audit import AuditLog
from alerts.life.state import Outcome, State
from alerts.seeing.views import AlertView
from alerts.silences.matching import Matchers
from config.errors import UserError
from config.event import EventKind, Severity
from config.site import Site
from tests.alerts.county import County, county_at


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


def silence(county: County, hours: float = 2, by: str = "wang-fang", **matchers: object) -> str:
    made = county.silences.add(
        county.person(by),
        Matchers.model_validate(matchers or {"grids": ("east-gate",)}),
        reason="东门修路",
        ends_at=county.clock.now() + timedelta(hours=hours),
    )
    return made.id


def actions(county: County) -> list[str]:
    from sqlalchemy import select

    from alerts.store.schema import audit

    with county.engine.connect() as connection:
        rows = connection.execute(select(audit.c.action).order_by(audit.c.seq)).scalars()
        return [action for action in rows if action.startswith("silence")]


def test_a_silence_tells_nobody_and_explain_names_its_owner_and_reason(county: County) -> None:
    made = silence(county)
    event = county.plate()
    assert county.see(event) == []
    told = county.service.explain(event.id)
    assert (told.state, told.told) == (State.SUPPRESSED, ())
    reason = next(item for item in told.decisions if item.stage == "silence")
    assert made in reason.reason_en
    assert "王芳" in reason.reason_zh
    assert "东门修路" in reason.reason_zh
    assert county.see(county.plate(camera="lixiang-road")) != [], "the next village is not silent"


def test_when_it_expires_what_is_still_broken_is_told_and_what_only_passed_is_closed(
    county: County,
) -> None:
    silence(county)
    county.see(county.health(active=True), county.plate("冀A00001"))
    county.wait(7200 + 61)
    opened = county.service.open_alerts(county.viewer("police-desk"))
    assert [alert.kind for alert in opened] == [EventKind.HEALTH]
    assert county.told(opened[0].id)
    passed = next(
        alert
        for alert in county.service.recent(county.viewer("police-desk"))
        if alert.kind is EventKind.PLATE
    )
    assert (passed.state, passed.outcome) == (State.CLOSED, Outcome.NO_ACTION)
    county.silences.run_once()
    county.silences.run_once()
    assert actions(county) == ["silence created", "silence expired"]
    assert AuditLog(county.engine, county.clock).verify() is None


def test_a_car_that_comes_again_after_the_silence_is_news_whoever_saw_it_before(
    county: County,
) -> None:
    silence(county, hours=1)
    county.clock.advance(3600 - 30)
    assert county.see(county.plate()) == []
    county.clock.advance(31)
    came_again = county.see(county.plate())
    assert len(came_again) == 1, "the hour of quiet is over, if its timer has fired or not"
    county.timers.run_once()
    opened = county.service.open_alerts(county.viewer("police-desk"))
    assert [alert.id for alert in opened] == [came_again[0].id]
    assert county.told(came_again[0].id)
    assert county.see(county.plate())[0].sightings == 2, "from then on it is one thing again"


def test_what_was_closed_unheard_with_its_silence_swallows_nothing(county: County) -> None:
    silence(county, hours=1)
    county.clock.advance(3600 - 30)
    county.see(county.plate())
    county.wait(31)
    for _ in range(2):
        county.clock.advance(60)
        assert len(county.see(county.plate())) == 1


def test_what_somebody_took_up_again_after_its_silence_was_heard_of(county: County) -> None:
    silence(county, hours=1)
    county.clock.advance(3600 - 30)
    county.see(county.plate())
    county.wait(31)
    head = county.viewer("wang-fang")
    alert = county.service.recent(head)[0]
    county.service.reopen(head, alert.id)
    county.service.acknowledge(head, alert.id, version=None)
    county.service.report(head, alert.id, note="a delivery van")
    county.service.close(head, alert.id, outcome=Outcome.NO_ACTION)
    assert county.see(county.plate()) == [], "the same van once more is known"
    assert county.service.get(head, alert.id).sightings == 2


def test_who_ends_it_by_hand_sees_everything_that_it_hid(county: County) -> None:
    made = silence(county)
    county.see(county.health(active=True), county.plate("冀A00001"))
    assert county.silences.kept()[0].hides == 2
    county.silences.end(county.person("police-desk"), made)
    county.timers.run_once()
    assert len(county.service.open_alerts(county.viewer("police-desk"))) == 2
    kept = county.silences.kept()[0]
    assert (kept.state, kept.ended_by, kept.hides) == ("ended", "police-desk", 0)
    assert actions(county) == ["silence created", "silence ended"]


def test_what_recovers_under_a_silence_is_closed_and_never_told(county: County) -> None:
    silence(county)
    county.see(county.health(active=True))
    county.see(county.health(active=False))
    county.wait(7300)
    recent = county.service.recent(county.viewer("police-desk"))
    assert [(alert.outcome, alert.told) for alert in recent] == [(Outcome.RESOLVED, ())]


def test_nothing_critical_is_hidden_not_even_when_it_becomes_so_later(county: County) -> None:
    silence(county)
    loud = county.see(county.health(active=True, severity=Severity.CRITICAL, condition="black"))
    assert [alert.severity for alert in loud] == [Severity.CRITICAL]
    county.see(county.health(active=True))
    louder = county.see(county.health(active=True, severity=Severity.CRITICAL))
    assert len(louder) == 2


def test_a_home_is_its_owners_and_no_silence_of_others_reaches_it(county: County) -> None:
    silence(county, by="police-desk", kinds=("face",))
    owner = county.viewer("li-qiang")
    county.see(county.face())
    assert len(county.service.open_alerts(owner)) == 1
    with pytest.raises(UserError, match="owner arms and disarms"):
        silence(county, by="police-desk", cameras=("home-li-qiang",))


def test_severity_above_the_matcher_goes_through(county: County) -> None:
    silence(county, grids=("east-gate",), most="notice")
    opened = county.see(county.plate(), county.health(active=True))
    assert [alert.kind for alert in opened] == [EventKind.HEALTH], "a warning is more than a notice"


def louder(county: County) -> list[AlertView]:
    """The same car again, now a warning."""
    return county.see(county.plate().model_copy(update={"severity": Severity.WARNING}))


def test_what_becomes_louder_than_its_silence_hides_is_told(county: County) -> None:
    silence(county, grids=("east-gate",), most="notice")
    assert county.see(county.plate()) == []
    opened = louder(county)
    assert [alert.severity for alert in opened] == [Severity.WARNING]
    assert county.told(opened[0].id)
    county.wait(7300)
    again = county.service.get(county.viewer("police-desk"), opened[0].id)
    assert again.state is State.OPEN, "the end of the silence is nothing to it now"


def test_what_outgrows_one_silence_stays_behind_another_that_hides_as_much(county: County) -> None:
    silence(county, hours=3, most="notice", grids=("east-gate",))
    wider = silence(county, hours=1, grids=("east-gate",))
    event = county.plate()
    assert county.see(event) == []
    assert louder(county) == []
    hides = {kept.silence.id: kept.hides for kept in county.silences.kept()}
    assert hides[wider] == 1
    assert any(wider in item.reason_en for item in county.service.explain(event.id).decisions)
    county.silences.end(county.person("police-desk"), wider)
    county.timers.run_once()
    assert len(county.service.open_alerts(county.viewer("police-desk"))) == 1


@pytest.mark.parametrize("is_silent_first", [True, False])
def test_what_a_root_lets_go_stays_hidden_while_a_silence_holds(
    county: County, is_silent_first: bool
) -> None:
    node = {"camera": "node-east", "condition": "node_silent"}
    steps = [lambda: silence(county, cameras=("east-gate-in",)), lambda: None]
    steps[not is_silent_first]()
    event = county.health(active=True)
    if is_silent_first:
        county.see(event)
        county.see(county.health(active=True, **node))
    else:
        county.see(county.health(active=True, **node))
        county.see(event)
    steps[is_silent_first]()
    county.see(county.health(active=False, **node))
    county.wait(181)
    assert county.service.open_alerts(county.viewer("police-desk")) == []
    assert county.service.explain(event.id).decisions[-1].stage == "silence"
    assert county.silences.kept()[0].hides == 1
    county.wait(7200)
    assert len(county.service.open_alerts(county.viewer("police-desk"))) == 1


def test_what_a_root_lets_go_opens_when_it_is_louder_than_the_silence(county: County) -> None:
    node = {"camera": "node-east", "condition": "node_silent"}
    county.see(county.health(active=True, **node), county.health(active=True))
    silence(county, cameras=("east-gate-in",), most="notice")
    county.see(county.health(active=False, **node))
    county.wait(181)
    assert len(county.service.open_alerts(county.viewer("police-desk"))) == 1


def test_a_silence_begins_when_it_is_planned_to(county: County) -> None:
    start = county.clock.now() + timedelta(hours=1)
    county.silences.add(
        county.person("police-desk"),
        Matchers(grids=("east-gate",)),
        reason="停电检修",
        starts_at=start,
        ends_at=start + timedelta(hours=1),
    )
    assert len(county.see(county.plate("冀A00001"))) == 1
    county.clock.advance(3600)
    assert len(county.see(county.plate("冀A00002"))) == 1


@pytest.mark.parametrize(
    ("by", "hours", "matchers", "problem"),
    [
        ("zhao-lei", 1, {"grids": ("east-gate",)}, "not in a grid that you head"),
        ("zhao-lei", 1, {"cameras": ("east-gate-in",)}, "not in a grid that you head"),
        ("wang-fang", 1, {"kinds": ("plate",)}, "must name cameras or grids"),
        ("chen-jie", 1, {"grids": ("east-gate",)}, "only police"),
        ("li-qiang", 1, {"grids": ("lixiang",)}, "only police"),
        ("police-desk", 24 * 7 + 1, {"grids": ("lixiang",)}, "7 days at most"),
        ("police-desk", -1, {"grids": ("lixiang",)}, "end after it starts"),
        ("police-desk", 1, {"grids": ("nowhere",)}, "no grid 'nowhere'"),
        ("police-desk", 1, {"cameras": ("nowhere",)}, "no camera or node"),
    ],
)
def test_who_may_not_or_asks_too_much_is_told_why(
    county: County, by: str, hours: float, matchers: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        silence(county, hours, by, **matchers)
    assert county.silences.kept() == []


@pytest.mark.parametrize("matchers", [{}, {"most": "critical", "kinds": ("plate",)}])
def test_a_silence_of_everything_is_none(matchers: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="silence"):
        Matchers.model_validate(matchers)


def test_only_those_concerned_end_it(county: County) -> None:
    made = silence(county, by="police-desk", grids=("east-gate",))
    with pytest.raises(UserError, match="not in a grid that you head"):
        county.silences.end(county.person("zhao-lei"), made)
    county.silences.end(county.person("wang-fang"), made)
    with pytest.raises(UserError, match="not in force"):
        county.silences.end(county.person("police-desk"), made)
