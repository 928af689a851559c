"""The centre's tables: events and what proves that each arrived exactly once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData()
"""Every table of the centre; alerts adds its own to the same object."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware in and out, always UTC.

    PostgreSQL keeps ``timestamp with time zone``; SQLite keeps UTC text without an offset, so
    that text order is time order.

    Raises:
        ValueError: a value without a timezone is bound.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a timezone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 (the signature is fixed)
    ) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def id_type() -> Any:
    """Column type of a UUIDv7 in canonical text.

    Compared byte by byte on PostgreSQL, so that the order of ids is the order of time there too.
    """
    return String(36).with_variant(String(36, collation="C"), "postgresql")


_Serial = BigInteger().with_variant(Integer, "sqlite")

nodes = Table(
    "nodes",
    metadata,
    Column(
        "node",
        String(63),
        primary_key=True,
        comment="name of the edge node, from the site description",
    ),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="when its first event was stored"),
    comment="Every edge node that ever sent an event.",
)

sequences = Table(
    "sequences",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("epoch", id_type(), primary_key=True, comment="one life of the node's outbox file"),
    Column(
        "acked_upto",
        BigInteger,
        nullable=False,
        comment="every seq up to here is stored, in dead_letters, or declared as shed",
    ),
    Column(
        "also",
        Text,
        nullable=False,
        comment="JSON [[first,last],…]: ranges stored above acked_upto; between them are the gaps",
    ),
    Column(
        "skipped",
        BigInteger,
        nullable=False,
        comment="how many seqs at or below acked_upto are not here, as the node declared them shed",
    ),
    Column(
        "updated_at",
        UtcDateTime,
        nullable=False,
        comment="when an event of this epoch was last stored",
    ),
    comment="What is stored of each node's sequence; receipts are read from here. Its row is the "
    "lock that ingest replicas take before they store anything of that node and epoch.",
)

events = Table(
    "events",
    metadata,
    Column("id", id_type(), primary_key=True, comment="UUIDv7: its order is the order of time"),
    Column("node", String(63), nullable=False, comment="the edge node that sent it"),
    Column(
        "epoch", id_type(), nullable=False, comment="life of the node's outbox that numbered it"
    ),
    Column("seq", BigInteger, nullable=False, comment="place in the node's sequence, from 1"),
    Column("camera", String(63), nullable=False, comment="the camera that saw it"),
    Column(
        "kind",
        String(16),
        nullable=False,
        comment="plate, face, motion, line, zone, loiter, health or shed",
    ),
    Column("severity", String(16), nullable=False, comment="info, notice, warning or critical"),
    Column("visit", id_type(), nullable=False, comment="shared by the revisions of one visit"),
    Column("revision", Integer, nullable=False, comment="counts the messages of one visit, from 0"),
    Column("captured_at", UtcDateTime, nullable=False, comment="time of the best shot"),
    Column("received_at", UtcDateTime, nullable=False, comment="when the centre stored it"),
    Column("plate_text", String(16), comment="normalised plate, for kind = plate"),
    Column("body", Text, nullable=False, comment="the whole event as JSON (config.event.Event)"),
    Index("events_by_seq", "node", "epoch", "seq"),
    Index("events_by_camera", "camera", "captured_at"),
    Index("events_by_plate", "plate_text", "captured_at"),
    comment="Each event once. On PostgreSQL partitioned by ranges of id, which are ranges of time.",
    # Uniqueness of (node, epoch, seq) cannot be an index across partitions: the ranges of
    # `sequences`, changed under its row lock in the same transaction, hold it instead.
    postgresql_partition_by="RANGE (id)",
)

routing_queue = Table(
    "routing_queue",
    metadata,
    Column(
        "event_id",
        id_type(),
        ForeignKey("events.id", ondelete="CASCADE"),
        primary_key=True,
        comment="the event that waits",
    ),
    Column("enqueued_at", UtcDateTime, nullable=False, comment="since when it waits"),
    Column("claimed_by", String(100), comment="the router that decides about it now"),
    Column("claimed_until", UtcDateTime, comment="a claim not finished by then is free again"),
    Index("routing_queue_by_age", "enqueued_at"),
    comment="Events that nobody has decided about yet; written in the event's own transaction.",
)

