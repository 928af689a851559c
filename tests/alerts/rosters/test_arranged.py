"""What people arranged is read as they left it, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from alerts.deciding.routing import place_of
from alerts.life.ladders import HomeTerms
from alerts.rosters.arranged import load_arrangements, load_terms
from alerts.rosters.duty import Arrangements, Swap
from alerts.web.grid.leaves import Leaves
from alerts.web.grid.swaps import Swaps
from alerts.web.home.fallbacks import Fallbacks
from config.duty import Absence
from config.site import Site
from ingest.engine import reading
from tests.alerts.county import County, county_at

HOUR = timedelta(hours=1)


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


def arranged(county: County) -> Arrangements:
    with reading(county.engine) as connection:
        return load_arrangements(connection, county.clock.now())


def test_only_what_was_agreed_and_is_not_over_counts_in_the_order_it_was_agreed(
    county: County,
) -> None:
    swaps, leaves = (
        Swaps(county.engine, county.site, county.clock),
        Leaves(county.engine, county.clock),
    )
    now = county.clock.now()
    first = Swap("east-gate", now, now + 3 * HOUR, "liu-yang", "chen-jie")
    second = Swap("east-gate", now + HOUR, now + 2 * HOUR, "chen-jie", "wang-fang")
    asked = [swaps.ask(swap) for swap in (second, first)]
    leave = leaves.ask("wang-fang", now, now + HOUR, substitute="zhao-lei", reason="")
    alone = leaves.ask("sun-mei", now, now + 2 * HOUR, substitute=None, reason="")
    refused = leaves.ask("liu-yang", now, now + HOUR, substitute=None, reason="")
    assert arranged(county) == Arrangements(), "asked is not agreed"
    county.clock.advance(60)
    assert swaps.decide(asked[1].id, "chen-jie", "accepted")
    county.clock.advance(60)
    assert swaps.decide(asked[0].id, "wang-fang", "accepted")
    assert leaves.decide(alone.id, "approved", by="zhao-lei")
    assert leaves.decide(refused.id, "declined", by="wang-fang")
    county.clock.advance(60)
    assert leaves.decide(leave.id, "approved", by="town-chengguan")
    found = arranged(county)
    assert found.swaps == (first, second)
    assert found.absences == (
        Absence("sun-mei", now, now + 2 * HOUR),
        Absence("wang-fang", now, now + HOUR, "zhao-lei"),
    )
    county.clock.advance(3600)
    assert [one.person for one in arranged(county).absences] == ["sun-mei"], "the other is over"
    assert leaves.decide(alone.id, "withdrawn", by="sun-mei")
    county.clock.advance(2 * 3600)
    assert arranged(county) == Arrangements()
    assert not leaves.decide(leave.id, "withdrawn", by="wang-fang"), "what is over stays as it was"


def test_a_home_says_nothing_until_it_does_and_a_call_counts_for_one_alert(
    county: County,
) -> None:
    homes = Fallbacks(county.engine, county.clock)
    county.arrive(county.face(), county.plate(camera="lixiang-road"))
    county.route()
    (alert,) = county.service.open_alerts(county.viewer("li-qiang"))

    def terms(camera: str = "home-li-qiang", alert_id: str = alert.id) -> HomeTerms:
        with reading(county.engine) as connection:
            return load_terms(connection, place_of(county.site, camera), alert_id)

    assert terms() == HomeTerms()
    homes.ask("li-qiang", "sun-mei")
    homes.decide("li-qiang", "sun-mei", "accepted", earlier=("asked",))
    assert terms() == HomeTerms(), "a neighbour without the owner's consent is nobody"
    homes.agree("li-qiang", is_agreed=True)
    assert terms() == HomeTerms(agreed=True, neighbours=("sun-mei",))
    homes.ask("li-qiang", "sun-mei")
    assert terms() == HomeTerms(agreed=True), "asked anew needs a new yes"
    homes.agree("li-qiang", is_agreed=False)
    for _ in range(2):
        homes.call(alert.id, "li-qiang")
    assert terms() == HomeTerms(called=True)
    assert terms(alert_id="another") == HomeTerms()
    assert terms(camera="lixiang-road") == HomeTerms(), "no home, no terms"
