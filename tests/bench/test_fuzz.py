"""Hostile messages and uploads in small: no crash, no 5xx, on both databases."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.bench.fuzz import Curve, Result, run, run_over_wire


# Each refused event costs PostgreSQL a commit of its own, so it gets fewer.
@pytest.mark.parametrize(("database", "messages"), [("sqlite", 1_000), ("postgresql", 200)])
def test_no_crash_and_no_5xx(
    database: str, messages: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    is_sqlite = database == "sqlite"
    url = f"sqlite:///{tmp_path / 'c.db'}" if is_sqlite else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    upgrade(engine)
    result = run(engine, tmp_path / "media", messages, 100, random.Random(7))
    engine.dispose()
    assert (result.messages, result.crashes, result.errors_5xx) == (messages, 0, 0)
    assert result.letters is not None
    assert result.letters.kept > messages / 3
    assert {200, 401, 415, 422} & set(result.statuses)
    assert len(result.while_messages.points) > 3


def test_no_crash_and_no_5xx_over_broker_http_and_s3(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'c.db'}")
    upgrade(engine)
    result = Result()
    run_over_wire(engine, 600, 150, random.Random(7), result)
    engine.dispose()
    assert (result.messages, result.crashes, result.errors_5xx) == (600, 0, 0)
    assert result.wire_messages > 400
    assert result.letters is not None
    assert result.letters.kept > 100
    assert {201, 401, 415, 422} & set(result.wire_statuses)


def test_the_curve_compares_its_last_quarter_with_its_second() -> None:
    curve = Curve(
        total=40, points=[(n, mb) for n, mb in enumerate([50.0, 99, 60, 61, 62, 63, 64, 65])]
    )
    assert curve.growth_mb() == 4.0
