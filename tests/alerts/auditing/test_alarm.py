"""What the auditor finds reaches people: once per finding, by the normal path, until it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update

from alerts.auditing.alarm import Alarm
from alerts.auditing.auditor import Auditor, Silence
from alerts.auditing.findings import AUDIT_LOG, CENTRE, duty_subject, grid_of_subject, is_centre
from alerts.deciding.explain import explain_event
from alerts.life.state import State
from alerts.seeing.views import AlertView
from alerts.store import schema
from alerts.store.quiet_schema import digests
from config.ids import uuid7
from config.site import Site
from ingest.engine import writing
from ingest.store import EventStore
from tests.alerts.county import DAY, County, county_at, sqlite_url


class Watched:
    """A county with an auditor whose findings become events."""

    def __init__(self, county: County) -> None:
        self.county = county
        self.restart()

    def restart(self) -> None:
        county = self.county
        self.auditor = Auditor(county.engine, county.site, county.clock)
        self.alarm = Alarm(EventStore(county.engine, county.clock), county.clock)

    def look(self) -> int:
        """One look of the auditor, then the router; returns how many findings began or ended."""
        told = self.alarm.tell(self.auditor.run())
        self.county.route()
        return told

    def open(self, subject: str) -> list[AlertView]:
        alerts = self.county.service.open_alerts(self.county.viewer("police-desk"))
        return [alert for alert in alerts if alert.camera_id == subject]


@pytest.fixture
def watched(tmp_path: Path, example_site: Site) -> Iterator[Watched]:
    site = example_site.model_copy(
        update={"rosters": tuple(r for r in example_site.rosters if r.grid != "east-gate")}
    )
    with county_at(sqlite_url(tmp_path), site) as county:
        yield Watched(county)


def test_an_empty_duty_is_told_to_the_grid_head_once(watched: Watched) -> None:
    assert watched.look() >= 1
    subject = duty_subject("east-gate")
    alert = watched.open(subject)[0]
    assert (alert.grid_id, alert.step) == ("east-gate", 1)
    assert watched.county.told(alert.id) == ["wang-fang"], "the head, by the normal ladder"
    assert "nobody on duty" in alert.title_en
    for _ in range(3):
        watched.county.clock.advance(30)
        watched.county.inapp.run_once()
        assert watched.look() == 0
    watched.restart()
    assert watched.look() == 0, "a restart remembers what was told"
    assert [one.sightings for one in watched.open(subject)] == [1]


def test_a_filled_duty_ends_the_alert(watched: Watched, example_site: Site) -> None:
    watched.look()
    alert = watched.open(duty_subject("east-gate"))[0]
    county = watched.county
    full = Watched(County(county.engine, example_site, county.clock))
    assert full.look() >= 1
    assert full.open(alert.camera_id) == []
    told = explain_event(county.engine, example_site, alert.event_id)
    assert told.state is State.CLOSED
    assert told.history[-1].action == "recovered"


def test_a_clock_that_was_set_back_hides_no_finding_that_begins_again(
    tmp_path: Path, example_site: Site
) -> None:
    hole = Silence("grid east-gate", "nobody", duty_subject("east-gate"), "nobody_on_duty")
    with county_at(sqlite_url(tmp_path), example_site, DAY + timedelta(hours=8)) as early:
        assert Watched(early).alarm.tell([hole]) == 1
    with county_at(sqlite_url(tmp_path), example_site, DAY) as county:
        alarm, told = Watched(county).alarm, []
        for found in ([], [], [hole], [hole], []):
            county.clock.advance(30)
            told.append(alarm.tell(found))
        assert told == [1, 0, 1, 0, 1], "its end once, its beginning once, and its end"


def test_an_alert_nobody_will_hear_of_again_goes_to_the_police_desk(watched: Watched) -> None:
    county = watched.county
    watched.look()
    lost = county.see(county.plate())[0]
    with writing(county.engine) as connection:
        timers = schema.timers
        connection.execute(timers.delete().where(timers.c.alert_id == lost.id))
    assert watched.look() == 1
    alert = watched.open(CENTRE)[0]
    assert county.told(alert.id) == ["police-desk"]
    assert "Centre" in alert.title_en
    told = explain_event(county.engine, county.site, alert.event_id)
    assert any("goes to the police desk" in reason.reason_en for reason in told.decisions)
    assert watched.look() == 0


def test_stuck_notices_are_told_and_the_end_is_told_too(watched: Watched) -> None:
    county = watched.county
    watched.look()
    county.inapp.run_once()
    county.see(county.plate())
    county.clock.advance(61)
    assert watched.look() == 1, "nothing was sent for a minute"
    assert len(watched.open(CENTRE)) == 1
    county.inapp.run_once()
    with writing(county.engine) as connection:
        later = county.clock.now() + timedelta(hours=1)
        connection.execute(update(schema.timers).values(due_at=later))
    assert watched.look() == 1
    assert watched.open(CENTRE) == []


def test_a_camera_of_that_name_stays_a_camera(example_site: Site) -> None:
    first, *rest = example_site.cameras
    odd = duty_subject("east-gate")
    twins = (first.model_copy(update={"id": CENTRE}), first.model_copy(update={"id": odd}))
    site = example_site.model_copy(update={"cameras": (*twins, *rest)})
    assert not is_centre(site, CENTRE)
    assert grid_of_subject(site, odd) is None
    assert is_centre(example_site, CENTRE)
    assert duty_subject("g" * 60) == CENTRE, "too long to carry the mark"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("next_attempt_at", "deliveries are overdue"),
        ("fall_over_at", "next ways are overdue"),
    ],
)
def test_whatever_waits_too_long_is_told_by_name(
    tmp_path: Path, example_site: Site, column: str, words: str
) -> None:
    with county_at(sqlite_url(tmp_path), example_site) as county:
        county.see(county.plate())
        county.inapp.run_once()
        auditor = Auditor(county.engine, county.site, county.clock)
        assert auditor.run() == []
        with writing(county.engine) as connection:
            connection.execute(update(schema.deliveries).values({column: county.clock.now()}))
        county.clock.advance(59)
        assert auditor.run() == []
        county.clock.advance(1)
        assert [words in one.problem for one in auditor.run()] == [True]


def test_a_digest_that_is_never_sent_is_found(tmp_path: Path, example_site: Site) -> None:
    with county_at(sqlite_url(tmp_path), example_site) as county:
        now = county.clock.now()
        whom = {"person": "wang-fang", "grid": "east-gate", "kind": "plate"}
        what = {"opened_at": now, "due_at": now, "count": 2, "title_zh": "", "title_en": ""}
        with writing(county.engine) as connection:
            connection.execute(insert(digests).values(id=uuid7(now), **whom, **what))
        county.clock.advance(60)
        auditor = Auditor(county.engine, county.site, county.clock)
        assert ["digests are overdue" in one.problem for one in auditor.run()] == [True]
        with writing(county.engine) as connection:
            connection.execute(update(digests).values(sent_at=county.clock.now()))
        assert auditor.run() == []


def test_harm_to_the_audit_log_goes_to_the_police_desk_at_once(watched: Watched) -> None:
    county = watched.county
    watched.look()
    county.see(county.plate())
    watched.look()
    with writing(county.engine) as connection:
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        last = connection.execute(select(func.max(schema.audit.c.seq))).scalar_one()
        connection.execute(schema.audit.delete().where(schema.audit.c.seq == last))
    assert watched.look() >= 1
    (alert,) = watched.open(AUDIT_LOG)
    assert county.told(alert.id) == ["police-desk"]
    assert "audit log" in alert.title_en
