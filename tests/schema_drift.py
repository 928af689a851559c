"""What a migrated database has otherwise than the code describes it."""

from __future__ import annotations

from collections.abc import Collection

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from ingest.engine import reading
from ingest.migrate import upgrade
from ingest.schema import metadata


def drift_after_upgrade(engine: Engine, earlier: str, tables: Collection[str]) -> list[str]:
    """Differences that name one of ``tables``, after an upgrade from version ``earlier``."""
    upgrade(engine, earlier)
    upgrade(engine)
    with reading(engine) as connection:
        assert set(inspect(connection).get_table_names()) >= set(tables)
        found = map(str, compare_metadata(MigrationContext.configure(connection), metadata))
        return [text for text in found if any(f"'{name}'" in text for name in tables)]
