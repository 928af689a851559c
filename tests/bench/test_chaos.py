"""Chaos in small: a schedule that repeats itself, and about twenty kills on each database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.site import parse_site
from tests.bench.chaos_plan import FAULTS, KILLS, schedule
from tests.bench.chaos_site import site_text
from tests.bench.cli import app


@given(seed=st.integers(0, 2**32), kills=st.integers(1, 300), is_sqlite=st.booleans())
def test_the_schedule_repeats_and_kills_as_often_as_asked(
    seed: int, kills: int, is_sqlite: bool
) -> None:
    def plan() -> list[object]:
        return list(schedule(kills, seed=seed, pause_s=0.5, is_sqlite=is_sqlite, is_long=False))

    steps = schedule(kills, seed=seed, pause_s=0.5, is_sqlite=is_sqlite, is_long=False)
    assert list(steps) == plan()
    assert sum(step.is_kill for step in steps) == kills
    assert {step.action for step in steps} <= set(KILLS) | set(FAULTS)
    assert not (is_sqlite and any(step.action == "database" for step in steps))
    assert all(0 <= step.pause_s <= 2.0 for step in steps)
    assert all(step.lasts_s == 0 for step in steps if step.is_kill)


def test_now_and_then_the_network_is_away_for_minutes_cut_or_silent() -> None:
    steps = schedule(1000, seed=1, pause_s=0.2, is_sqlite=False, is_long=True)
    long = [step for step in steps if step.lasts_s > 60]
    assert [step.action for step in long] == ["cut", "silent"] * 4
    assert all(step.strength == 1.0 for step in long)


def test_its_site_is_valid() -> None:
    site = parse_site(site_text(3), where="chaos")
    assert len(site.cameras) == 12


@pytest.mark.parametrize(("database", "kills"), [("sqlite", 8), ("postgresql", 12)])
def test_nothing_is_lost_and_nothing_comes_twice(database: str, kills: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["chaos", "--kills", str(kills), "--pause", "0.3", "--database", database]
    result = CliRunner().invoke(
        app, [*words, "--log", str(log), "--seed", "5", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert told == {
        "committed": told["stored"],
        "stored": told["stored"],
        "lost": 0,
        "duplicates": 0,
        "kills": kills,
    }
    assert told["stored"] > 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["action"] in KILLS and line["done"] for line in lines) == kills
    assert lines[-1]["receipts_wrong"] == 0
