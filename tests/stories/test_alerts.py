"""Alerts in the product's own words, with a clock that fast-forwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.life.state import Outcome, State
from alerts.seeing.service import AlertConflict, AlertNotVisible
from alerts.web.home.fallbacks import Fallbacks
from config.event import Severity
from config.site import Site
from tests.alerts.county import County, county_at, sqlite_url


@pytest.fixture
def county(tmp_path: Path, example_site: Site) -> Iterator[County]:
    with county_at(sqlite_url(tmp_path), example_site) as made:
        yield made


def test_nobody_answers_so_it_climbs_to_the_police_desk_and_never_falls_silent(
    county: County,
) -> None:
    alert = county.see(county.plate())[0]
    first = county.told(alert.id)
    assert first in (["liu-yang"], ["chen-jie"]), "the grid worker on duty is told first, alone"

    county.wait(301)
    assert county.told(alert.id)[-1] == "wang-fang", "then the grid head"

    county.wait(301)
    assert "zhao-lei" in county.told(alert.id), "then the neighbouring grid's head"
    county.wait(301)
    assert county.told(alert.id)[-1] == "town-chengguan"
    for _ in range(3):
        assert county.wait(301) == 1
    assert county.told(alert.id).count("police-desk") == 3, "the last step repeats"
    assert Auditor(county.engine, county.site, county.clock)._no_timer() == []


def test_before_the_timer_is_due_nobody_else_is_told(county: County) -> None:
    alert = county.see(county.plate())[0]
    assert county.wait(299) == 0
    assert len(county.told(alert.id)) == 1


def test_two_acknowledge_at_once_and_the_second_learns_who_was_first(county: County) -> None:
    alert = county.see(county.plate())[0]
    head, desk = county.viewer("wang-fang"), county.viewer("police-desk")

    taken = county.service.acknowledge(head, alert.id, version=alert.version)
    assert (taken.state, taken.acked_by_name) == (State.ACKED, "王芳")
    with pytest.raises(AlertConflict) as conflict:
        county.service.acknowledge(desk, alert.id, version=alert.version)
    assert conflict.value.first_by == "王芳"
    assert "王芳" in str(conflict.value)

    again = county.service.acknowledge(head, alert.id, version=alert.version)
    assert again.version == taken.version, "a second tap of the same thumb changes nothing"


def test_acknowledged_and_then_nothing_so_it_opens_again_for_the_next_step(county: County) -> None:
    alert = county.see(county.plate())[0]
    worker = county.told(alert.id)[0]
    county.service.acknowledge(county.viewer(worker), alert.id, version=None)

    assert county.wait(301) == 0, "whoever has answered is given time"
    assert county.wait(600) == 1
    reopened = county.service.get(county.viewer("police-desk"), alert.id)
    assert (reopened.state, reopened.acked_by) == (State.OPEN, None)
    assert county.told(alert.id)[-1] == "wang-fang"


def test_the_head_was_called_for_and_is_asked_to_verify_all_the_same(county: County) -> None:
    alert = county.see(county.plate())[0]
    county.service.summon(county.viewer(county.told(alert.id)[0]), alert.id, step=1)
    assert county.told(alert.id)[-1] == "wang-fang"
    county.wait(301)
    neighbour = county.viewer("zhao-lei")
    county.service.acknowledge(neighbour, alert.id, version=None)
    county.service.report(neighbour, alert.id, note="the car has gone")
    for asked in (2, 3):
        assert county.wait(12 * 300 + 1) == 1, "nobody verifies: its timer fires"
        assert county.told(alert.id).count("wang-fang") == asked


def test_a_home_that_agrees_and_takes_it_back_is_told_at_every_step(county: County) -> None:
    fallbacks = Fallbacks(county.engine, county.clock)
    county.see(county.face())
    alert = county.service.open_alerts(county.viewer("li-qiang"))[0]
    for is_agreed in (False, True, False, True, False):
        fallbacks.agree("li-qiang", is_agreed=is_agreed)
        before = len(county.told(alert.id))
        for _ in range(2):
            assert county.wait(601) == 1
        assert len(county.told(alert.id)) >= before + 2, "each step tells somebody"


def test_a_storm_of_one_car_is_one_alert_that_counts(county: County) -> None:
    alerts = county.see(*[county.plate() for _ in range(120)])
    assert [(alert.sightings, alert.state) for alert in alerts] == [(120, State.OPEN)]
    assert len(county.told(alerts[0].id)) == 1, "and one person is told once"


def test_the_same_car_hours_later_is_news_again(county: County) -> None:
    county.see(county.plate())
    county.clock.advance(3600)
    assert len(county.see(county.plate())) == 2


def test_a_better_reading_of_the_same_visit_replaces_the_text_and_counts_once(
    county: County,
) -> None:
    first = county.plate("冀A1234?")
    county.see(first)
    alerts = county.see(county.plate("冀A12345", visit=first))
    assert len(alerts) == 1
    assert alerts[0].plate is not None
    assert (alerts[0].plate.text, alerts[0].sightings) == ("冀A12345", 1)


def test_from_alert_to_closed_and_up_again_within_a_day(county: County) -> None:
    alert = county.see(county.plate())[0]
    head = county.viewer("wang-fang")
    county.service.acknowledge(head, alert.id, version=alert.version)
    assert county.service.arrive(head, alert.id).state is State.ONSITE
    assert county.service.report(head, alert.id, note="car moved").state is State.DONE
    closed = county.service.close(head, alert.id, outcome=Outcome.RESOLVED)
    assert (closed.state, closed.next_step_at) == (State.CLOSED, None)
    assert county.service.open_alerts(head) == []

    county.clock.advance(3600)
    assert county.service.reopen(head, alert.id).state is State.OPEN
    assert AuditLog(county.engine, county.clock).verify() is None


def test_a_whistle_calls_departments_and_comes_back_when_they_have_reported(
    county: County,
) -> None:
    alert = county.see(county.plate())[0]
    head = county.viewer("wang-fang")
    county.service.acknowledge(head, alert.id, version=None)
    deadline = county.clock.now() + timedelta(minutes=30)
    called = [("城管", deadline), ("消防", deadline + timedelta(minutes=5))]
    waiting = county.service.whistle(head, alert.id, departments=called)
    assert (waiting.state, waiting.next_step_at) == (State.WAITING, deadline)
    county.service.department_report(head, alert.id, department="城管")
    back = county.service.department_report(head, alert.id, department="消防")
    assert back.state is State.ACKED


def test_the_owner_and_the_grid_worker_are_told_but_only_the_owner_sees_the_picture(
    county: County,
) -> None:
    county.arrive(county.face())
    county.route()
    owner, worker = county.viewer("li-qiang"), county.viewer("sun-mei")
    own = county.service.open_alerts(owner)[0]
    seen = county.service.open_alerts(worker)[0]
    assert own.has_thumbnail
    assert county.service.thumbnail(owner, own.id) is not None
    assert (seen.has_thumbnail, seen.picture_hidden, seen.evidence) == (False, True, ())
    assert county.service.thumbnail(worker, own.id) is None
    for stranger in ("police-desk", "wang-fang", "town-chengguan", "installer"):
        assert county.service.open_alerts(county.viewer(stranger)) == []
        with pytest.raises(AlertNotVisible):
            county.service.acknowledge(county.viewer(stranger), own.id, version=None)


def test_a_grid_sees_its_own_alerts_and_not_the_next_ones(county: County) -> None:
    alert = county.see(county.plate(camera="lixiang-road"))[0]
    assert [item.id for item in county.service.open_alerts(county.viewer("zhao-lei"))] == [alert.id]
    assert county.service.open_alerts(county.viewer("chen-jie")) == []


def test_a_page_that_comes_back_misses_and_repeats_nothing(county: County) -> None:
    desk = county.viewer("police-desk")
    county.see(county.plate("冀A00001"), county.plate("冀A00002"))
    first = county.service.stream(desk, after=0)
    county.see(county.plate("冀A00003"))
    county.wait(301)
    rest = county.service.stream(desk, after=first[-1].position)
    positions = [item.position for item in first + rest]
    assert positions == list(range(1, county.service.position() + 1))
    assert county.service.wait(0, 0.0) is True
    assert county.service.wait(county.service.position(), 0.0) is False


def test_reading_the_stream_marks_the_persons_own_notice_as_delivered(county: County) -> None:
    alert = county.see(county.plate())[0]
    worker = county.viewer(county.told(alert.id)[0])
    assert county.inapp.run_once() == 1
    assert county.service.get(worker, alert.id).told[0].state == "accepted"
    county.service.stream(county.viewer("police-desk"), after=0)
    assert county.service.get(worker, alert.id).told[0].state == "accepted", "not their page"
    county.service.stream(worker, after=0)
    assert county.service.get(worker, alert.id).told[0].state == "delivered"


def test_a_camera_that_recovers_closes_its_own_alert(county: County) -> None:
    alert = county.see(county.health(active=True))[0]
    assert alert.severity is Severity.WARNING
    county.clock.advance(7200)
    county.timers.run_once()
    assert county.see(county.health(active=True))[0].id == alert.id, "still the same outage"
    assert county.see(county.health(active=False)) == []
    desk = county.viewer("police-desk")
    assert county.service.get(desk, alert.id).outcome is Outcome.RESOLVED


def test_louder_evidence_tells_the_same_people_again(county: County) -> None:
    alert = county.see(county.health(active=True))[0]
    before = len(county.told(alert.id))
    louder = county.see(county.health(active=True, severity=Severity.CRITICAL))[0]
    assert louder.severity is Severity.CRITICAL
    assert len(county.told(alert.id)) == before * 2


def test_every_no_has_its_reason(county: County) -> None:
    event = county.plate()
    alert = county.see(event)[0]
    worker = county.told(alert.id)[0]
    county.service.acknowledge(county.viewer(worker), alert.id, version=None)
    told = county.service.explain(event.id)
    assert [line.person_id for line in told.told] == [worker]
    answered = {item.person_name for item in told.decisions if item.stage == "answer"}
    assert {"王芳", "赵磊", "城关镇综治中心", "县公安局值班台"} <= answered
    rule = next(item for item in told.decisions if item.stage == "rule")
    assert "no-motion" in rule.reason_en, "the rules passed over are named"


def test_a_night_without_a_roster_goes_to_the_grid_head_at_once(
    tmp_path: Path, example_site: Site
) -> None:
    site = example_site.model_copy(update={"rosters": ()})
    with county_at(sqlite_url(tmp_path), site, datetime(2026, 3, 2, 19, tzinfo=UTC)) as county:
        alert = county.see(county.plate())[0]
        assert (alert.step, county.told(alert.id)) == (1, ["wang-fang"])
        found = Auditor(county.engine, county.site, county.clock).run()
        assert any("nobody is on duty" in item.problem for item in found)


def test_a_restart_in_the_middle_loses_and_repeats_nothing(
    tmp_path: Path, example_site: Site
) -> None:
    with county_at(sqlite_url(tmp_path), example_site) as county:
        alert = county.see(county.plate("冀A00001"))[0]
        county.arrive(county.plate("冀A00002"))
    with county_at(
        sqlite_url(tmp_path), example_site, datetime(2026, 3, 2, 2, 10, tzinfo=UTC)
    ) as county:
        assert county.route() == 1
        assert county.timers.run_once() == 1, "the timer was a row, and it is due"
        assert county.told(alert.id)[-1] == "wang-fang"
        assert len(county.service.open_alerts(county.viewer("police-desk"))) == 2
