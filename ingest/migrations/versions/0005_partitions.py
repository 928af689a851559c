"""Events that lie in PostgreSQL's default partition move into partitions by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = "routing_queue_event_id_fkey"


def upgrade() -> None:
    """Give each day with events a partition; SQLite has none and stays as it is."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    # The key would follow the events out of their old place and empty the queue.
    op.drop_constraint(_KEY, "routing_queue", type_="foreignkey")
    op.execute("ALTER TABLE events DETACH PARTITION events_default")
    op.execute("ALTER TABLE events_default RENAME TO events_before")
    # Indexes keep their names when a table is renamed; the new default needs names of its own.
    op.execute("CREATE TABLE events_default (LIKE events)")
    op.execute("ALTER TABLE events ATTACH PARTITION events_default DEFAULT")
    prefixes = connection.execute(
        sa.text("SELECT DISTINCT substr(id, 1, 13) FROM events_before WHERE id ~ '^[0-9a-f]{8}-'")
    ).scalars()
    for day in sorted({_day(prefix) for prefix in prefixes}):
        op.execute(
            f"CREATE TABLE events_{day:%Y%m%d} PARTITION OF events"
            f" FOR VALUES FROM ('{_bound(day)}') TO ('{_bound(day + timedelta(days=1))}')"
        )
    op.execute("INSERT INTO events SELECT * FROM events_before")
    op.execute("DROP TABLE events_before")
    op.create_foreign_key(_KEY, "routing_queue", "events", ["event_id"], ["id"], ondelete="CASCADE")


def _day(prefix: str) -> datetime:
    moment = datetime.fromtimestamp(int(prefix.replace("-", ""), 16) / 1000, UTC)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _bound(day: datetime) -> str:
    milliseconds = int(day.timestamp() * 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}"


def downgrade() -> None:
    """Nothing: partitions by day hold the same rows under the same name."""
