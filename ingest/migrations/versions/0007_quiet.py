"""Silences, wartime orders, digests, and which delivery went into which digest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, the column of deliveries, and the index from an alert to its parent."""
    _create_silences()
    _create_wartime()
    _create_digests()
    op.add_column("deliveries", sa.Column("digest_id", _id(), comment="told as part of it"))
    op.create_index("deliveries_by_digest", "deliveries", ["digest_id"])
    op.create_index("alerts_by_parent", "alerts", ["parent"])


def downgrade() -> None:
    """Drop them again."""
    op.drop_index("alerts_by_parent", "alerts")
    op.drop_index("deliveries_by_digest", "deliveries")
    with op.batch_alter_table("deliveries") as batch:
        batch.drop_column("digest_id")
    for name in ("notice_pace", "digests", "wartime_orders", "silences"):
        op.drop_table(name)


def _create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("owner", sa.String(63), nullable=False, comment="who answers for it"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("matchers", sa.Text, nullable=False, comment="JSON of alerts.silences.Matchers"),
        sa.Column("starts_at", _moment(), nullable=False),
        sa.Column("ends_at", _moment(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("ended_at", _moment(), comment="before its time, by hand"),
        sa.Column("ended_by", sa.String(63)),
        sa.Column("closed_at", _moment(), comment="when its end was written to the audit log"),
        comment="What shall not be told for a while, who wants it so, and why.",
    )
    op.create_index("silences_by_end", "silences", ["closed_at", "ends_at"])


def _create_wartime() -> None:
    op.create_table(
        "wartime_orders",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("townships", sa.Text, nullable=False, comment="JSON list; empty: whole county"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(63), nullable=False),
        sa.Column("asked_at", _moment(), nullable=False),
        sa.Column("confirmed_by", sa.String(63), comment="somebody else"),
        sa.Column("confirmed_at", _moment()),
        sa.Column("ends_at", _moment(), nullable=False, comment="of the request, then the order"),
        sa.Column("ended_at", _moment()),
        sa.Column("ended_by", sa.String(63), comment="system: its time was up"),
        comment="When and where the wartime profile holds; two people switch it on.",
    )
    op.create_index("wartime_orders_by_end", "wartime_orders", ["ended_at", "ends_at"])


def _create_digests() -> None:
    op.create_table(
        "digests",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("person", sa.String(63), nullable=False),
        sa.Column("grid", sa.String(63), nullable=False, comment="empty: no known grid"),
        sa.Column("kind", sa.String(16), nullable=False, comment="empty: all kinds, in a storm"),
        sa.Column("opened_at", _moment(), nullable=False),
        sa.Column("due_at", _moment(), nullable=False),
        sa.Column("sent_at", _moment()),
        sa.Column("count", sa.Integer, nullable=False, comment="alerts not seen when it was sent"),
        sa.Column("title_zh", sa.Text, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        comment="Notices gathered into one: of a grid and kind, or of a grid in a storm.",
    )
    op.create_index("digests_by_due", "digests", ["sent_at", "due_at"])
    op.create_table(
        "notice_pace",
        sa.Column("key", sa.String(200), primary_key=True, comment="person|grid|kind, or person"),
        sa.Column("started_at", _moment(), nullable=False),
        sa.Column("told", sa.Integer, nullable=False, comment="notices since started_at"),
        sa.Column("digest_id", _id(), comment="the digest that is open, if any"),
        comment="How many notices somebody has had in the present window.",
    )
