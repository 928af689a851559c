"""A storm of alerts: what is critical is told at once, the rest in digests, and none is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from alerts.channels.base import Notification
from alerts.life.state import State
from alerts.store import schema
from alerts.store.quiet_schema import digests
from alerts.storm.notice import sent_digests
from config.event import EventKind, Severity
from config.site import Site
from tests.alerts.county import DAY, County, county_at, sqlite_url

ONE = Notification(
    key="", reference="", target="liu-yang", alert_id="", version=1, state=State.OPEN, step=0,
    kind=EventKind.PLATE, severity=Severity.NOTICE, title_zh="", title_en="", camera="",
    camera_name="", grid=None, opened_at=DAY, changed_at=DAY, acked_by=None, link="",
)  # fmt: skip


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


def rows(county: County, table: Any) -> list[Any]:
    with county.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)))


def delivery_states(county: County) -> Counter[str]:
    return Counter(row.state for row in rows(county, schema.deliveries))


def test_three_of_a_grid_and_kind_are_told_one_by_one_and_the_rest_in_one_digest(
    county: County,
) -> None:
    alerts = county.see(*[county.plate(f"冀A{n:05d}") for n in range(10)])
    assert len(alerts) == 10, "every one of them is an alert"
    assert delivery_states(county) == {"pending": 3, "held": 7}
    held = [row for row in rows(county, schema.deliveries) if row.state == "held"]
    digest = rows(county, digests)[0]
    assert {row.digest_id for row in held} == {digest.id}
    assert all(f"in digest {digest.id}" in row.reason_en for row in held)

    county.clock.advance(59)
    assert county.digests.run_once() == 0
    county.clock.advance(1)
    assert county.digests.run_once() == 1
    sent = rows(county, digests)[0]
    assert (sent.count, sent.title_zh) == (7, "东门网格：7条告警（车牌7）")
    assert delivery_states(county) == {"pending": 4, "digested": 7}
    notice = [row for row in rows(county, schema.deliveries) if row.digest_id == sent.id][-1]
    assert (notice.state, notice.idempotency_key.split(":")[0]) == ("pending", "digest")


def test_a_clock_that_was_set_back_delays_no_digest_and_counts_anew(
    tmp_path: Path, example_site: Site
) -> None:
    with county_at(sqlite_url(tmp_path), example_site, DAY + timedelta(hours=8)) as early:
        early.see(*[early.plate(f"冀A{n:05d}") for n in range(5)])
        assert delivery_states(early) == {"pending": 3, "held": 2}
    with county_at(sqlite_url(tmp_path), example_site, DAY) as county:
        assert county.digests.run_once() == 1, "not after eight hours"
        assert delivery_states(county) == {"pending": 4, "digested": 2}
        county.see(*[county.plate(f"冀B{n:05d}") for n in range(3)])
        assert delivery_states(county) == {"pending": 7, "digested": 2}


def test_other_kinds_and_other_grids_are_counted_by_themselves(county: County) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(5)])
    county.see(county.health(active=True))
    county.see(county.plate("冀B00001", camera="lixiang-road"))
    assert delivery_states(county) == {"pending": 5, "held": 2}


def test_what_is_critical_is_never_held(county: County) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(30)])
    loud = county.health(active=True, severity=Severity.CRITICAL)
    county.see(loud)
    told = county.service.explain(loud.id).told
    assert [line.state for line in told] == ["pending"]


def test_beyond_twenty_notices_everything_of_a_grid_is_one_digest(county: County) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(25)])
    county.see(county.health(active=True))
    by_kind = Counter(row.kind for row in rows(county, digests))
    assert by_kind == {"plate": 1, "": 1}, "first of the kind, then of everything"
    county.clock.advance(61)
    county.digests.run_once()
    storm = next(row for row in rows(county, digests) if row.kind == "")
    assert storm.title_en == "东门网格: 6 alerts (5 plate, 1 camera trouble)"


def test_hundreds_are_one_alert_each_and_none_is_lost(county: County) -> None:
    for start in range(0, 600, 50):
        county.arrive(*[county.plate(f"冀A{start + n:05d}") for n in range(50)])
    county.route()
    county.clock.advance(61)
    while county.digests.run_once():
        pass
    assert county.count(schema.alerts) == 600
    told = {row.alert_id for row in rows(county, schema.deliveries) if row.person is not None}
    assert len(told) == 600
    assert "held" not in delivery_states(county)
    digested = sum(row.count for row in rows(county, digests))
    assert digested == delivery_states(county)["digested"]


def test_what_its_person_has_seen_on_the_page_is_not_in_the_digest(county: County) -> None:
    alerts = county.see(*[county.plate(f"冀A{n:05d}") for n in range(6)])
    worker = county.viewer(county.told(alerts[0].id)[0])
    county.service.stream(worker, after=0)
    county.clock.advance(61)
    county.digests.run_once()
    assert rows(county, digests)[0].count == 0
    assert delivery_states(county) == {"delivered": 6}, "and no notice says so again"


def test_after_a_quiet_minute_the_next_alert_is_told_by_itself_again(county: County) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(10)])
    county.clock.advance(61)
    county.digests.run_once()
    fresh = county.plate("冀C00001")
    county.see(fresh)
    assert [line.state for line in county.service.explain(fresh.id).told] == ["pending"]


def test_what_climbs_soon_is_not_grouped(tmp_path: Path, example_site: Site) -> None:
    rules = tuple(
        rule.model_copy(update={"escalate_after_s": 60}) if rule.id == "everything-else" else rule
        for rule in example_site.rules
    )
    site = Site.model_validate({**example_site.model_dump(), "rules": rules})
    with county_at(sqlite_url(tmp_path), site) as county:
        county.see(*[county.plate(f"冀A{n:05d}") for n in range(10)])
        assert delivery_states(county) == {"pending": 10}


def test_an_escalation_storm_is_braked_as_well(county: County) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(30)])
    county.wait(301)
    mine = [row for row in rows(county, schema.deliveries) if row.person == "wang-fang"]
    assert len(mine) == 30
    assert Counter(row.state for row in mine) == {"pending": 3, "held": 27}


def test_a_digest_goes_out_under_its_own_title_and_links_to_the_list_of_its_alerts(
    county: County,
) -> None:
    county.see(*[county.plate(f"冀A{n:05d}") for n in range(10)])
    county.clock.advance(61)
    county.digests.run_once()
    digest = rows(county, digests)[0]
    notice = next(
        row for row in rows(county, schema.deliveries) if row.idempotency_key.startswith("digest:")
    )
    alone = rows(county, schema.deliveries)[0]
    with county.engine.connect() as connection:
        found = sent_digests(connection, [notice.idempotency_key, alone.idempotency_key])
    assert list(found) == [notice.idempotency_key]
    one = replace(ONE, key=notice.idempotency_key)
    told = found[notice.idempotency_key].instead_of(one, "https://menshen.example")
    assert told.title_zh == "东门网格：7条告警（车牌7）"
    assert told.link == f"https://menshen.example/digests/{digest.id}"


def test_a_digest_is_about_an_alert_that_still_waits_if_any_does(county: County) -> None:
    alerts = county.see(*[county.plate(f"冀A{n:05d}") for n in range(6)])
    held = sorted(alert.id for alert in alerts)[3:]
    for alert_id in held[1:]:
        county.service.acknowledge(county.viewer("wang-fang"), alert_id, version=None)
    county.clock.advance(61)
    county.digests.run_once()
    notice = next(
        row for row in rows(county, schema.deliveries) if row.idempotency_key.startswith("digest:")
    )
    assert county.service.get(county.viewer("police-desk"), notice.alert_id).acked_by is None


def test_what_is_critical_overtakes_the_backlog_but_not_its_own_camera(county: County) -> None:
    county.arrive(*[county.plate(f"冀A{n:05d}") for n in range(120)])
    for active, severity in (
        (True, Severity.INFO),
        (False, Severity.INFO),
        (True, Severity.CRITICAL),
    ):
        county.clock.advance(1)
        county.arrive(
            county.health(
                active=active, camera="lixiang-road", condition="black", severity=severity
            )
        )
    assert county.router.run_once() == 50
    assert county.router.run_once() == 3, "the camera's three events, in their order"
    found = county.service.open_alerts(county.viewer("police-desk"))
    assert [alert.severity for alert in found if alert.camera_id == "lixiang-road"] == [
        Severity.CRITICAL
    ]
    assert county.route() == 70
