"""Tables of duty and homes: made by the migration as described; the audit log is append-only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from alerts import choices_schema, schema
from alerts.audit import AuditLog
from config.clock import FakeClock
from ingest.engine import open_engine, reading, writing
from ingest.migrate import upgrade
from ingest.schema import metadata
from tests.alerts.county import sqlite_url

TABLES = {
    table.name
    for table in (
        choices_schema.absences,
        choices_schema.calendar_links,
        choices_schema.home_consents,
        choices_schema.home_neighbours,
        choices_schema.owner_calls,
        choices_schema.answers_used,
        choices_schema.arming,
        schema.audit,
    )
}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    is_sqlite = request.param == "sqlite"
    engine = open_engine(
        sqlite_url(tmp_path) if is_sqlite else request.getfixturevalue("postgres_url")
    )
    yield engine
    engine.dispose()


@pytest.mark.parametrize("earlier", ["0002", "0004", "0006"])
def test_every_earlier_version_gets_the_tables_that_the_code_describes(
    empty: Engine, earlier: str
) -> None:
    upgrade(empty, earlier)
    upgrade(empty)
    with reading(empty) as connection:
        found = map(str, compare_metadata(MigrationContext.configure(connection), metadata))
        wrong = [
            difference
            for difference in found
            if "comment'" not in difference.split(",")[0]
            and any(f"'{name}'" in difference for name in TABLES)
        ]
    assert wrong == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_no_client_changes_a_row_of_the_audit_log(empty: Engine, statement: str) -> None:
    upgrade(empty)
    log = AuditLog(empty, FakeClock())
    log.append(actor="wang-fang", action="looked", object="alert 1")
    with pytest.raises(DBAPIError, match="append-only"), writing(empty) as connection:
        connection.execute(text(statement))
    assert log.verify() is None
    assert log.head().rows == 1
