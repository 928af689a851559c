"""Runs migrations on the connection that ingest.migrate hands over."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite can roll DDL back too, because our engine begins the transaction itself.
    transactional_ddl=True,
)
context.run_migrations()
