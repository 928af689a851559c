"""The stream's versions: rows of an earlier release get theirs, and each change is found by it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, select, text

from alerts.store import schema
from config.clock import FakeClock
from config.site import Site
from ingest.engine import reading, writing
from ingest.migrate import upgrade
from tests.alerts.county import DAY, County
from tests.schema_drift import drift_after_upgrade


def test_changes_of_an_earlier_release_get_the_version_that_they_hold(
    bare_engine: Engine, example_site: Site
) -> None:
    upgrade(bare_engine)
    county = County(bare_engine, example_site, FakeClock(DAY))
    (alert,) = county.see(county.plate())
    county.clock.advance(timedelta(minutes=1).total_seconds())
    county.service.acknowledge(county.viewer("wang-fang"), alert.id, version=None)
    with writing(bare_engine) as connection:  # as a centre of version 0016 has left it
        connection.execute(text("DROP INDEX stream_by_alert"))
        connection.execute(text("ALTER TABLE stream DROP COLUMN version"))
        connection.execute(text("CREATE INDEX stream_by_alert ON stream (alert_id)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0016'"))
    upgrade(bare_engine)
    stream = schema.stream.c
    with reading(bare_engine) as connection:
        found = connection.execute(select(stream.version).order_by(stream.position)).scalars()
        assert list(found) == [1, 2]


def test_every_earlier_version_gets_the_stream_that_the_code_describes(bare_engine: Engine) -> None:
    assert drift_after_upgrade(bare_engine, "0002", {schema.stream.name}) == []
