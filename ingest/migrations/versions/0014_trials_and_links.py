"""Found cameras that are being tried, and which web process holds the live link of a node."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Create both; they hold only what is going on now."""
    op.create_table(
        "camera_trials",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("node", sa.String(63), nullable=False),
        _moment("asked_at"),
        sa.Column("asked_by", sa.String(63), nullable=False),
        _moment("reported_at", nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("picture", sa.LargeBinary),
    )
    op.create_table(
        "live_links",
        sa.Column("node", sa.String(63), primary_key=True, comment="the edge node"),
        sa.Column("link", sa.String(36), nullable=False, comment="one connection of the node"),
        sa.Column("address", sa.String(300), nullable=False, comment="of the process that has it"),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when that process last said so",
        ),
        comment="Which web process holds the live link of each node.",
    )


def downgrade() -> None:
    """Forget both."""
    op.drop_table("live_links")
    op.drop_table("camera_trials")
