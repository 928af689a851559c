"""A car that is looked for passes five cameras: one possible match with five sightings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from alerts.life.state import Outcome, State
from alerts.web.police.watching import Wanted, WatchList
from config.site import Site
from tests.alerts.county import County, county_at

PLATE = "冀T8K2L6"
CASE = "冀公立字〔2026〕12号"
ROUTE = ("east-gate-in", "east-gate-out", "lixiang-road", "shop-0", "shop-1")


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    camera = example_site.camera("lixiang-road")
    assert camera is not None
    shops = [{**camera.model_dump(), "id": f"shop-{n}", "name": f"商铺{n}"} for n in range(2)]
    body = example_site.model_dump()
    body["cameras"] = [*body["cameras"], *shops]
    with county_at(database_url, Site.model_validate(body)) as made:
        yield made


def look_for(county: County, *grids: str, case: str = CASE) -> None:
    now = county.clock.now()
    wanted = Wanted(
        plate=PLATE,
        case_number=case,
        legal_basis="刑事诉讼法第150条",
        reason="盗窃案车辆",
        grids=grids,
        starts_at=now,
        ends_at=now + timedelta(days=30),
    )
    watching = WatchList(county.engine, county.clock)
    entry = watching.ask(wanted, requester="police-desk")
    for approver in ("town-chengguan", "wang-fang"):
        assert watching.vote(entry, approver, approves=True)


def test_five_cameras_are_one_alert_and_those_where_it_was_seen_last_are_sent(
    county: County,
) -> None:
    look_for(county, "east-gate", "lixiang")
    for camera in ROUTE:
        county.see(county.plate(PLATE, camera=camera))
        county.clock.advance(120)
    desk = county.viewer("police-desk")
    alerts = county.service.open_alerts(desk)
    assert [(alert.state, alert.sightings) for alert in alerts] == [(State.REVIEW, 5)]
    assert county.told(alerts[0].id) == ["police-desk"], "nobody is sent before a person confirms"
    confirmed = county.service.confirm(desk, alerts[0].id, is_match=True)
    assert (confirmed.state, confirmed.grid_id) == (State.OPEN, "lixiang")
    assert "sun-mei" in county.told(alerts[0].id), "the village, where it was seen last"


@pytest.mark.parametrize("is_here_first", [True, False])
def test_of_two_cases_the_one_that_looks_here_is_named(county: County, is_here_first: bool) -> None:
    asked = [("lixiang", CASE), ("east-gate", "冀公立字〔2026〕99号")]
    for grid, case in asked if is_here_first else reversed(asked):
        look_for(county, grid, case=case)
        county.clock.advance(1)
    event = county.plate(PLATE, camera="lixiang-road")
    county.see(event)
    reasons = [item.reason_en for item in county.service.explain(event.id).decisions]
    assert any(CASE in reason for reason in reasons)
    assert not any("99号" in reason for reason in reasons)


def test_an_ordinary_car_past_the_same_cameras_is_an_alert_at_each(county: County) -> None:
    look_for(county, "east-gate", "lixiang")
    for camera in ROUTE[:3]:
        county.see(county.plate("冀A00001", camera=camera))
    assert len(county.service.open_alerts(county.viewer("police-desk"))) == 3


def test_outside_the_area_of_the_case_it_is_a_car_like_any_other(county: County) -> None:
    look_for(county, "east-gate")
    county.see(county.plate(PLATE), county.plate(PLATE, camera="lixiang-road"))
    states = {
        alert.grid_id: alert.state
        for alert in county.service.open_alerts(county.viewer("police-desk"))
    }
    assert states == {"east-gate": State.REVIEW, "lixiang": State.OPEN}


def test_a_plate_read_right_only_in_a_later_revision_is_still_found(county: County) -> None:
    look_for(county, "east-gate")
    first = county.plate("冀T8K2L?")
    county.see(first)
    county.see(county.plate(PLATE, visit=first))
    alerts = county.service.open_alerts(county.viewer("police-desk"))
    assert State.REVIEW in {alert.state for alert in alerts}


def test_a_match_that_is_none_is_closed_as_a_false_alarm_and_a_new_sighting_joins_it(
    county: County,
) -> None:
    look_for(county, "east-gate")
    alert = county.see(county.plate(PLATE))[0]
    desk = county.viewer("police-desk")
    county.service.confirm(desk, alert.id, is_match=False)
    county.clock.advance(60)
    assert county.see(county.plate(PLATE, camera="east-gate-out")) == []
    closed = county.service.get(desk, alert.id)
    assert (closed.outcome, closed.sightings) == (Outcome.FALSE_ALARM, 2)
