"""The tables of silences, wartime and digests: made by the migration as the code describes them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from alerts.store import quiet_schema, schema
from tests.schema_drift import drift_after_upgrade

TABLES = {
    table.name
    for table in (
        quiet_schema.silences,
        quiet_schema.wartime_orders,
        quiet_schema.digests,
        quiet_schema.notice_pace,
        schema.deliveries,
        schema.alerts,
    )
}


@pytest.mark.parametrize("earlier", ["0002", "0006", "0015"])
def test_every_earlier_version_gets_the_tables_that_the_code_describes(
    bare_engine: Engine, earlier: str
) -> None:
    assert drift_after_upgrade(bare_engine, earlier, TABLES) == []
