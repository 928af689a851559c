"""Consent to be recognised at one's own home, and what each node has reported of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def upgrade() -> None:
    """Two tables; neither holds a picture or anything computed from one."""
    op.create_table(
        "face_consents",
        sa.Column("id", _id(), primary_key=True, comment="the member; nodes know nothing else"),
        sa.Column("owner", sa.String(63), nullable=False, comment="whose home"),
        sa.Column("label", sa.String(40), nullable=False, comment="what the home calls them"),
        sa.Column("cameras", sa.Text, nullable=False, comment="JSON list of camera ids"),
        sa.Column("guardian", sa.String(40), comment="who consented for a child; null: themselves"),
        sa.Column(
            "consent_version", sa.String(16), nullable=False, comment="of the text agreed to"
        ),
        _moment("consented_at", "when it was last agreed to", nullable=False),
        _moment("expires_at", "until when the consent holds", nullable=False),
        sa.Column("enrolled_by", sa.String(63), nullable=False, comment="who recorded it"),
        sa.Column("state", sa.String(16), nullable=False, comment="asked, enrolled, refused"),
        _moment("deleted_at", "when it was withdrawn, or ended without a face"),
        comment="Who agreed to be recognised at their own home's cameras; never a face.",
    )
    op.create_index("face_consents_by_owner", "face_consents", ["owner"])
    op.create_table(
        "face_nodes",
        sa.Column("node", sa.String(63), primary_key=True, comment="the edge node"),
        sa.Column("revision", sa.BigInteger, nullable=False, comment="of who may be held there"),
        sa.Column("reported_revision", sa.BigInteger, comment="revision that the node has heeded"),
        sa.Column("held", sa.Text, nullable=False, comment="JSON list of member ids held there"),
        sa.Column("problem", sa.Text, nullable=False, comment="why it recognises nobody, or empty"),
        _moment("reported_at", "when the node last said so"),
        comment="Whose faces each node may hold, and whose it says that it holds.",
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("face_nodes")
    op.drop_index("face_consents_by_owner", "face_consents")
    op.drop_table("face_consents")
