"""Several workers share the due timers, and what one of them cannot finish stays due."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from alerts.auditing.audit import AuditLog
from alerts.store import schema
from alerts.store import work as work_module
from alerts.store.counting import Counted, move_counters
from alerts.timers import Timers, claim
from config.site import Site
from ingest.engine import writing
from tests.alerts.county import County, county_at
from tests.events import wait_until

ROOT = Path(__file__).resolve().parents[3]
HALF_FIRED = """
import sys, time
from datetime import datetime
from pathlib import Path
from alerts.store.applying import AlertStore
from alerts.store.work import Work
from alerts.timers import Timers
from config.clock import FakeClock
from config.site import load_site
from ingest.engine import open_engine

def hang(work, flush=Work.flush):
    flush(work)
    print("written, not committed", flush=True)
    time.sleep(600)

Work.flush = hang
engine, clock = open_engine(sys.argv[1]), FakeClock(datetime.fromisoformat(sys.argv[2]))
site = load_site(Path("config/example_county.toml"))
Timers(engine, clock, store=AlertStore(engine, site, clock)).run_once()
"""


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    """Three alerts, whose first timers are due, one a second after the other."""
    with county_at(database_url, example_site) as made:
        for number in range(3):
            made.see(made.plate(f"冀A0000{number}"))
            made.clock.advance(1)
        made.clock.advance(301)
        yield made


def steps(county: County) -> list[int]:
    """The rung of each alert, oldest first."""
    with county.engine.connect() as connection:
        rows = connection.execute(
            select(schema.alerts.c.step).order_by(schema.alerts.c.opened_at)
        ).scalars()
        return list(rows)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nobody_waits_for_what_another_worker_is_firing(county: County) -> None:
    with writing(county.engine) as connection:
        first = claim(connection, county.clock.now())
        with writing(county.engine) as other:
            second = claim(other, county.clock.now())
        assert first is not None
        assert second is not None
        assert county.timers.run_once() == 2, "all but the one that is claimed"
        assert steps(county) == [0, 1, 1]
    # Its worker rolled back, or ended without a word: the claim has ended with it.
    assert county.timers.run_once() == 1
    assert steps(county) == [1, 1, 1]


def test_a_worker_killed_while_it_fires_loses_no_timer(county: County) -> None:
    address = county.engine.url.render_as_string(hide_password=False)
    now = county.clock.now().isoformat()
    with subprocess.Popen(
        [sys.executable, "-c", HALF_FIRED, address, now],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as worker:
        assert worker.stdout is not None
        try:
            assert worker.stdout.readline().strip() == "written, not committed"
        finally:
            worker.kill()
    fired: list[int] = []

    def are_all_fired() -> bool:
        fired.append(county.timers.run_once())
        return sum(fired) == 3

    # PostgreSQL hears of the death a moment later.
    wait_until(are_all_fired, what="the timers of the dead")
    assert steps(county) == [1, 1, 1]
    assert county.timers.run_once() == 0, "each once"
    assert AuditLog(county.engine, county.clock).verify() is None


def test_a_timer_that_cannot_be_fired_holds_up_no_other(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError("the disk is full")])

    def broken(connection: Connection, to: Counted) -> None:
        for failure in failures:
            raise failure
        move_counters(connection, to)

    monkeypatch.setattr(work_module, "move_counters", broken)
    assert county.timers.run_once() == 2
    assert steps(county) == [0, 1, 1]
    assert county.timers.run_once() == 1, "it stayed due"
    assert steps(county) == [1, 1, 1]


def test_the_oldest_goes_first_and_an_answered_one_not_at_all(county: County) -> None:
    with county.engine.connect() as connection:
        due = connection.execute(
            select(schema.timers.c.alert_id, schema.timers.c.due_at).order_by(
                schema.timers.c.due_at
            )
        ).all()
    county.service.acknowledge(county.viewer("wang-fang"), due[0].alert_id, version=None)
    with writing(county.engine) as connection:
        mine = claim(connection, county.clock.now())
        passed = claim(connection, county.clock.now(), [due[1].alert_id])
        early = claim(connection, due[1].due_at - timedelta(seconds=1))
    assert mine is not None
    assert mine.alert_id == due[1].alert_id
    assert passed is not None
    assert passed.alert_id == due[2].alert_id
    assert early is None
    others = [Timers(county.engine, county.clock, store=county.store) for _ in range(2)]
    assert [worker.run_once() for worker in others] == [2, 0]
