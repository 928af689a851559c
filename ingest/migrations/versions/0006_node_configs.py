"""What each node shall run, and what it reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "node_configs",
        sa.Column("node", sa.String(63), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="of what is wanted"),
        sa.Column("body", sa.Text, nullable=False, comment="config.desired.DesiredConfig as JSON"),
        sa.Column("issued_at", moment, nullable=False),
        sa.Column("running", sa.BigInteger, comment="revision the node says it runs"),
        sa.Column("state", sa.String(16), comment="trying, applied, refused or rolled_back"),
        sa.Column("problem", sa.Text, nullable=False, comment="why it was not applied, or empty"),
        sa.Column("reported_at", moment),
        comment="What each node shall run, and what it last said that it runs.",
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("node_configs")