media = Table(
    "media",
    metadata,
    Column(
        "sha256", String(64), primary_key=True, comment="of the file's bytes; its name in the store"
    ),
    Column("media_type", String(32), nullable=False, comment="image/jpeg or video/mp4"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the file"),
    Column("node", String(63), nullable=False, comment="who sent it first"),
    Column("received_at", UtcDateTime, nullable=False, comment="when it last arrived"),
    comment="Files of evidence that the media store holds, by content.",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column(
        "id", _Serial, primary_key=True, autoincrement=True, comment="in order of first arrival"
    ),
    Column(
        "digest", String(64), nullable=False, unique=True, comment="sha256 of topic and payload"
    ),
    Column("topic", Text, nullable=False, comment="MQTT topic, cut after 512 characters"),
    Column("node", String(63), comment="as the topic names it"),
    Column("reason", Text, nullable=False, comment="why it could not be stored"),
    Column("head", LargeBinary, nullable=False, comment="first 512 bytes of the payload"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the whole payload"),
    Column("body", Text, comment="the whole event as JSON, where one could be read"),
    Column("times", Integer, nullable=False, comment="how often the same bytes arrived"),
    Column("first_at", UtcDateTime, nullable=False, comment="when it first arrived"),
    Column("last_at", UtcDateTime, nullable=False, comment="when it last arrived"),
    Column(
        "stored_bytes",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="what the row holds of the message, in bytes: head and body",
    ),
    Index("dead_letters_by_time", "last_at", "id"),
    comment="What could not be stored as an event, and why; the stream went on.",
)

presence = Table(
    "presence",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("state", String(16), nullable=False, comment="online or offline"),
    Column("at", UtcDateTime, comment="the node's own clock; absent in a last will"),
    Column("received_at", UtcDateTime, nullable=False, comment="last sign, by the centre's clock"),
    Column("changed_at", UtcDateTime, nullable=False, comment="when state last changed"),
    Column("outbox_events", Integer, nullable=False, comment="events that wait in its outbox"),
    Column("cameras_online", Integer, nullable=False, comment="cameras that it receives"),
    comment="Whether each node lives, from its birth, heartbeat and last will.",
)

node_configs = Table(
    "node_configs",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("revision", BigInteger, nullable=False, comment="of what is wanted"),
    Column("body", Text, nullable=False, comment="config.desired.DesiredConfig as JSON"),
    Column("issued_at", UtcDateTime, nullable=False, comment="when this revision was made"),
    Column("running", BigInteger, comment="revision the node says it runs"),
    Column("state", String(16), comment="trying, applied, refused or rolled_back"),
    Column("problem", Text, nullable=False, comment="why it was not applied, or empty"),
    Column("reported_at", UtcDateTime, comment="when the node last said so"),
    comment="What each node shall run, and what it last said that it runs.",
)

live_links = Table(
    "live_links",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("link", String(36), nullable=False, comment="one connection of the node"),
    Column("address", String(300), nullable=False, comment="of the process that has it"),
    Column("seen_at", UtcDateTime, nullable=False, comment="when that process last said so"),
    comment="Which web process holds the live link of each node.",
)

face_consents = Table(
    "face_consents",
    metadata,
    Column("id", id_type(), primary_key=True, comment="the member; nodes know nothing else"),
    Column("owner", String(63), nullable=False, comment="whose home"),
    Column("label", String(40), nullable=False, comment="what the home calls them"),
    Column("cameras", Text, nullable=False, comment="JSON list of camera ids"),
    Column("guardian", String(40), comment="who consented for a child; null: themselves"),
    Column("consent_version", String(16), nullable=False, comment="of the text agreed to"),
    Column("consented_at", UtcDateTime, nullable=False, comment="when it was last agreed to"),
    Column("expires_at", UtcDateTime, nullable=False, comment="until when the consent holds"),
    Column("enrolled_by", String(63), nullable=False, comment="who recorded it"),
    Column("state", String(16), nullable=False, comment="asked, enrolled, refused"),
    Column("deleted_at", UtcDateTime, comment="when it was withdrawn, or ended without a face"),
    Index("face_consents_by_owner", "owner"),
    comment="Who agreed to be recognised at their own home's cameras; never a face.",
)

face_nodes = Table(
    "face_nodes",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("revision", BigInteger, nullable=False, comment="of who may be held there"),
    Column("reported_revision", BigInteger, comment="revision that the node has heeded"),
    Column("held", Text, nullable=False, comment="JSON list of member ids held there"),
    Column("problem", Text, nullable=False, comment="why it recognises nobody, or empty"),
    Column("reported_at", UtcDateTime, comment="when the node last said so"),
    comment="Whose faces each node may hold, and whose it says that it holds.",
)
