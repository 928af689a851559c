"""Homes and duty in the product's own words: real routers and channels, phones that may be off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.arming import Mode, Turn
from alerts.auditing.alarm import Alarm
from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.auditing.findings import duty_subject
from alerts.life.state import State
from alerts.seeing.views import AlertView
from config.site import Site
from ingest.schema import events
from ingest.store import EventStore
from tests.alerts.county import DAY, sqlite_url
from tests.providers import Say
from tests.stories.village import HOME, Village, village_at


@pytest.fixture
def village(tmp_path: Path, example_site: Site) -> Iterator[Village]:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as made:
        yield made


def test_the_owner_is_away_and_the_dog_barks_and_the_neighbour_goes_to_look(
    village: Village,
) -> None:
    weekdays = Turn(days=("mon", "tue", "wed", "thu", "fri"), start=time(8), end=time(18),
                    mode=Mode.AWAY)  # fmt: skip
    evenings = Turn(days=("mon", "tue", "wed", "thu", "fri"), start=time(18), end=time(8),
                    mode=Mode.HOME)  # fmt: skip
    village.armings.schedule(HOME, (weekdays, evenings), by="li-qiang")
    village.fallbacks.agree("li-qiang", is_agreed=True)
    village.fallbacks.ask("li-qiang", "zhou-min")
    village.fallbacks.decide("li-qiang", "zhou-min", "accepted", earlier=("asked",))

    alert = village.at_home()
    assert sorted(village.rang()) == ["li-qiang", "sun-mei"], "the owner and the worker on duty"
    village.wait(121)
    assert {"zhao-lei", "zhou-min"} <= set(village.rang()), "the head and the neighbour, then"
    with village.pages() as phone:
        link = village.link("zhou-min")
        assert phone.get(link).status_code == 200
        assert village.alert(alert.id).state is State.OPEN, "a look at the link takes nothing"
        assert phone.post(link, data={"what": "take"}).status_code == 200
    seen = village.alert(alert.id)
    assert (seen.state, seen.acked_by) == (State.ACKED, "zhou-min")
    neighbour = village.county.service.get(village.county.viewer("zhou-min"), alert.id)
    assert neighbour.picture_hidden, "who goes to look still sees no picture of the home"
    before = len(village.rang())
    village.wait(120)
    assert len(village.rang()) == before, "somebody goes, so nobody else is told"


def test_without_consent_nobody_but_the_owner_and_the_worker_ever_learns_of_it(
    village: Village,
) -> None:
    alert = village.at_home()
    village.wait(1200)
    assert set(village.rang()) == {"li-qiang", "sun-mei"}
    assert village.rang().count("li-qiang") >= 4, "and they are told again and again"
    assert Auditor(village.county.engine, village.county.site, village.clock)._no_timer() == []
    with village.pages() as phone:
        assert phone.post(village.link("li-qiang"), data={"what": "police"}).status_code == 200
    village.deliver()
    assert "police-desk" in village.rang(), "the owner called for help: that is consent"
    assert "police-desk" in {line.person_id for line in village.alert(alert.id).told}


def test_consent_taken_back_holds_from_the_next_step_on(village: Village) -> None:
    village.fallbacks.agree("li-qiang", is_agreed=True)
    village.at_home()
    village.wait(121)
    assert "zhao-lei" in village.rang()
    village.fallbacks.agree("li-qiang", is_agreed=False)
    before = len(village.rang())
    village.wait(600)
    assert set(village.rang()[before:]) <= {"li-qiang", "sun-mei"}


def test_a_snooze_survives_a_restart_and_then_the_dog_is_heard_again(
    tmp_path: Path, example_site: Site
) -> None:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as village:
        until = village.clock.now() + timedelta(hours=1)
        village.armings.snooze(HOME, until, by="li-qiang")
    half_past = DAY + timedelta(minutes=30)
    with village_at(sqlite_url(tmp_path), example_site, tmp_path, half_past) as village:
        event = village.county.face(camera=HOME)
        village.county.arrive(event)
        village.county.route()
        assert village.county.service.open_alerts(village.county.viewer("li-qiang")) == []
        told = village.county.service.explain(event.id)
        assert [reason.reason_zh for reason in told.decisions] == ["户主已静音到 11:00"]
        village.wait(30 * 60)
        assert village.at_home().state is State.OPEN


def test_the_grid_head_is_on_leave_and_the_substitutes_phone_is_off(village: Village) -> None:
    now = village.clock.now()
    leave = village.leaves.ask("wang-fang", now - timedelta(hours=1), now + timedelta(days=2),
                               substitute="zhao-lei", reason="年假")  # fmt: skip
    village.leaves.decide(leave.id, "approved", by="town-chengguan")
    # The message is taken and never arrives; the call is refused: switched off.
    village.voice.always = Say(400, b"switched off")

    county = village.county
    event = county.plate()
    alert = county.see(event)[0]
    village.deliver()
    first = county.told(alert.id)[0]
    village.wait(301)
    assert village.rang().count("zhao-lei") == 1, "the substitute instead of the head"
    village.wait(60)
    assert "zhao-lei" in village.rang(village.voice), "no receipt in time: the phone is called"
    village.wait(241)
    other = ({"liu-yang", "chen-jie"} - {first}).pop()
    view = county.service.get(county.viewer("police-desk"), alert.id)
    told = {line.person_id for line in view.told}
    assert view.step >= 2, "it climbs: a phone that is off stops nothing"
    village.wait(601)
    assert "police-desk" in village.rang()
    assert "wang-fang" not in village.rang() + village.rang(village.voice), "she is on leave"
    assert other not in told or other == "liu-yang", "only the deputy besides"
    reasons = county.service.explain(event.id).decisions
    head = [one.reason_zh for one in reasons if one.person_name == "王芳"]
    assert "请假中，由赵磊替班" in head
    failed = [one for one in reasons if one.verdict == "failed" and one.person_name == "赵磊"]
    assert failed, "and why the call did not reach the substitute is kept"


def test_a_hole_in_the_duty_is_told_a_day_ahead_and_ends_when_it_is_filled(
    village: Village,
) -> None:
    county = village.county
    auditor = Auditor(county.engine, county.site, county.clock)
    alarm = Alarm(EventStore(county.engine, county.clock), county.clock)

    def look() -> list[AlertView]:
        alarm.tell(auditor.run())
        county.route()
        village.deliver()
        alerts = county.service.open_alerts(county.viewer("police-desk"))
        return [one for one in alerts if one.camera_id == duty_subject("lixiang")]

    start = county.clock.now() + timedelta(hours=25)
    leave = village.leaves.ask("sun-mei", start, start + timedelta(hours=8),
                               substitute=None, reason="")  # fmt: skip
    village.leaves.decide(leave.id, "approved", by="zhao-lei")
    assert look() == [], "25 hours ahead there is time"
    county.clock.advance(3660)
    (alert,) = look()
    assert set(county.told(alert.id)) == {"zhao-lei"}, "whoever answers for the grid"
    assert "zhao-lei" in village.rang()
    with county.engine.connect() as connection:
        bodies = connection.execute(select(events.c.body).order_by(events.c.id)).scalars().all()
    assert "from 2026-03-03 11:00:00 UTC+08:00 to 2026-03-03 19:00:00 UTC+08:00" in bodies[-1]
    assert len(look()) == 1, "once is enough"
    village.leaves.decide(leave.id, "withdrawn", by="sun-mei")
    filled = village.leaves.ask("sun-mei", start, start + timedelta(hours=8),
                                substitute="zhao-lei", reason="")  # fmt: skip
    village.leaves.decide(filled.id, "approved", by="zhao-lei")
    assert look() == [], "filled: it ends by itself"
    assert AuditLog(county.engine, county.clock).verify() is None
