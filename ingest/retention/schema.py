"""The tables of retention: holds, proofs of deletion, and what refers to which file."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from ingest.schema import UtcDateTime, id_type, metadata

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", id_type(), primary_key=True, comment="of the hold"),
    Column("owner", String(63), nullable=False, comment="person who asked, and answers for it"),
    Column("case_number", String(64), nullable=False, comment="of the case that needs it"),
    Column("reason", Text, nullable=False, comment="why, in words"),
    Column("camera", String(63), comment="whose events are held; null: those of alert_id"),
    Column("alert_id", id_type(), comment="whose events are held; null: those of camera"),
    Column("first_at", UtcDateTime, comment="events of camera captured from then on are held"),
    Column("last_at", UtcDateTime, comment="events of camera captured before then are held"),
    Column("asked_at", UtcDateTime, nullable=False, comment="since when it works"),
    Column("ends_at", UtcDateTime, nullable=False, comment="the hold ends by itself then"),
    Column("confirmed_by", String(63), comment="the second person; null: it lapses after 72 h"),
    Column("confirmed_at", UtcDateTime, comment="when the second person agreed"),
    Column("released_by", String(63), comment="who ended it before its time"),
    Column("released_at", UtcDateTime, comment="when it was ended"),
    Column("release_reason", Text, comment="why it was ended"),
    Index("legal_holds_by_end", "ends_at"),
    comment="What is kept beyond its time for a named case, by two people, until a date.",
)

hold_events = Table(
    "hold_events",
    metadata,
    Column("event_id", id_type(), primary_key=True, comment="an event that is kept"),
    Column(
        "hold_id",
        id_type(),
        ForeignKey("legal_holds.id", ondelete="CASCADE"),
        primary_key=True,
        comment="the hold that keeps it",
    ),
    comment="The single events that holds of alerts keep; refreshed before each sweep.",
)

deletions = Table(
    "deletions",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … no gaps"),
    Column("at", UtcDateTime, nullable=False, comment="when it was deleted"),
    Column("kind", String(16), nullable=False, comment="event, media, letter or alert"),
    Column("camera", String(63), nullable=False, comment="of the events; else empty"),
    Column("rule", Text, nullable=False, comment="why: the rule and its figures, in words"),
    Column("items", Integer, nullable=False, comment="how many things this row proves"),
    Column("first_item", String(64), nullable=False, comment="lowest name in manifest"),
    Column("last_item", String(64), nullable=False, comment="highest name in manifest"),
    Column(
        "manifest",
        Text,
        nullable=False,
        comment="JSON [[name, sha256 of the content],…]: ids or hashes, never the content",
    ),
    Column("previous", String(64), nullable=False, comment="hash of the row before"),
    Column("hash", String(64), nullable=False, comment="sha256 over this row and previous"),
    Index("deletions_by_item", "kind", "first_item", "last_item"),
    comment="Proof of deletion: append-only, each row vouches for the one before.",
)

deletion_head = Table(
    "deletion_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("rows", BigInteger, nullable=False, comment="how many rows deletions has"),
    Column("hash", String(64), nullable=False, comment="hash of the last of them"),
    comment="The end of the chain. Its row is the lock between deleting and holding.",
)

media_refs = Table(
    "media_refs",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the file"),
    Column("event_id", id_type(), primary_key=True, comment="an event that names it"),
    Index("media_refs_by_event", "event_id"),
    comment="Which events name which file; written by a trigger of events.",
)

doomed_media = Table(
    "doomed_media",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the file"),
    Column("media_type", String(32), nullable=False, comment="image/jpeg or video/mp4"),
    Column("size_bytes", BigInteger, nullable=False, comment="of the file"),
    Column("node", String(63), nullable=False, comment="who sent it first"),
    Column("seq", BigInteger, nullable=False, comment="the row of deletions that ordered it"),
    Column("ordered_at", UtcDateTime, nullable=False, comment="when its deletion was proven"),
    comment="Files whose deletion is proven already and that must still go; empty when at rest.",
)

deleted_seqs = Table(
    "deleted_seqs",
    metadata,
    Column("node", String(63), primary_key=True, comment="the edge node"),
    Column("epoch", id_type(), primary_key=True, comment="life of the node's outbox"),
    Column(
        "first_seq",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="first number of the range",
    ),
    Column("last_seq", BigInteger, nullable=False, comment="last number of the range"),
    comment="Numbers whose events were stored and deleted at their time: never stored again.",
)

letter_totals = Table(
    "letter_totals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("kept", BigInteger, nullable=False, comment="rows of dead_letters"),
    Column("kept_bytes", BigInteger, nullable=False, comment="sum of their stored_bytes"),
    Column("dropped", BigInteger, nullable=False, comment="letters dropped as the limit was met"),
    Column(
        "dropped_bytes", BigInteger, nullable=False, comment="what they held together, in bytes"
    ),
    comment="How much dead_letters holds, and how much it had to drop, oldest first.",
)
