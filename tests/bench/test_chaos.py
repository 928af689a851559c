"""Chaos in small: a schedule that repeats itself, and about twenty kills on each database."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from typer.testing import CliRunner

from alerts.deciding.router import Router
from alerts.store import schema
from alerts.store.applying import AlertStore
from config.clock import FakeClock, SystemClock
from config.ids import uuid7
from config.site import parse_site
from edge.simulator.node_events import make_event
from ingest.configs import ConfigStore
from ingest.engine import writing
from ingest.store import EventStore
from tests.bench.alerts_gateway import Arrivals
from tests.bench.chaos_configs import RollOuts, line_of
from tests.bench.chaos_notices import PageWatch, notices
from tests.bench.chaos_plan import FAULTS, KILLS, ROLL_OUT, schedule
from tests.bench.chaos_site import site_text
from tests.bench.cli import app
from tests.events import batch_of


@given(seed=st.integers(0, 2**32), kills=st.integers(1, 300), is_sqlite=st.booleans())
def test_the_schedule_repeats_and_kills_as_often_as_asked(
    seed: int, kills: int, is_sqlite: bool
) -> None:
    def plan() -> list[object]:
        return list(schedule(kills, seed=seed, pause_s=0.5, is_sqlite=is_sqlite, is_long=False))

    steps = schedule(kills, seed=seed, pause_s=0.5, is_sqlite=is_sqlite, is_long=False)
    assert list(steps) == plan()
    assert sum(step.is_kill for step in steps) == kills
    assert {step.action for step in steps} <= {*KILLS, *FAULTS, ROLL_OUT}
    assert not (is_sqlite and any(step.action == "database" for step in steps))
    assert all(0 <= step.pause_s <= 2.0 for step in steps)
    assert all(step.lasts_s == 0 for step in steps if step.is_kill)


def test_now_and_then_the_network_is_away_for_minutes_cut_or_silent() -> None:
    steps = schedule(1000, seed=1, pause_s=0.2, is_sqlite=False, is_long=True)
    long = [step for step in steps if step.lasts_s > 60]
    assert [step.action for step in long] == ["cut", "silent"] * 4
    assert all(step.strength == 1.0 for step in long)


def test_its_site_is_valid() -> None:
    site = parse_site(site_text(3, "http://127.0.0.1:1/send"), where="chaos")
    assert len(site.cameras) == 12


def test_half_a_configuration_and_one_that_was_not_reported_are_found(engine: Engine) -> None:
    site = parse_site(site_text(1, "http://127.0.0.1:1/send"), where="chaos")
    outs = RollOuts(site, engine, "mqtt://127.0.0.1:1")
    assert outs.want(0.5)
    assert outs.want(0.5)
    store = ConfigStore(engine, SystemClock())
    (newest,) = store.wanted()
    assert not outs.is_settled()
    outs.heard(line_of(newest.node, newest))
    assert outs.wrong == []
    assert "has not said" in outs.verdict()[0]
    fewer = newest.model_copy(update={"cameras": newest.cameras[1:]})
    mixed = (newest.cameras[0].model_copy(update={"name": "roll-out 0"}), *newest.cameras[1:])
    for bad in (fewer, newest.model_copy(update={"cameras": mixed})):
        outs.heard(line_of(newest.node, bad))
    assert len(outs.wrong) == 2


def test_a_notice_twice_or_never_and_a_gap_on_the_pages_are_found(
    engine: Engine, clock: FakeClock
) -> None:
    site = parse_site(site_text(1, "http://127.0.0.1:1/send"), where="chaos")
    node, camera, chance = "node-0001", "node-0001-cam-01", random.Random(1)
    seen = (make_event(chance, node=node, camera=camera, now=clock.now()) for _ in range(9_999))
    event = next(one for one in seen if one.plate is not None and one.plate.text[1] in "ABC")
    batch = batch_of([(1, event)], epoch=uuid7(clock.now()), node=node)
    EventStore(engine, clock).insert(batch)
    Router(engine, site, clock, store=AlertStore(engine, site, clock)).run_once()
    with writing(engine) as connection:
        told = connection.execute(select(schema.deliveries)).mappings().first()
        assert told is not None
        for number in (1, 2):
            again = {"id": f"notice-{number}", "idempotency_key": f"key-{number}"}
            change = {"channel": "gateway", "next_attempt_at": None, **again}
            connection.execute(schema.deliveries.insert().values({**told, **change}))
    _, wrong = notices(engine, Arrivals("", {"notice-1": [1.0], "unknown": [2.0]}))
    assert sorted(line.split(":")[0] for line in wrong) == [
        "a notice that nobody got",
        "a notice that nobody ordered",
        "told twice",
    ]
    pages = PageWatch(engine, site)
    with writing(engine) as connection:
        connection.execute(schema.stream.update().values(position=schema.stream.c.position + 1))
    pages.start()
    pages.stop()
    pages.read()
    assert pages.wrong


@pytest.mark.parametrize(("database", "kills"), [("sqlite", 8), ("postgresql", 12)])
def test_nothing_is_lost_and_nothing_comes_twice(database: str, kills: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["chaos", "--kills", str(kills), "--pause", "0.3", "--database", database]
    words += ["--settle-s", "5"]
    result = CliRunner().invoke(
        app, [*words, "--log", str(log), "--seed", "20", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert told["committed"] == told["stored"] > 0
    good = {"lost": 0, "duplicates": 0, "kills": kills, "wrong": 0}
    assert {key: told[key] for key in good} == good
    assert told["roll_outs"] > 0
    assert told["configs_applied"] > 0, "even what they were installed with is told"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["action"] in KILLS and line["done"] for line in lines) == kills
    assert lines[-1]["receipts_wrong"] == 0
