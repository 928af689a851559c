"""Tables of what is told later, elsewhere or not at all: silences, wartime orders, digests."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ingest.schema import UtcDateTime, id_type, metadata

silences = Table(
    "silences",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("owner", String(63), nullable=False, comment="who answers for it"),
    Column("reason", Text, nullable=False),
    Column("matchers", Text, nullable=False, comment="JSON of alerts.silences.Matchers"),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="before its time, by hand"),
    Column("ended_by", String(63)),
    Column("closed_at", UtcDateTime, comment="when its end was written to the audit log"),
    Index("silences_by_end", "closed_at", "ends_at"),
    comment="What shall not be told for a while, who wants it so, and why.",
)

wartime_orders = Table(
    "wartime_orders",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("townships", Text, nullable=False, comment="JSON list; empty: whole county"),
    Column("reason", Text, nullable=False),
    Column("asked_by", String(63), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("confirmed_by", String(63), comment="somebody else"),
    Column("confirmed_at", UtcDateTime),
    Column("ends_at", UtcDateTime, nullable=False, comment="of the request, then the order"),
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(63), comment="system: its time was up"),
    Index("wartime_orders_by_end", "ended_at", "ends_at"),
    comment="When and where the wartime profile holds; two people switch it on.",
)

digests = Table(
    "digests",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("person", String(63)),
    Column("webhook", String(63), comment="whose it is, if it is no person's"),
    Column("grid", String(63), nullable=False, comment="empty: no known grid"),
    Column("kind", String(16), nullable=False, comment="empty: all kinds, in a storm"),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("count", Integer, nullable=False, comment="alerts not seen when it was sent"),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Index("digests_by_due", "sent_at", "due_at"),
    comment="Notices gathered into one: of a grid and kind, or of a grid in a storm.",
)

notice_pace = Table(
    "notice_pace",
    metadata,
    Column("key", String(200), primary_key=True, comment="person|grid|kind, or person"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("told", Integer, nullable=False, comment="notices since started_at"),
    Column("digest_id", id_type(), comment="the digest that is open, if any"),
    comment="How many notices somebody has had in the present window.",
)
