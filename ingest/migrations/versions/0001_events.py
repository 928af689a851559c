"""Events, sequences, routing queue, media, dead letters and presence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _name() -> sa.String:
    return sa.String(63)


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the first tables."""
    _create_sequences()
    _create_events()
    _create_rest()


def _create_sequences() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", _name(), primary_key=True),
        sa.Column("first_seen_at", _moment(), nullable=False),
        comment="Every edge node that ever sent an event.",
    )
    op.create_table(
        "sequences",
        sa.Column("node", _name(), primary_key=True),
        sa.Column("epoch", _id(), primary_key=True, comment="one life of the node's outbox file"),
        sa.Column(
            "acked_upto",
            sa.BigInteger,
            nullable=False,
            comment="every seq up to here is stored, in dead_letters, or declared as shed",
        ),
        sa.Column(
            "also",
            sa.Text,
            nullable=False,
            comment="JSON [[first,last],…]: ranges stored above acked_upto; "
            "between them are the gaps",
        ),
        sa.Column(
            "skipped",
            sa.BigInteger,
            nullable=False,
            comment="how many seqs at or below acked_upto are not here, "
            "as the node declared them shed",
        ),
        sa.Column("updated_at", _moment(), nullable=False),
        comment="What is stored of each node's sequence; receipts are read from here. Its row is "
        "the lock that ingest replicas take before they store anything of that node and epoch.",
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _id(), primary_key=True, comment="UUIDv7: its order is the order of time"),
        sa.Column("node", _name(), nullable=False),
        sa.Column("epoch", _id(), nullable=False),
        sa.Column(
            "seq", sa.BigInteger, nullable=False, comment="place in the node's sequence, from 1"
        ),
        sa.Column("camera", _name(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("visit", _id(), nullable=False, comment="shared by the revisions of one visit"),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("captured_at", _moment(), nullable=False, comment="time of the best shot"),
        sa.Column("received_at", _moment(), nullable=False, comment="when the centre stored it"),
        sa.Column("plate_text", sa.String(16), comment="normalised plate, for kind = plate"),
        sa.Column(
            "body", sa.Text, nullable=False, comment="the whole event as JSON (config.event.Event)"
        ),
        comment="Each event once. On PostgreSQL partitioned by ranges of id, "
        "which are ranges of time.",
        postgresql_partition_by="RANGE (id)",
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    op.create_index("events_by_seq", "events", ["node", "epoch", "seq"])
    op.create_index("events_by_camera", "events", ["camera", "captured_at"])
    op.create_index("events_by_plate", "events", ["plate_text", "captured_at"])
    op.create_table(
        "routing_queue",
        sa.Column(
            "event_id", _id(), sa.ForeignKey("events.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("enqueued_at", _moment(), nullable=False),
        sa.Column("claimed_by", sa.String(100)),
        sa.Column("claimed_until", _moment(), comment="a claim not finished by then is free again"),
        comment="Events that nobody has decided about yet; written in the event's own transaction.",
    )
    op.create_index("routing_queue_by_age", "routing_queue", ["enqueued_at"])


def _create_rest() -> None:
    op.create_table(
        "media",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("node", _name(), nullable=False, comment="who sent it first"),
        sa.Column("received_at", _moment(), nullable=False),
        comment="Files of evidence that the media store holds, by content.",
    )
    op.create_table(
        "dead_letters",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column(
            "digest",
            sa.String(64),
            nullable=False,
            unique=True,
            comment="sha256 of topic and payload",
        ),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("node", _name(), comment="as the topic names it"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False, comment="first 512 bytes of the payload"),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, comment="the whole event as JSON, where one could be read"),
        sa.Column("times", sa.Integer, nullable=False, comment="how often the same bytes arrived"),
        sa.Column("first_at", _moment(), nullable=False),
        sa.Column("last_at", _moment(), nullable=False),
        comment="What could not be stored as an event, and why; the stream went on.",
    )
    op.create_table(
        "presence",
        sa.Column("node", _name(), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False, comment="online or offline"),
        sa.Column("at", _moment(), comment="the node's own clock; absent in a last will"),
        sa.Column(
            "received_at", _moment(), nullable=False, comment="last sign, by the centre's clock"
        ),
        sa.Column("changed_at", _moment(), nullable=False, comment="when state last changed"),
        sa.Column("outbox_events", sa.Integer, nullable=False),
        sa.Column("cameras_online", sa.Integer, nullable=False),
        comment="Whether each node lives, from its birth, heartbeat and last will.",
    )
