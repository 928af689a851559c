"""Tables of the web: who may log in and how, and what people file on their pages."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ingest.schema import UtcDateTime, id_type, metadata

accounts = Table(
    "web_accounts",
    metadata,
    Column("person_id", String(63), primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("source", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("fingerprint", String(64)),
)
"""Who may log in. ``source`` is ``secrets`` for a password that the secrets file decides;
``fingerprint`` tells whether that password is still the one that was hashed."""

sessions = Table(
    "web_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("csrf_token", String(64), nullable=False),
    Column("person_id", String(63), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("address", String(64), nullable=False),
    Column("device", String(200), nullable=False),
    Index("ix_web_sessions_person_id", "person_id"),
    Index("ix_web_sessions_expires_at", "expires_at"),
)
"""One row per login. The cookie's token is not kept, only its SHA-256."""

login_attempts = Table(
    "web_login_attempts",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("account", String(63), nullable=False),
    Column("address", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_web_login_attempts_account", "account", "at"),
    Index("ix_web_login_attempts_address", "address", "at"),
)
"""Logins that have not succeeded (yet); a success takes its row away again."""

keys = Table(
    "web_keys",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", LargeBinary(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""Random keys that every web process of a county shares."""

second_factors = Table(
    "web_second_factors",
    metadata,
    Column("person_id", String(63), primary_key=True),
    Column("secret", String(255), nullable=False),
    Column("recovery", Text, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
)
"""One-time code secrets (RFC 6238), sealed by :mod:`alerts.web.base.seals`. ``recovery`` is a JSON
list of SHA-256 of unused codes; ``last_step`` is the newest time step that was used, so that no
code counts twice."""

invitations = Table(
    "web_invitations",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("person_id", String(63), nullable=False),
    Column("created_by", String(63), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Index("web_invitations_by_person", "person_id"),
)
"""Links, shown as QR codes, with which somebody chooses their first password, once."""

reports = Table(
    "web_reports",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("alert_id", id_type(), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("person", String(63), nullable=False),
    Column("kind", String(16), nullable=False, comment="arrived, reported, department"),
    Column("outcome", String(16)),
    Column("department", String(63)),
    Column("note", Text, nullable=False),
    Column("proof", String(16), nullable=False, comment="sign, photo, or nothing"),
    Column("photo_sha256", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Index("web_reports_by_alert", "alert_id"),
)
"""What people said from the spot, with the photo they took."""

exports = Table(
    "web_exports",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("alert_ids", Text, nullable=False, comment="JSON list"),
    Column("purpose", Text, nullable=False),
    Column("case_number", String(64), nullable=False),
    Column("requester", String(63), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("approver", String(63)),
    Column("state", String(16), nullable=False, comment="asked, approved, refused"),
    Column("decided_at", UtcDateTime),
    Column("manifest_sha256", String(64)),
)
"""Evidence that leaves the system, each time asked by one person and approved by another."""

drawings = Table(
    "web_drawings",
    metadata,
    Column("id", id_type(), primary_key=True),
    Column("camera", String(63), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False, comment="JSON of alerts.web.drawing.Drawing"),
    Column("drawn_by", String(63), nullable=False),
    Column("drawn_at", UtcDateTime, nullable=False),
    UniqueConstraint("camera", "revision"),
)
"""Zones, lines and masks as drawn on a camera's picture; the newest revision counts."""

discoveries = Table(
    "discoveries",
    metadata,
    Column("node", String(63), primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("asked_by", String(63), nullable=False),
    Column("reported_at", UtcDateTime),
    Column("body", Text, nullable=False),
    Column("problem", Text, nullable=False),
)
"""The newest search for cameras on each node's own network; ``body`` is a JSON list of
:class:`config.discovery.FoundCamera`."""

camera_trials = Table(
    "camera_trials",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("node", String(63), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("asked_by", String(63), nullable=False),
    Column("reported_at", UtcDateTime),
    Column("body", Text, nullable=False),
    Column("picture", LargeBinary),
)
"""Found cameras that an installer is trying just now; rows live for minutes. ``body`` is a JSON
:class:`config.discovery.TrialReport` without its picture, empty until the node has answered."""
