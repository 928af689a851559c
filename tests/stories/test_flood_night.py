"""Flood night: two people switch wartime on, more are told sooner, and no home is opened wider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time

import pytest
from sqlalchemy import select

from alerts.auditing.audit import AuditLog
from alerts.life.state import State
from alerts.store.schema import audit
from config.errors import UserError
from config.site import Roster, Shift, Site
from tests.alerts.county import County, county_at

NIGHT = datetime(2026, 7, 20, 15, 0, tzinfo=UTC)
"""23:00 in the county."""
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, with_dam_watch(example_site), NIGHT) as made:
        yield made


def with_dam_watch(site: Site) -> Site:
    """In wartime the village is watched by two people at once."""
    shift = Shift(people=("zhao-lei", "sun-mei"), days=_WEEK, start=time(0), end=time(0))
    roster = Roster(grid="lixiang", shifts=(shift,))
    return Site.model_validate({**site.model_dump(), "wartime_rosters": (roster,)})


def flood(county: County, *townships: str) -> str:
    asked = county.wartime.ask(county.person("police-desk"), reason="汛情", townships=townships)
    county.wartime.confirm(county.person("town-chengguan"), asked.id)
    return asked.id


def actions(county: County) -> list[str]:
    with county.engine.connect() as connection:
        rows = connection.execute(select(audit.c.action).order_by(audit.c.seq)).scalars()
        return [action for action in rows if action.startswith("wartime")]


def test_the_whole_shift_and_the_grid_head_are_told_at_once_and_it_climbs_twice_as_fast(
    county: County,
) -> None:
    flood(county)
    event = county.plate()
    alert = county.see(event)[0]
    assert sorted(county.told(alert.id)) == ["chen-jie", "liu-yang", "wang-fang"]
    assert county.wait(149) == 0
    assert county.wait(2) == 1, "after half of the peacetime's five minutes"
    assert "zhao-lei" in county.told(alert.id), "the next step took in the neighbouring grid"
    explained = county.service.explain(event.id)
    wartime = next(item for item in explained.decisions if item.stage == "wartime")
    assert "汛情" in wartime.reason_zh
    assert any("told at once in wartime" in line.reason_en for line in explained.told)


def test_a_wartime_roster_takes_the_place_of_the_grids_own(county: County) -> None:
    before = county.see(county.plate("冀A00001", camera="lixiang-road"))[0]
    assert county.told(before.id) == ["sun-mei"]
    flood(county)
    after = county.plate("冀A00002", camera="lixiang-road")
    county.see(after)
    assert {"zhao-lei", "sun-mei"} <= {
        line.person_id for line in county.service.explain(after.id).told
    }


def test_a_home_keeps_its_circle_and_its_pictures(county: County) -> None:
    in_peace = county.face()
    county.see(in_peace)
    told_in_peace = {line.person_id for line in county.service.explain(in_peace.id).told}
    flood(county)
    county.clock.advance(3600)
    in_war = county.face()
    county.see(in_war)
    explained = county.service.explain(in_war.id)
    assert {line.person_id for line in explained.told} <= told_in_peace | {"sun-mei", "li-qiang"}
    for stranger in ("police-desk", "town-chengguan", "wang-fang"):
        assert county.service.open_alerts(county.viewer(stranger)) == []
    reason = next(item for item in explained.decisions if item.stage == "wartime")
    assert "家庭告警的通知范围不变" in reason.reason_zh


def test_one_person_alone_switches_nothing_on(county: County) -> None:
    asked = county.wartime.ask(county.person("police-desk"), reason="汛情")
    with pytest.raises(UserError, match="same person"):
        county.wartime.confirm(county.person("police-desk"), asked.id)
    alert = county.see(county.plate())[0]
    assert len(county.told(alert.id)) == 1
    county.clock.advance(3601)
    with pytest.raises(UserError, match="not waiting to be confirmed"):
        county.wartime.confirm(county.person("town-chengguan"), asked.id)
    assert county.wartime.run_once() == 1
    assert actions(county) == ["wartime asked", "wartime request void"]


@pytest.mark.parametrize("person", ["wang-fang", "liu-yang", "li-qiang", "installer"])
def test_wartime_is_not_theirs_to_order(county: County, person: str) -> None:
    with pytest.raises(UserError, match="not for somebody"):
        county.wartime.ask(county.person(person), reason="汛情")


@pytest.mark.parametrize(
    ("reason", "townships", "problem"),
    [("", (), "needs a reason"), ("汛情", ("无此镇",), "no township")],
)
def test_an_order_says_why_and_where(
    county: County, reason: str, townships: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        county.wartime.ask(county.person("police-desk"), reason=reason, townships=townships)


def test_it_holds_where_it_was_ordered_and_nowhere_else(county: County) -> None:
    flood(county, "李巷乡")
    alert = county.see(county.plate())[0]
    assert len(county.told(alert.id)) == 1, "the town is at peace"


def test_after_72_hours_it_is_over_by_itself_and_the_log_says_so(county: County) -> None:
    flood(county)
    county.clock.advance(72 * 3600 - 1)
    assert county.wartime.posture().orders
    county.clock.advance(1)
    assert not county.wartime.posture().orders, "even before anybody wrote it down"
    assert county.wartime.run_once() == 1
    assert county.wartime.run_once() == 0
    alert = county.see(county.plate())[0]
    assert len(county.told(alert.id)) == 1
    assert actions(county) == ["wartime asked", "wartime on", "wartime expired"]
    assert AuditLog(county.engine, county.clock).verify() is None


def test_one_person_is_enough_to_end_it(county: County) -> None:
    order = flood(county)
    county.wartime.end(county.person("town-chengguan"), order)
    assert county.wartime.recent()[0].state(county.clock.now()) == "ended"
    alert = county.see(county.plate())[0]
    assert len(county.told(alert.id)) == 1
    with pytest.raises(UserError, match="not in force"):
        county.wartime.end(county.person("police-desk"), order)


def test_whoever_is_on_the_spot_of_a_flood_is_not_hurried(county: County) -> None:
    flood(county)
    alert = county.see(county.plate())[0]
    head = county.viewer("wang-fang")
    county.service.acknowledge(head, alert.id, version=None)
    county.service.arrive(head, alert.id)
    assert county.wait(3599) == 0
    assert county.service.get(head, alert.id).state is State.ONSITE
