"""Budgets of providers, Web Push, quiet hours, and how far the chain of channels has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables and the columns of deliveries."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "channel_budgets",
        sa.Column("provider", sa.String(63), primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False, comment="messages that may be sent at once"),
        sa.Column("filled_at", moment, nullable=False, comment="when tokens was true"),
        comment="What each provider still takes: a token bucket that all dispatchers share.",
    )
    op.create_table(
        "push_subscriptions",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("person", sa.String(63), nullable=False),
        sa.Column("endpoint", sa.String(1000), nullable=False, unique=True),
        sa.Column(
            "p256dh", sa.String(100), nullable=False, comment="the browser's public key, base64url"
        ),
        sa.Column("auth", sa.String(32), nullable=False, comment="shared secret, base64url"),
        sa.Column("device", sa.Text, nullable=False, comment="what the browser calls itself"),
        sa.Column("made_at", moment, nullable=False),
        comment="Browsers that take Web Push for a person (RFC 8030, RFC 8291).",
    )
    op.create_index("push_subscriptions_by_person", "push_subscriptions", ["person"])
    op.create_table(
        "quiet_hours",
        sa.Column("person", sa.String(63), primary_key=True),
        sa.Column("starts", sa.String(5), nullable=False, comment="local time HH:MM"),
        sa.Column(
            "ends", sa.String(5), nullable=False, comment="at or before starts: past midnight"
        ),
        sa.Column("set_at", moment, nullable=False),
        comment="When a person wants no ringing for alerts of low severity.",
    )
    op.add_column(
        "deliveries",
        sa.Column("fall_over_at", moment, comment="when the next channel's turn comes, if any"),
    )
    op.add_column(
        "deliveries", sa.Column("provider_ref", sa.String(200), comment="the provider's own id")
    )
    op.create_index("deliveries_by_fall_over", "deliveries", ["fall_over_at"])
    op.create_index("deliveries_by_provider_ref", "deliveries", ["provider_ref"])


def downgrade() -> None:
    """Drop them again."""
    op.drop_index("deliveries_by_provider_ref", "deliveries")
    op.drop_index("deliveries_by_fall_over", "deliveries")
    with op.batch_alter_table("deliveries") as batch:
        batch.drop_column("provider_ref")
        batch.drop_column("fall_over_at")
    for name in ("quiet_hours", "push_subscriptions", "channel_budgets"):
        op.drop_table(name)
