"""The chain of ways: next on failure, next on silence, none after an answer, quiet for the low."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from alerts.channels.chain import LOW, Quiet, Reachable, Rules, choose
from alerts.channels.receipts import Fate, note_receipt
from alerts.channels.schema import quiet_hours
from alerts.store import schema
from config.event import Severity
from config.site import Site
from ingest.engine import writing
from tests.alerts.phones import Told, telling
from tests.providers import Say

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def delivered(told: Told, channel: str, fate: Fate = Fate.DELIVERED) -> None:
    reference = told.gateways[channel].got[-1].json()["reference"]
    county = told.county
    assert note_receipt(
        county.engine, county.clock, channel=channel, reference=reference, fate=fate
    )


def test_the_first_way_is_used_at_once_and_the_next_after_thirty_silent_seconds(
    tmp_path: Path, example_site: Site, url: str | None
) -> None:
    with telling(tmp_path, example_site, url=url) as told:
        told.county.see(told.county.plate())
        told.settle()
        assert told.rows() == [("inapp", "accepted"), ("a", "accepted")]
        told.later(29)
        assert len(told.rows()) == 2
        told.later(1)
        assert told.rows()[2:] == [("b", "accepted")]
        told.later(30)
        assert len(told.rows()) == 3, "every way was used"
        assert told.reasons() == ["every way was used and none gave a receipt"]


@pytest.mark.parametrize("by_router", [True, False])
def test_whoever_hands_over_the_same_is_written(
    tmp_path: Path, example_site: Site, by_router: bool
) -> None:
    with telling(tmp_path, example_site, by_router=by_router) as told:
        told.county.see(told.county.plate())
        if by_router:
            assert told.rows() == [("inapp", "accepted"), ("a", "pending")], "in one transaction"
        assert told.sending.reach.run_once() == (0 if by_router else 1)
        with told.county.engine.connect() as connection:
            sent = connection.execute(select(schema.deliveries)).mappings().all()
        inapp, own = sorted(sent, key=lambda row: row["channel"] != "inapp")
        assert (inapp["attempts"], inapp["next_attempt_at"], inapp["fall_over_at"]) == (
            1,
            None,
            None,
        )
        assert own["next_attempt_at"] == told.county.clock.now()
        assert own["fall_over_at"] == told.county.clock.now() + timedelta(seconds=30)
        same = ("alert_id", "alert_version", "cycle", "step", "person", "reason_zh", "digest_id")
        assert [own[name] for name in same] == [inapp[name] for name in same]


def test_a_receipt_ends_the_chain(tmp_path: Path, example_site: Site, url: str | None) -> None:
    with telling(tmp_path, example_site, url=url) as told:
        told.county.see(told.county.plate())
        told.settle()
        delivered(told, "a")
        told.later(60)
        assert told.rows() == [("inapp", "accepted"), ("a", "delivered")]
        delivered(told, "a", Fate.READ)
        delivered(told, "a")
        assert told.rows()[-1] == ("a", "read"), "a late receipt takes nothing back"


def test_a_provider_that_refuses_hands_on_at_once(
    tmp_path: Path, example_site: Site, url: str | None
) -> None:
    with telling(tmp_path, example_site, url=url) as told:
        told.gateways["a"].always = Say(body=b'{"code":99}')
        told.county.see(told.county.plate())
        told.settle()
        told.settle()
        assert told.rows()[1:] == [("a", "failed"), ("b", "accepted")]
        assert told.reasons() == ["could not be delivered (a: error 99)"]


def test_a_receipt_that_says_failed_hands_on_at_once(tmp_path: Path, example_site: Site) -> None:
    with telling(tmp_path, example_site) as told:
        told.county.see(told.county.plate())
        told.settle()
        delivered(told, "a", Fate.FAILED)
        told.settle()
        assert told.rows()[1:] == [("a", "failed"), ("b", "accepted")]


def test_a_provider_that_is_down_is_tried_on_while_the_next_is_used(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site) as told:
        told.gateways["a"].always = Say(503)
        told.county.see(told.county.plate())
        told.settle()
        told.later(30)
        assert told.rows()[1:] == [("a", "pending"), ("b", "accepted")]
        told.gateways["a"].always = Say(body=b'{"code":0}')
        told.later(60)
        assert told.rows()[1:] == [("a", "accepted"), ("b", "accepted")]


def test_after_an_answer_nobody_is_rung_any_more(tmp_path: Path, example_site: Site) -> None:
    with telling(tmp_path, example_site) as told:
        alert = told.county.see(told.county.plate())[0]
        told.settle()
        worker = told.county.viewer(told.county.told(alert.id)[0])
        told.county.service.acknowledge(worker, alert.id, version=None)
        told.later(60)
        assert "b" not in dict(told.rows())


def test_quiet_hours_hold_for_the_low_and_never_for_the_loud(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site) as told:
        with writing(told.county.engine) as connection:
            for person in ("liu-yang", "chen-jie"):
                row: dict[str, Any] = {"person": person, "starts": "09:00", "ends": "12:00"}
                connection.execute(
                    insert(quiet_hours).values(set_at=told.county.clock.now(), **row)
                )
        told.county.see(told.county.plate())
        told.later(60)
        assert told.rows() == [("inapp", "accepted")]
        assert "quiet hours (09:00–12:00)" in told.reasons()[0]
        told.county.see(told.county.health(active=True, severity=Severity.CRITICAL))
        told.settle()
        assert ("a", "accepted") in told.rows(), "it is 10:00, and critical"


def test_a_way_for_the_loud_only_says_why_it_was_not_used(
    tmp_path: Path, example_site: Site
) -> None:
    with telling(tmp_path, example_site, ("a",), from_severity="critical") as told:
        told.county.see(told.county.plate())
        told.settle()
        assert told.rows() == [("inapp", "accepted")]
        assert "a: this way is for severity critical and above" in told.reasons()[0]


def test_without_other_ways_the_pages_alone_are_no_news(tmp_path: Path, example_site: Site) -> None:
    with telling(tmp_path, example_site, ()) as told:
        told.county.see(told.county.plate())
        told.settle()
        assert (told.rows(), told.reasons()) == ([("inapp", "accepted")], [])


@given(
    st.permutations(["a", "b", "c"]),
    st.sets(st.sampled_from("abc")),
    st.sets(st.sampled_from("abc")),
    st.sampled_from(Severity),
    st.times(),
    st.times(),
    st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC)),
)
def test_a_choice_is_always_the_first_that_may_be_used(
    order: list[str],
    has: set[str],
    tried: set[str],
    severity: Severity,
    starts: time,
    ends: time,
    now: datetime,
) -> None:
    quiet = Quiet(starts, ends)
    person = Reachable(tuple(order), frozenset(has), quiet)
    choice = choose(person, tried=tried, severity=severity, now=now, rules=Rules(ZONE))
    may = [name for name in order if name in has and name not in tried]
    if severity in LOW and quiet.holds(now, ZONE):
        may = []
    assert choice.channel == (may[0] if may else None)
    left = [name for name in order if name not in tried]
    if choice.channel is None:
        assert [item.channel for item in choice.passed] == left, "every no has its reason"
