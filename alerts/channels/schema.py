"""Tables of the channels: budgets of providers, subscriptions to Web Push, hours of quiet."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, String, Table, Text

from ingest.schema import UtcDateTime, id_type, metadata

channel_budgets = Table(
    "channel_budgets",
    metadata,
    Column("provider", String(63), primary_key=True),
    Column("tokens", Float, nullable=False, comment="messages that may be sent at once"),
    Column("filled_at", UtcDateTime, nullable=False, comment="when tokens was true"),
    comment="What each provider still takes: a token bucket that all dispatchers share.",
)

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("person", String(63), nullable=False),
    Column("endpoint", String(1000), nullable=False, unique=True),
    Column("p256dh", String(100), nullable=False, comment="the browser's public key, base64url"),
    Column("auth", String(32), nullable=False, comment="shared secret, base64url"),
    Column("device", Text, nullable=False, comment="what the browser calls itself"),
    Column("made_at", UtcDateTime, nullable=False),
    Index("push_subscriptions_by_person", "person"),
    comment="Browsers that take Web Push for a person (RFC 8030, RFC 8291).",
)

quiet_hours = Table(
    "quiet_hours",
    metadata,
    Column("person", String(63), primary_key=True),
    Column("starts", String(5), nullable=False, comment="local time HH:MM"),
    Column("ends", String(5), nullable=False, comment="at or before starts: past midnight"),
    Column("set_at", UtcDateTime, nullable=False),
    comment="When a person wants no ringing for alerts of low severity.",
)
