"""Each change of an alert in the stream names its version, so that one is found by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_COMMENT = "of the alert, as this change left it"
_VERSION = {
    "sqlite": "CAST(json_extract(body, '$.version') AS INTEGER)",
    "postgresql": "CAST(CAST(body AS json) ->> 'version' AS INTEGER)",
}


def upgrade() -> None:
    """Older rows take their version out of their body."""
    column = sa.Column("version", sa.Integer, nullable=False, server_default="0", comment=_COMMENT)
    op.add_column("stream", column)
    # The expression is one of the two above; a body without one, which we never wrote, keeps 0.
    version = f"COALESCE({_VERSION[op.get_bind().dialect.name]}, 0)"
    op.execute(f"UPDATE stream SET version = {version}")  # noqa: S608
    op.drop_index("stream_by_alert", "stream")
    op.create_index("stream_by_alert", "stream", ["alert_id", "version"])


def downgrade() -> None:
    """The index as version 0002 made it."""
    op.drop_index("stream_by_alert", "stream")
    op.create_index("stream_by_alert", "stream", ["alert_id"])
    op.drop_column("stream", "version")
