"""The alerts benchmark: its county, its counting, and a short real run on both databases."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from typer.testing import CliRunner

from alerts.store import schema
from config.site import Role
from ingest.engine import open_engine, writing
from ingest.migrate import upgrade
from tests.bench.alerts import count, latencies
from tests.bench.alerts_site import full_site
from tests.bench.alerts_world import World
from tests.bench.cli import app

KEYS = {"alerts_per_s", "p50_ms", "p99_ms", "lost", "repeated"}


def test_the_county_has_its_full_size() -> None:
    site = full_site()
    assert (len(site.people), len(site.grids), len(site.cameras)) == (1200, 359, 2403)
    roles = Counter(person.role for person in site.people)
    assert roles[Role.GRID_HEAD] == 359
    assert roles[Role.GRID_WORKER] == 718
    assert {roster.grid for roster in site.rosters} == {grid.id for grid in site.grids}


def test_what_was_lost_and_what_came_twice_is_counted_from_the_tables(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'centre.db'}"
    engine = open_engine(address)
    upgrade(engine)
    world = World(engine, address, full_site())
    world.feed(5)
    assert count(engine, set(world.committed)).lost == 5, "nothing was decided yet"
    assert world.router.run_once() == 5
    assert world.reach.run_once() == 0, "handed over with the decision"
    books = count(engine, set(world.committed))
    assert (books.lost, books.repeated) == (0, 0)
    assert len(latencies(world)) == 5
    sent = schema.deliveries
    first, second, *_ = alert_ids(world)
    with writing(engine) as connection:
        connection.execute(delete(sent).where(sent.c.alert_id == first))
        more = update(sent).where(sent.c.alert_id == second).values(attempts=3)
        twice = connection.execute(more).rowcount
        twins = update(schema.alerts).where(schema.alerts.c.id.in_((first, second)))
        connection.execute(twins.values(dedup_key="the same"))
    books = count(engine, set(world.committed))
    assert books.lost == 1
    assert books.repeated == 2 * twice + 1, "two attempts more per notice, one alert more"
    engine.dispose()


def alert_ids(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(schema.alerts.select()).scalars())


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_short_run_loses_and_repeats_nothing(database: str) -> None:
    words = ["alerts", "--database", database, "--rate", "20", "--seconds", "1"]
    words += ["--backlog", "60", "--kills", "1", "--json"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert set(told) == KEYS
    assert (told["lost"], told["repeated"]) == (0, 0)
    assert told["alerts_per_s"] > 0
    assert 0 < told["p50_ms"] <= told["p99_ms"]
