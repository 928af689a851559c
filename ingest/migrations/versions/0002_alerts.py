"""Alerts, their timers, deliveries, decisions, audit log and stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of alerts; both counters start at zero."""
    _create_alerts()
    _create_alert_events()
    _create_timers()
    _create_deliveries()
    _create_decisions()
    _create_audit()
    _create_stream()
    _create_counters()
    counters = sa.table("counters", sa.column("name"), sa.column("value"), sa.column("hash"))
    op.bulk_insert(
        counters,
        [
            {"name": "audit", "value": 0, "hash": "0" * 64},
            {"name": "stream", "value": 0, "hash": ""},
        ],
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _id(), primary_key=True),
        sa.Column(
            "version", sa.Integer, nullable=False, comment="compare and swap: +1 per transition"
        ),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("loudness", sa.Integer, nullable=False, comment="rank of severity, 0 to 3"),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("sightings", sa.Integer, nullable=False),
        sa.Column("escalate_after_s", sa.Integer, nullable=False),
        sa.Column("opened_at", _moment(), nullable=False),
        sa.Column("changed_at", _moment(), nullable=False),
        sa.Column("seen_at", _moment(), nullable=False, comment="last sighting, centre's clock"),
        sa.Column("acked_by", sa.String(63)),
        sa.Column("acked_at", _moment()),
        sa.Column(
            "departments", sa.Text, nullable=False, comment="JSON [[name, deadline, reported by],…]"
        ),
        sa.Column("back_to", sa.String(16)),
        sa.Column("parent", _id()),
        sa.Column("outcome", sa.String(16)),
        sa.Column("closed_at", _moment()),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("rule", sa.String(63), nullable=False),
        sa.Column(
            "dedup_key", sa.String(200), nullable=False, comment="kind, camera, zone, subject"
        ),
        sa.Column("camera", sa.String(63), nullable=False),
        sa.Column("grid", sa.String(63)),
        sa.Column("owner", sa.String(63)),
        sa.Column("legal_class", sa.String(16)),
        sa.Column("event_id", _id(), nullable=False, comment="the newest sighting"),
        sa.Column("captured_at", _moment(), nullable=False, comment="of the newest sighting"),
        sa.Column("thumbnail_event_id", _id(), comment="newest sighting that carries a thumbnail"),
        sa.Column("plate", sa.Text, comment="JSON of config.event.PlateReading"),
        sa.Column(
            "evidence", sa.Text, nullable=False, comment="JSON list of config.event.EvidenceRef"
        ),
        comment="One row per alert: its state and what is known of its newest sighting.",
    )
    op.create_index("alerts_by_dedup_key", "alerts", ["dedup_key", "seen_at"])
    op.create_index("alerts_by_state", "alerts", ["state", "loudness"])
    op.create_index("alerts_by_time", "alerts", ["opened_at"])


def _create_alert_events() -> None:
    op.create_table(
        "alert_events",
        sa.Column("event_id", _id(), primary_key=True, comment="an event belongs to one alert"),
        sa.Column(
            "alert_id", _id(), sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("visit", _id(), nullable=False),
        sa.Column(
            "relation", sa.String(16), nullable=False, comment="opened, joined, revision, recovery"
        ),
        sa.Column("at", _moment(), nullable=False),
        comment="Which events an alert is made of.",
    )
    op.create_index("alert_events_by_alert", "alert_events", ["alert_id"])
    op.create_index("alert_events_by_visit", "alert_events", ["visit"])


def _create_timers() -> None:
    op.create_table(
        "timers",
        sa.Column(
            "alert_id", _id(), sa.ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("due_at", _moment(), nullable=False),
        comment="The one timer of each alert that still needs somebody.",
    )
    op.create_index("timers_by_due", "timers", ["due_at"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _id(), primary_key=True),
        sa.Column(
            "alert_id", _id(), sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column(
            "alert_version", sa.Integer, nullable=False, comment="the transition that asked for it"
        ),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("target", sa.String(63), nullable=False, comment="person id, or webhook id"),
        sa.Column("person", sa.String(63)),
        sa.Column("idempotency_key", sa.String(200), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False, comment="pending … read, or failed"),
        sa.Column("reason_zh", sa.Text, nullable=False),
        sa.Column("reason_en", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _moment(), comment="null when there is nothing left to try"),
        sa.Column(
            "error", sa.Text, nullable=False, comment="the last attempt's problem; empty if none"
        ),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("changed_at", _moment(), nullable=False),
        comment="Every notification: to whom, over which channel, how far it got.",
    )
    op.create_index("deliveries_by_due", "deliveries", ["channel", "next_attempt_at"])
    op.create_index("deliveries_by_alert", "deliveries", ["alert_id", "cycle"])
    op.create_index("deliveries_by_person", "deliveries", ["person", "alert_id"])


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", _id(), primary_key=True),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("event_id", _id()),
        sa.Column("alert_id", _id()),
        sa.Column("person", sa.String(63)),
        sa.Column(
            "stage", sa.String(16), nullable=False, comment="rule, dedup, route, channel, answer"
        ),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason_zh", sa.Text, nullable=False),
        sa.Column("reason_en", sa.Text, nullable=False),
        comment="Every decision about an event or a person, above all each 'no', with its reason.",
    )
    op.create_index("decisions_by_event", "decisions", ["event_id"])
    op.create_index("decisions_by_alert", "decisions", ["alert_id"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "seq", sa.BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … no gaps"
        ),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("actor", sa.String(63), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False, comment="hash of the row before"),
        sa.Column(
            "hash", sa.String(64), nullable=False, comment="sha256 over this row and previous"
        ),
        comment="Append-only log in which each row vouches for the one before.",
    )


def _create_stream() -> None:
    op.create_table(
        "stream",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column(
            "alert_id", _id(), sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("body", sa.Text, nullable=False, comment="JSON of the alert row as it was then"),
        comment="Every change of every alert, at positions 1, 2, 3 … that become visible in order.",
    )
    op.create_index("stream_by_alert", "stream", ["alert_id"])


def _create_counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        comment="Last position of stream and audit. A transaction takes its row's lock last and "
        "holds it until it commits, so that numbers are gap-free and become visible in order.",
    )
