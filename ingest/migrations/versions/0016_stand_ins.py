"""Dated duties that people enter, notes to those who stand in, and digests of webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, comment: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _name(name: str, comment: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(63), nullable=nullable, comment=comment)


def _text(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment)


def upgrade() -> None:
    """Create both tables; a digest is a person's or a webhook's."""
    op.create_table(
        "duty_overrides",
        sa.Column("id", _id(), primary_key=True, comment="of the dated duty"),
        _name("grid", "whose duty"),
        _moment("starts_at", "from then on"),
        _moment("ends_at", "until then"),
        _text("people", "JSON list of person ids, who is told first stands first"),
        _text("reason", "why, in words"),
        _name("made_by", "who entered it"),
        _moment("made_at", "when; of several the latest holds"),
        _moment("ended_at", "ended before its time", nullable=True),
        _name("ended_by", "who ended it", nullable=True),
        comment="Dated duties in place of whatever roster and site file say.",
    )
    op.create_index("duty_overrides_by_end", "duty_overrides", ["ends_at"])
    op.create_table(
        "duty_notes",
        sa.Column("id", _id(), primary_key=True, comment="the reference that receipts name"),
        _name("person", "whom to tell"),
        sa.Column("about", sa.String(80), nullable=False, comment="the override or leave"),
        _text("title_zh", "what it says, in Chinese"),
        _text("title_en", "the same in English"),
        _moment("written_at", "when it was written"),
        sa.Column("state", sa.String(16), nullable=False, comment="waiting, accepted, … or failed"),
        sa.Column("channel", sa.String(16), comment="the way used last"),
        _text("tried", "JSON list of ways that are used up"),
        sa.Column("attempts", sa.Integer, nullable=False, comment="over the present way"),
        _moment("next_attempt_at", "null: nothing more is done", nullable=True),
        sa.Column("provider_ref", sa.String(200), comment="the provider's own id of it"),
        _text("problem", "why the last attempt failed, or nothing is left; or empty"),
        comment="What somebody is told about duty that is theirs now: they stand in, until when.",
    )
    op.create_index("duty_notes_by_due", "duty_notes", ["next_attempt_at"])
    op.create_index("duty_notes_by_person", "duty_notes", ["person", "written_at"])
    with op.batch_alter_table("digests") as batch:
        batch.add_column(
            sa.Column("webhook", sa.String(63), comment="whose it is, if it is no person's")
        )
        batch.alter_column("person", existing_type=sa.String(63), nullable=True)


def downgrade() -> None:
    """Drop them; digests of webhooks go."""
    op.execute("DELETE FROM digests WHERE person IS NULL")
    with op.batch_alter_table("digests") as batch:
        batch.alter_column("person", existing_type=sa.String(63), nullable=False)
        batch.drop_column("webhook")
    op.drop_table("duty_notes")
    op.drop_table("duty_overrides")
