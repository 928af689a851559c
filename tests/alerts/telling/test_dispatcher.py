"""The dispatcher: budgets and pauses of providers, slow ones, and its own sudden death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from alerts.auditing.auditor import Auditor
from alerts.channels.budget import Budget, look, pause_provider, spend
from alerts.channels.webhook import WebhookChannel
from alerts.store import schema
from alerts.telling.dispatcher import Dispatcher
from config.pace_site import Pace
from config.site import Site, Webhook
from ingest.engine import open_engine, writing
from ingest.migrate import upgrade
from tests.alerts.county import county_at, sqlite_url
from tests.alerts.phones import telling
from tests.providers import Got, Provider, Say, provider_at, wait_for

ROOT = Path(__file__).resolve().parents[3]
HOUR = timedelta(hours=1)


@pytest.fixture
def eager(example_site: Site) -> Site:
    """The example county without its brake: every alert is told by itself."""
    return example_site.model_copy(update={"pace": Pace(group_after=0, storm_after=0)})


def test_a_budget_is_never_exceeded_in_any_minute(tmp_path: Path, eager: Site) -> None:
    with telling(tmp_path, eager, ("a",), per_minute=8) as told:
        told.county.see(*[told.county.plate(f"冀A{n:05d}") for n in range(20)])
        sent = []
        for _ in range(40):
            told.later(10)
            sent.append(len(told.gateways["a"].got))
        assert sent[-1] == 20, "all of them arrive in the end"
        assert max(later - earlier for earlier, later in zip(sent, sent[6:], strict=False)) <= 8


def test_the_loudest_go_first_when_the_budget_is_short(tmp_path: Path, eager: Site) -> None:
    with telling(tmp_path, eager, ("a",), per_minute=4) as told:
        told.county.see(*[told.county.plate(f"冀A{n:05d}") for n in range(5)])
        told.settle()
        told.county.see(told.county.health(active=True))
        told.later(20)
        assert "设备异常" in told.gateways["a"].got[1].json()["text"]


def test_what_waits_for_a_budget_is_not_stuck(tmp_path: Path, eager: Site) -> None:
    with telling(tmp_path, eager, ("a",), per_minute=4) as told:
        told.county.see(*[told.county.plate(f"冀A{n:05d}") for n in range(12)])
        for _ in range(20):
            told.later(4)
            told.county.timers.run_once()
        assert len(told.gateways["a"].got) < 12, "some still wait"
        found = Auditor(told.county.engine, told.county.site, told.county.clock).run()
        assert [item.problem for item in found if "deliveries are overdue" in item.problem] == []


def test_a_pause_that_the_provider_asks_for_holds_for_all(tmp_path: Path, eager: Site) -> None:
    with telling(tmp_path, eager, ("a",)) as told:
        told.gateways["a"].answers = [Say(429, headers={"Retry-After": "120"})]
        told.county.see(told.county.plate("冀A00001"))
        told.settle()
        told.county.see(told.county.plate("冀A00002"))
        told.later(100)
        assert len(told.gateways["a"].got) == 1, "neither this message nor another"
        told.later(60)
        assert len(told.gateways["a"].got) == 3


@given(st.integers(1, 600), st.lists(st.floats(0, 120), max_size=20))
def test_a_bucket_never_holds_more_than_its_burst(per_minute: int, pauses: list[float]) -> None:
    budget = Budget.steady("p", per_minute)
    assert budget.burst + budget.per_minute <= max(2, per_minute)
    tokens = 0.0
    for pause in pauses:
        tokens = budget.filled(tokens, timedelta(seconds=pause))
        assert 0 <= tokens <= budget.burst
    assert budget.filled(1.0, timedelta(seconds=-60)) == min(1.0, budget.burst)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_two_dispatchers_share_one_bucket(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    is_sqlite = database == "sqlite"
    url = sqlite_url(tmp_path) if is_sqlite else request.getfixturevalue("postgres_url")
    engine, budget, now = open_engine(url), Budget("p", 60, 5), datetime(2026, 3, 2, tzinfo=UTC)
    upgrade(engine)

    def take(count: int, at: datetime) -> float:
        with writing(engine) as connection:
            left = look(connection, {budget}, at)[budget]
            if count:
                spend(connection, {budget: left - count}, at)
            return left

    assert [take(3, now), take(2, now)] == [5.0, 2.0]
    assert take(0, now + timedelta(seconds=2)) == 2.0
    with writing(engine) as connection:
        pause_provider(connection, budget, now + timedelta(seconds=60))
    assert take(0, now + timedelta(seconds=59)) == 0.0
    assert take(0, now + timedelta(seconds=63)) == 3.0
    engine.dispose()


def test_a_clock_that_is_set_back_silences_no_provider(tmp_path: Path) -> None:
    """A machine that took its local time for UTC was eight hours ahead until it was corrected."""
    engine, budget = open_engine(sqlite_url(tmp_path)), Budget("p", 60, 5)
    upgrade(engine)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    with writing(engine) as connection:
        full = look(connection, {budget}, now + 8 * HOUR)[budget]
        spend(connection, {budget: full - 4.5}, now + 8 * HOUR)

    def holds(at: datetime) -> float:
        with writing(engine) as connection:
            return look(connection, {budget}, at)[budget]

    assert holds(now) == 0.5, "nothing is added"
    assert holds(now + timedelta(seconds=2)) == 2.5, "and it fills from there on"
    with writing(engine) as connection:
        pause_provider(connection, budget, now + HOUR)
    assert holds(now + timedelta(minutes=59)) == 0.0, "a pause that was asked for is kept"
    with writing(engine) as connection:
        pause_provider(connection, budget, now + 8 * HOUR)
    holds(now)
    assert holds(now + timedelta(seconds=2)) == 2.0, "no provider asks for so long a one"
    engine.dispose()


def hooks(site: Site, **urls: str) -> Site:
    """The county with webhooks at these addresses."""
    return site.model_copy(
        update={"webhooks": tuple(Webhook(id=name, url=url) for name, url in urls.items())}
    )


def test_a_provider_that_hangs_holds_up_nobody_else(tmp_path: Path, eager: Site) -> None:
    with (
        provider_at() as slow,
        provider_at() as quick,
        county_at(sqlite_url(tmp_path), hooks(eager, slow=slow.url, quick=quick.url)) as county,
    ):
        slow.always = Say(hang_s=60)
        keys = {"slow": SecretStr("k"), "quick": SecretStr("k")}
        channel = WebhookChannel(county.site, keys, county.clock)
        dispatcher = Dispatcher(
            county.engine, county.site, county.clock, channel=channel, base_url="https://m.example"
        )
        county.see(county.plate("冀A00001"))
        dispatcher.turn()
        assert wait_for(lambda: len(quick.got) == 1)
        county.see(county.plate("冀A00002"))
        assert wait_for(lambda: dispatcher.turn() > 0)
        assert wait_for(lambda: len(quick.got) == 2), "while the slow one still hangs"
        slow.over.set()
        dispatcher.close()


def test_kill_9_between_sent_and_written_repeats_under_the_same_key(
    tmp_path: Path, eager: Site
) -> None:
    with (
        provider_at() as provider,
        county_at(sqlite_url(tmp_path), hooks(eager, desk=provider.url)) as county,
    ):
        county.see(county.plate())
        dead = _killed_as_soon_as_heard(tmp_path, provider)
        assert dead == -signal.SIGKILL
        sent = schema.deliveries.c
        with county.engine.connect() as connection:
            state = select(sent.state).where(sent.channel == "webhook")
            assert connection.execute(state).scalar_one() == "sending", "nothing was written"
        county.clock.advance(121)
        channel = WebhookChannel(county.site, {"desk": SecretStr("k")}, county.clock)
        second = Dispatcher(
            county.engine, county.site, county.clock, channel=channel, base_url="https://m.example"
        )
        assert second.run_once() == 1
        assert second.run_once() == 0
        second.close()
        first_key, second_key = (got.headers["idempotency-key"] for got in provider.got)
        assert first_key == second_key, "the receiver can tell that it is the same"


def _killed_as_soon_as_heard(folder: Path, provider: Provider) -> int:
    """Run a dispatcher of its own process; returns how it ended."""
    command = [sys.executable, "-m", "tests.alerts.dispatcher_actor", str(folder), provider.url]
    process = subprocess.Popen(command, cwd=ROOT)

    def kill(_: Got) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        provider.taken = lambda _: None

    provider.taken = kill
    return process.wait(timeout=60)
