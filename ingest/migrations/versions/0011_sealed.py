"""Room for sealed second factors; faces that a home enrols; cameras that a node has found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _name(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(63), nullable=nullable, primary_key=key)


def upgrade() -> None:
    """Widen the column and create the tables; what is stored in plain text is sealed at start."""
    with op.batch_alter_table("web_second_factors") as batch:
        batch.alter_column(
            "secret", existing_type=sa.String(64), type_=sa.String(255), existing_nullable=False
        )
    op.create_table(
        "home_faces",
        sa.Column("id", _id(), primary_key=True),
        _name("owner"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        _name("consented_by"),
        _moment("consented_at"),
        sa.Column("picture", sa.LargeBinary),
        _moment("removed_at", nullable=True),
    )
    op.create_index("home_faces_by_owner", "home_faces", ["owner"])
    op.create_table(
        "home_face_copies",
        sa.Column(
            "face_id", _id(), sa.ForeignKey("home_faces.id", ondelete="CASCADE"), primary_key=True
        ),
        _name("node", key=True),
        _moment("taken_at", nullable=True),
        _moment("erased_at", nullable=True),
        sa.Column("problem", sa.Text, nullable=False),
    )
    op.create_table(
        "discoveries",
        _name("node", key=True),
        _moment("asked_at"),
        _name("asked_by"),
        _moment("reported_at", nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables; the column stays as wide as what is sealed in it."""
    for name in ("discoveries", "home_face_copies", "home_faces"):
        op.drop_table(name)
