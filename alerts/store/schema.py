"""The tables of alerts, on the same metadata as the centre's events."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from ingest.schema import UtcDateTime, id_type, metadata


def _name(column: str, *, nullable: bool = True) -> Column[str]:
    return Column(column, String(63), nullable=nullable)


alerts = Table(
    "alerts",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("version", Integer, nullable=False, comment="compare and swap: +1 per transition"),
    Column("state", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("loudness", Integer, nullable=False, comment="rank of severity, 0 to 3"),
    Column("cycle", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("sightings", Integer, nullable=False),
    Column("escalate_after_s", Integer, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, comment="last sighting, centre's clock"),
    _name("acked_by"),
    Column("acked_at", UtcDateTime),
    Column("departments", Text, nullable=False, comment="JSON [[name, deadline, reported by],…]"),
    Column("back_to", String(16)),
    Column("parent", id_type()),
    Column("outcome", String(16)),
    Column("closed_at", UtcDateTime),
    Column("kind", String(16), nullable=False),
    _name("rule", nullable=False),
    Column("dedup_key", String(200), nullable=False, comment="kind, camera, zone, subject"),
    _name("camera", nullable=False),
    _name("grid"),
    _name("owner"),
    Column("legal_class", String(16)),
    Column("event_id", id_type(), nullable=False, comment="the newest sighting"),
    Column("captured_at", UtcDateTime, nullable=False, comment="of the newest sighting"),
    Column("thumbnail_event_id", id_type(), comment="newest sighting that carries a thumbnail"),
    Column("plate", Text, comment="JSON of config.event.PlateReading"),
    Column("evidence", Text, nullable=False, comment="JSON list of config.event.EvidenceRef"),
    Index("alerts_by_dedup_key", "dedup_key", "seen_at"),
    Index("alerts_by_parent", "parent"),
    Index("alerts_by_state", "state", "loudness"),
    Index("alerts_by_time", "opened_at"),
    comment="One row per alert: its state and what is known of its newest sighting.",
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("event_id", id_type(), primary_key=True, comment="an event belongs to one alert"),
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("visit", id_type(), nullable=False),
    Column("relation", String(16), nullable=False, comment="opened, joined, revision, recovery"),
    Column("at", UtcDateTime, nullable=False),
    Index("alert_events_by_alert", "alert_id"),
    Index("alert_events_by_visit", "visit"),
    comment="Which events an alert is made of.",
)

timers = Table(
    "timers",
    metadata,
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index("timers_by_due", "due_at"),
    comment="The one timer of each alert that still needs somebody.",
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("alert_version", Integer, nullable=False, comment="the transition that asked for it"),
    Column("cycle", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("target", String(63), nullable=False, comment="person id, or webhook id"),
    _name("person"),
    Column("idempotency_key", String(200), nullable=False, unique=True),
    Column("state", String(16), nullable=False, comment="pending … read, or failed"),
    Column("reason_zh", Text, nullable=False),
    Column("reason_en", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, comment="null when there is nothing left to try"),
    Column("error", Text, nullable=False, comment="the last attempt's problem; empty if none"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("digest_id", id_type(), comment="told as part of it"),
    Column("fall_over_at", UtcDateTime, comment="when the next channel's turn comes, if any"),
    Column("provider_ref", String(200), comment="the provider's own id"),
    Index("deliveries_by_digest", "digest_id"),
    Index("deliveries_by_fall_over", "fall_over_at"),
    Index("deliveries_by_provider_ref", "provider_ref"),
    Index("deliveries_by_due", "channel", "next_attempt_at"),
    Index("deliveries_by_alert", "alert_id", "cycle"),
    Index("deliveries_by_person", "person", "alert_id"),
    comment="Every notification: to whom, over which channel, how far it got.",
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event_id", id_type()),
    Column("alert_id", id_type()),
    _name("person"),
    Column("stage", String(16), nullable=False, comment="rule, dedup, route, channel, answer"),
    Column("verdict", String(16), nullable=False),
    Column("reason_zh", Text, nullable=False),
    Column("reason_en", Text, nullable=False),
    Index("decisions_by_event", "event_id"),
    Index("decisions_by_alert", "alert_id"),
    comment="Every decision about an event or a person, above all each 'no', with its reason.",
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … no gaps"),
    Column("at", UtcDateTime, nullable=False),
    _name("actor", nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False, comment="hash of the row before"),
    Column("hash", String(64), nullable=False, comment="sha256 over this row and previous"),
    comment="Append-only log in which each row vouches for the one before.",
)

stream = Table(
    "stream",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False, comment="JSON of the alert row as it was then"),
    Column(
        "version",
        Integer,
        nullable=False,
        server_default="0",
        comment="of the alert, as this change left it",
    ),
    Index("stream_by_alert", "alert_id", "version"),
    comment="Every change of every alert, at positions 1, 2, 3 … that become visible in order.",
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    comment="Last position of stream and audit. A transaction takes its row's lock last and "
    "holds it until it commits, so that numbers are gap-free and become visible in order.",
)
