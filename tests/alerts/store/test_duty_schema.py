"""Tables of duty and homes: made by the migration as described; the audit log is append-only."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from alerts.auditing.audit import AuditLog
from alerts.rosters.schema import duty_notes, duty_overrides
from alerts.store import choices_schema, schema
from config.clock import FakeClock
from ingest.engine import writing
from ingest.migrate import upgrade
from tests.schema_drift import drift_after_upgrade

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
        duty_overrides,
        duty_notes,
    )
}


@pytest.mark.parametrize("earlier", ["0002", "0004", "0006", "0015"])
def test_every_earlier_version_gets_the_tables_that_the_code_describes(
    bare_engine: Engine, earlier: str
) -> None:
    wrong = drift_after_upgrade(bare_engine, earlier, TABLES)
    assert [text for text in wrong if "comment'" not in text.split(",")[0]] == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_no_client_changes_a_row_of_the_audit_log(bare_engine: Engine, statement: str) -> None:
    upgrade(bare_engine)
    log = AuditLog(bare_engine, FakeClock())
    log.append(actor="wang-fang", action="looked", object="alert 1")
    with pytest.raises(DBAPIError, match="append-only"), writing(bare_engine) as connection:
        connection.execute(text(statement))
    assert log.verify() is None
    assert log.head().rows == 1
