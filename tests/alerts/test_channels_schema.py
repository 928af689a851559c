"""The tables of channels: made by the migration as the code describes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from alerts import schema
from alerts.channels import schema as channels
from ingest.engine import open_engine, reading
from ingest.migrate import upgrade
from ingest.schema import metadata
from tests.alerts.county import sqlite_url

TABLES = {
    table.name
    for table in (
        channels.channel_budgets,
        channels.push_subscriptions,
        channels.quiet_hours,
        schema.deliveries,
    )
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("earlier", ["0002", "0006", "0008"])
def test_every_earlier_version_gets_the_tables_that_the_code_describes(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, earlier: str
) -> None:
    is_sqlite = database == "sqlite"
    url = sqlite_url(tmp_path) if is_sqlite else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    upgrade(engine, earlier)
    upgrade(engine)
    with reading(engine) as connection:
        assert set(inspect(connection).get_table_names()) >= TABLES
        found = map(str, compare_metadata(MigrationContext.configure(connection), metadata))
        wrong = [text for text in found if any(f"'{name}'" in text for name in TABLES)]
    engine.dispose()
    assert wrong == []
