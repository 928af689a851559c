"""Leave with substitutes, calendar links, a home's fall-back, one-time answers, audit triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "answers_used",
    "owner_calls",
    "home_neighbours",
    "home_consents",
    "calendar_links",
    "absences",
)


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(63), nullable=nullable, primary_key=key)


def upgrade() -> None:
    """Create the tables; from now on no client changes a row of the audit log."""
    _create_duty()
    _create_homes()
    with op.batch_alter_table("arming") as batch:
        batch.add_column(_moment("snoozed_until", nullable=True))
    for statement in _guard(op.get_bind().dialect.name):
        op.execute(statement)


def _create_duty() -> None:
    op.create_table(
        "absences",
        sa.Column("id", _id(), primary_key=True),
        _name("person"),
        _moment("starts_at"),
        _moment("ends_at"),
        _name("substitute", nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("asked_at"),
        _moment("decided_at", nullable=True),
        _name("decided_by", nullable=True),
    )
    op.create_index("absences_by_time", "absences", ["state", "ends_at"])
    op.create_table(
        "calendar_links",
        _name("person", key=True),
        sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
        _moment("created_at"),
    )


def _create_homes() -> None:
    op.create_table(
        "home_consents",
        _name("owner", key=True),
        sa.Column("agreed", sa.Boolean, nullable=False),
        _moment("changed_at"),
    )
    op.create_table(
        "home_neighbours",
        _name("owner", key=True),
        _name("neighbour", key=True),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("asked_at"),
        _moment("decided_at", nullable=True),
    )
    alert = sa.ForeignKey("alerts.id", ondelete="CASCADE")
    op.create_table(
        "owner_calls",
        sa.Column("alert_id", _id(), alert, primary_key=True),
        _name("owner"),
        _moment("called_at"),
    )
    op.create_table(
        "answers_used",
        sa.Column("token_id", sa.String(64), primary_key=True),
        sa.Column("alert_id", _id(), nullable=False),
        _name("person"),
        sa.Column("answer", sa.String(16), nullable=False),
        _moment("used_at"),
    )


def _guard(dialect: str) -> tuple[str, ...]:
    """Triggers that refuse every change of the audit log but a new row."""
    if dialect == "postgresql":
        return (
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
            "CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
            "CREATE TRIGGER audit_table_stays BEFORE TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
        )
    return tuple(
        f"CREATE TRIGGER audit_no_{what} BEFORE {what} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        for what in ("update", "delete")
    )


def downgrade() -> None:
    """Drop the triggers and the tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_rows_stay ON audit")
        op.execute("DROP TRIGGER audit_table_stays ON audit")
        op.execute("DROP FUNCTION audit_append_only()")
    else:
        op.execute("DROP TRIGGER audit_no_update")
        op.execute("DROP TRIGGER audit_no_delete")
    with op.batch_alter_table("arming") as batch:
        batch.drop_column("snoozed_until")
    for name in _TABLES:
        op.drop_table(name)
