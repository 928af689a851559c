"""A home that let nobody else be told: reminded ever more rarely, never silent, never nagged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.auditing.auditor import Auditor, unheard_homes
from alerts.auditing.findings import CENTRE
from alerts.life.state import State
from alerts.store import schema
from config.event import Severity
from config.site import Site
from tests.alerts.county import DAY, sqlite_url
from tests.alerts.web.conftest import become, post
from tests.stories.village import HOME, Village, village_at


@pytest.fixture
def village(tmp_path: Path, example_site: Site) -> Iterator[Village]:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as made:
        yield made


def next_step(village: Village) -> datetime:
    """When the one open alert's timer is due."""
    with village.county.engine.connect() as connection:
        return connection.execute(select(schema.timers.c.due_at)).scalar_one()


def remind(village: Village, times: int) -> list[float]:
    """Let the next ``times`` reminders come; minutes between one and the next."""
    waits = []
    for _ in range(times):
        wait = (next_step(village) - village.clock.now()).total_seconds()
        village.clock.advance(wait)
        assert village.county.timers.run_once() == 1
        village.deliver()
        waits.append(wait / 60)
    return waits


def told(village: Village, person: str) -> int:
    """How often somebody was told of the home's alert."""
    sent = schema.deliveries.c
    mine = select(sent.id).where(sent.person == person, sent.channel == "inapp")
    with village.county.engine.connect() as connection:
        return len(connection.execute(mine).all())


def test_nobody_answers_for_days_and_the_reminders_grow_rare_but_never_end(
    village: Village,
) -> None:
    alert = village.at_home()
    waits = remind(village, 16)
    assert waits[:6] == [2, 2, 4, 8, 16, 32], "the rule's two minutes, then twice as long each time"
    assert waits[-3:] == [360, 360, 360], "in the end every six hours, for ever"
    assert village.clock.now() - DAY > timedelta(days=1)
    assert told(village, "li-qiang") == 17
    assert set(village.rang()) == {"li-qiang", "sun-mei"}, "and nobody else ever learns of it"
    assert village.alert(alert.id).state is State.OPEN


def test_the_auditor_counts_it_and_tells_nobody_of_the_home(village: Village) -> None:
    village.at_home()
    county = village.county
    auditor = Auditor(county.engine, county.site, county.clock)
    assert unheard_homes(county.engine, county.clock.now()) == 0
    remind(village, 10)
    assert unheard_homes(county.engine, county.clock.now()) == 1
    assert [found for found in auditor.run() if found.subject == CENTRE] == []
    village.fallbacks.agree("li-qiang", is_agreed=True)
    assert unheard_homes(county.engine, county.clock.now()) == 0


def test_a_next_step_that_lies_too_far_ahead_is_a_silence(village: Village) -> None:
    alert = village.at_home()
    late = village.clock.now() + timedelta(hours=7)
    with village.county.engine.begin() as connection:
        connection.execute(schema.timers.update().values(due_at=late))
    county = village.county
    found = Auditor(county.engine, county.site, county.clock).run()
    assert f"alert {alert.id}" in {one.about for one in found}


def test_consent_given_at_last_tells_the_grid_head_within_minutes(village: Village) -> None:
    village.at_home()
    remind(village, 12)
    assert next_step(village) - village.clock.now() > timedelta(hours=1)
    village.fallbacks.agree("li-qiang", is_agreed=True)
    assert next_step(village) - village.clock.now() == timedelta(minutes=2)
    remind(village, 1)
    assert "zhao-lei" in village.rang()


def test_something_louder_is_told_at_once_however_rare_the_reminders_are(
    village: Village,
) -> None:
    village.at_home()
    remind(village, 8)
    before = told(village, "li-qiang")
    louder = village.county.face(camera=HOME).model_copy(update={"severity": Severity.CRITICAL})
    village.county.arrive(louder)
    village.county.route()
    village.deliver()
    alerts = village.county.service.open_alerts(village.county.viewer("li-qiang"))
    assert max(alert.severity.rank for alert in alerts) == Severity.CRITICAL.rank
    assert village.rang().count("li-qiang") > before


def test_the_owner_reads_that_nobody_else_will_be_told_and_agrees_on_the_spot(
    village: Village,
) -> None:
    alert = village.at_home()
    with village.pages() as phone:
        link = village.link("li-qiang")
        assert "没有别人会收到通知" in phone.get(link).text
        become(phone, "li-qiang")
        for page in ("/home", f"/alerts/{alert.id}"):
            assert "没有别人会收到通知" in phone.get(page).text
        assert post(phone, "/home/fallback", agreed="yes").status_code == 303
        for page in ("/home", f"/alerts/{alert.id}"):
            assert "没有别人会收到通知" not in phone.get(page).text
    remind(village, 1)
    assert "zhao-lei" in village.rang()
