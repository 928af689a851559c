"""A night of phones: nobody answers, two answer at once, one answers and falls asleep, a flood."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from httpx import Response

from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.life.state import State
from alerts.seeing.views import AlertView
from config.site import Site
from tests.alerts.county import sqlite_url
from tests.stories.village import Village, village_at

NIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""23:00 in the county."""


@pytest.fixture
def village(tmp_path: Path, example_site: Site) -> Iterator[Village]:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path, NIGHT) as made:
        yield made


def car(village: Village) -> AlertView:
    """A car drives in at the east gate, and whoever is first hears of it."""
    alert = village.county.see(village.county.plate())[0]
    village.deliver()
    return alert


def seen(village: Village, alert: AlertView) -> AlertView:
    """The alert as the police desk sees it now."""
    return village.county.service.get(village.county.viewer("police-desk"), alert.id)


def test_nobody_answers_all_night_and_every_phone_rings_in_its_turn_and_the_desk_for_ever(
    village: Village,
) -> None:
    alert = car(village)
    (worker,) = village.rang()
    assert worker in ("liu-yang", "chen-jie"), "one phone, that of whoever is on duty"
    village.wait(30)
    assert village.rang(village.voice) == [worker], "no receipt for the message: a call"
    village.wait(271)
    assert village.rang().count("wang-fang") == 1, "after five minutes the head of the grid"
    village.wait(900)
    order = list(dict.fromkeys(village.rang()))
    assert order[:2] == [worker, "wang-fang"]
    assert order.index("zhao-lei") < order.index("town-chengguan") < order.index("police-desk")
    before = village.rang().count("police-desk")
    village.wait(3600)
    assert village.rang().count("police-desk") == before + 12, "every five minutes, all night"
    assert village.rang().count("wang-fang") == 1, "and nobody else is woken twice"
    assert seen(village, alert).state is State.OPEN
    county = village.county
    assert Auditor(county.engine, county.site, county.clock).run() == []
    assert AuditLog(county.engine, county.clock).verify() is None


def test_two_tap_their_links_at_the_same_moment_and_one_of_them_has_it(village: Village) -> None:
    alert = car(village)
    worker = village.rang()[0]
    village.wait(301)
    links = {name: village.link(name) for name in (worker, "wang-fang")}
    with village.pages() as phone, ThreadPoolExecutor(2) as taps:

        def tap(link: str) -> Response:
            return phone.post(link, data={"what": "take"})

        ends = dict(zip(links, taps.map(tap, links.values()), strict=True))
    assert sorted(end.status_code for end in ends.values()) == [200, 409]
    winner = next(name for name, end in ends.items() if end.status_code == 200)
    loser = next(end for end in ends.values() if end.status_code == 409)
    taken = seen(village, alert)
    assert (taken.state, taken.acked_by) == (State.ACKED, winner)
    assert str(taken.acked_by_name) in loser.text, "whoever was second reads who goes"
    before = len(village.rang()) + len(village.rang(village.voice))
    village.wait(600)
    after = len(village.rang()) + len(village.rang(village.voice))
    assert after == before, "somebody goes: no phone rings for anybody"


def test_taken_from_the_message_and_then_nothing_so_the_next_phone_rings(
    village: Village,
) -> None:
    alert = car(village)
    worker = village.rang()[0]
    with village.pages() as phone:
        assert phone.post(village.link(worker), data={"what": "take"}).status_code == 200
    assert seen(village, alert).acked_by == worker
    village.wait(870)
    assert set(village.rang()) == {worker}, "a quarter of an hour is theirs"
    village.wait(31)
    assert "wang-fang" in village.rang(), "nobody arrived: the head is told"
    again = seen(village, alert)
    assert (again.state, again.acked_by) == (State.OPEN, None)


def test_on_flood_night_the_whole_shift_and_the_head_ring_at_once_and_twice_as_fast(
    village: Village,
) -> None:
    county = village.county
    asked = county.wartime.ask(county.person("police-desk"), reason="汛情")
    county.wartime.confirm(county.person("town-chengguan"), asked.id)
    car(village)
    assert sorted(village.rang()) == ["chen-jie", "liu-yang", "wang-fang"]
    village.wait(151)
    assert "zhao-lei" in village.rang(), "half of the peacetime's five minutes"
    village.wait(450)
    assert "police-desk" in village.rang()
    village.at_home()
    village.wait(600)
    told = {line.person_id for line in county.service.open_alerts(
        county.viewer("li-qiang"))[0].told}  # fmt: skip
    assert told == {"li-qiang", "sun-mei"}, "and a home's circle is what it is in peace"
