"""The storm benchmark counts what was lost, held back for ever, or in no digest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from alerts.store import schema
from alerts.store.quiet_schema import digests
from config.pace_site import Pace
from ingest.engine import open_engine, writing
from ingest.migrate import upgrade
from tests.bench.alerts_site import full_site
from tests.bench.alerts_world import World
from tests.bench.storm import StormBooks, count, stormy_event, stricken


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    address = f"sqlite:///{tmp_path / 'centre.db'}"
    engine = open_engine(address)
    upgrade(engine)
    site = full_site().model_copy(update={"pace": Pace(storm_after=2)})
    made = World(engine, address, site, make=partial(stormy_event, stricken(site)[:1]))
    made.feed(20)
    while made.router.run_once():
        pass
    yield made
    made.reach.run_once()
    engine.dispose()


def books(world: World) -> StormBooks:
    return count(world.engine, set(world.committed))


def test_held_notices_are_counted_as_waiting(world: World) -> None:
    found = books(world)
    assert found.waiting > 0
    assert (found.lost, found.unaccounted, found.digests) == (0, 0, 0)


def test_an_alert_that_nobody_is_told_of_is_lost(world: World) -> None:
    with writing(world.engine) as connection:
        one = select(schema.deliveries.c.alert_id).limit(1).scalar_subquery()
        connection.execute(delete(schema.deliveries).where(schema.deliveries.c.alert_id == one))
    assert books(world).lost == 1


def test_a_digested_notice_of_which_no_digest_knows_is_unaccounted_for(world: World) -> None:
    with writing(world.engine) as connection:
        held = schema.deliveries.c.state == "held"
        connection.execute(update(schema.deliveries).where(held).values(state="digested"))
        connection.execute(update(digests).values(sent_at=world.clock.now(), count=0))
    assert books(world).unaccounted > 0
