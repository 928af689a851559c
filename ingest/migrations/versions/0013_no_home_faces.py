"""Takes the tables of enrolled faces away again: nothing is kept that nothing matches yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Drop both; no page has ever filled them."""
    op.drop_table("home_face_copies")
    op.drop_table("home_faces")


def downgrade() -> None:
    """As version 0011 made them."""
    op.create_table(
        "home_faces",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("owner", sa.String(63), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        sa.Column("consented_by", sa.String(63), nullable=False),
        _moment("consented_at", nullable=False),
        sa.Column("picture", sa.LargeBinary),
        _moment("removed_at"),
    )
    op.create_index("home_faces_by_owner", "home_faces", ["owner"])
    op.create_table(
        "home_face_copies",
        sa.Column(
            "face_id", _id(), sa.ForeignKey("home_faces.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("node", sa.String(63), primary_key=True),
        _moment("taken_at"),
        _moment("erased_at"),
        sa.Column("problem", sa.Text, nullable=False),
    )
