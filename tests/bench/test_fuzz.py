"""Hostile messages and uploads in small: no crash, no 5xx, on both databases."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.bench.fuzz import run


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
    assert result.letters > messages / 3
    assert result.statuses is not None
    assert {200, 401, 415, 422} & set(result.statuses)
