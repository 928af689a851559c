"""The tables of channels: made by the migration as the code describes them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from alerts.channels import schema as channels
from alerts.store import schema
from tests.schema_drift import drift_after_upgrade

TABLES = {
    table.name
    for table in (
        channels.channel_budgets,
        channels.push_subscriptions,
        channels.quiet_hours,
        schema.deliveries,
    )
}


@pytest.mark.parametrize("earlier", ["0002", "0006", "0008"])
def test_every_earlier_version_gets_the_tables_that_the_code_describes(
    bare_engine: Engine, earlier: str
) -> None:
    assert drift_after_upgrade(bare_engine, earlier, TABLES) == []
