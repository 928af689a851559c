"""The clock is set back by hours: what was armed before climbs in minutes all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from alerts.silences.matching import Matchers
from alerts.store import schema
from alerts.store.applying import AlertStore
from alerts.timers import Timers
from config.clock import FakeClock
from config.site import Site
from tests.alerts.county import DAY, County, county_at

BACK = timedelta(hours=5)


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


@pytest.fixture
def earlier(county: County) -> tuple[FakeClock, Timers]:
    """The clock after it was set back, and the timers that go by it."""
    clock = FakeClock(DAY - BACK)
    store = AlertStore(county.engine, county.site, clock)
    return clock, Timers(county.engine, clock, store=store)


def due(county: County) -> list[datetime]:
    """When the timers are due, the first one first."""
    with county.engine.connect() as connection:
        return sorted(connection.execute(select(schema.timers.c.due_at)).scalars())


def test_an_open_alert_climbs_after_its_step_and_not_hours_later(
    county: County, earlier: tuple[FakeClock, Timers]
) -> None:
    alert = county.see(county.plate())[0]
    clock, timers = earlier
    assert timers.run_once() == 0
    assert due(county) == [clock.now() + timedelta(seconds=300)]
    clock.advance(100)
    timers.run_once()
    assert due(county) == [clock.now() + timedelta(seconds=200)], "pulled forward once"
    clock.advance(200)
    assert timers.run_once() == 1
    assert county.told(alert.id)[-1] == "wang-fang", "the next step"


def test_what_somebody_took_expires_after_its_time(
    county: County, earlier: tuple[FakeClock, Timers]
) -> None:
    alert = county.see(county.plate())[0]
    county.service.acknowledge(county.viewer("wang-fang"), alert.id, version=None)
    clock, timers = earlier
    timers.run_once()
    clock.advance(900)
    assert timers.run_once() == 1


def test_a_silence_ends_at_the_time_of_day_that_was_named(
    county: County, earlier: tuple[FakeClock, Timers]
) -> None:
    ends_at = DAY + timedelta(hours=1)
    matchers = Matchers(grids=("east-gate",))
    county.silences.add(county.person("wang-fang"), matchers, reason="修路", ends_at=ends_at)
    county.see(county.plate())
    earlier[1].run_once()
    assert due(county) == [ends_at]


def test_a_clock_that_goes_on_moves_no_timer(county: County) -> None:
    county.see(county.plate())
    before = due(county)
    county.wait(31)
    assert due(county) == before
