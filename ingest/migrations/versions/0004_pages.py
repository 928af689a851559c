"""What people decide on their pages: reports, swaps, arming, grants, watch list, second factors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(63), nullable=nullable)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _alert() -> sa.Column[str]:
    key = sa.ForeignKey("alerts.id", ondelete="CASCADE")
    return sa.Column("alert_id", _id(), key, nullable=False)


def upgrade() -> None:
    """Create the tables."""
    _create_choices()
    _create_watch_list()
    _create_field_reports()
    _create_access()
    _create_desk()


def _create_choices() -> None:
    op.create_table(
        "shift_swaps",
        sa.Column("id", _id(), primary_key=True),
        _name("grid"),
        _moment("starts_at"),
        _moment("ends_at"),
        _name("giver"),
        _name("taker"),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("asked_at"),
        _moment("decided_at", nullable=True),
    )
    op.create_index("shift_swaps_by_time", "shift_swaps", ["grid", "ends_at"])
    op.create_table(
        "arming",
        sa.Column("camera", sa.String(63), primary_key=True),
        sa.Column("mode", sa.String(16)),
        _moment("until", nullable=True),
        _text("schedule"),
        _name("changed_by"),
        _moment("changed_at"),
    )
    op.create_table(
        "view_grants",
        sa.Column("id", _id(), primary_key=True),
        _alert(),
        _name("owner"),
        _name("person"),
        _moment("granted_at"),
        _moment("until"),
    )
    op.create_index("view_grants_by_person", "view_grants", ["person", "until"])
    op.create_table(
        "household",
        sa.Column("person_id", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        _name("owner"),
        _moment("added_at"),
        _moment("removed_at", nullable=True),
    )
    op.create_index("household_by_owner", "household", ["owner"])


def _create_watch_list() -> None:
    op.create_table(
        "watch_entries",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("plate", sa.String(16), nullable=False),
        sa.Column("case_number", sa.String(64), nullable=False),
        _text("legal_basis"),
        _text("reason"),
        _text("grids"),
        _moment("starts_at"),
        _moment("ends_at"),
        _name("requester"),
        _moment("asked_at"),
        _moment("ended_at", nullable=True),
        _name("ended_by", nullable=True),
    )
    op.create_index("watch_entries_by_plate", "watch_entries", ["plate", "ends_at"])
    op.create_table(
        "watch_votes",
        sa.Column("entry_id", _id(), sa.ForeignKey("watch_entries.id"), primary_key=True),
        sa.Column("person", sa.String(63), primary_key=True),
        sa.Column("approves", sa.Boolean, nullable=False),
        _moment("at"),
    )


def _create_field_reports() -> None:
    op.create_table(
        "web_reports",
        sa.Column("id", _id(), primary_key=True),
        _alert(),
        _name("person"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("department", sa.String(63)),
        _text("note"),
        sa.Column("proof", sa.String(16), nullable=False),
        sa.Column("photo_sha256", sa.String(64)),
        _moment("at"),
    )
    op.create_index("web_reports_by_alert", "web_reports", ["alert_id"])


def _create_access() -> None:
    with op.batch_alter_table("web_accounts") as batch:
        batch.add_column(sa.Column("fingerprint", sa.String(64)))
    op.create_table(
        "web_second_factors",
        sa.Column("person_id", sa.String(63), primary_key=True),
        sa.Column("secret", sa.String(64), nullable=False),
        _text("recovery"),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        _moment("created_at"),
        _moment("confirmed_at", nullable=True),
    )
    op.create_table(
        "web_invitations",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
        _name("person_id"),
        _name("created_by"),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
    )
    op.create_index("web_invitations_by_person", "web_invitations", ["person_id"])


def _create_desk() -> None:
    op.create_table(
        "web_exports",
        sa.Column("id", _id(), primary_key=True),
        _text("alert_ids"),
        _text("purpose"),
        sa.Column("case_number", sa.String(64), nullable=False),
        _name("requester"),
        _moment("asked_at"),
        _name("approver", nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("decided_at", nullable=True),
        sa.Column("manifest_sha256", sa.String(64)),
    )
    op.create_table(
        "web_drawings",
        sa.Column("id", _id(), primary_key=True),
        _name("camera"),
        sa.Column("revision", sa.Integer, nullable=False),
        _text("body"),
        _name("drawn_by"),
        _moment("drawn_at"),
        sa.UniqueConstraint("camera", "revision"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("web_drawings", "web_exports", "web_invitations", "web_second_factors"):
        op.drop_table(name)
    with op.batch_alter_table("web_accounts") as batch:
        batch.drop_column("fingerprint")
    for name in ("web_reports", "watch_votes", "watch_entries", "household", "view_grants"):
        op.drop_table(name)
    for name in ("arming", "shift_swaps"):
        op.drop_table(name)
