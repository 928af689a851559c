"""Tables of the web: accounts, sessions, login attempts, and the key that signs login forms."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from ingest.schema import UtcDateTime, metadata

accounts = Table(
    "web_accounts",
    metadata,
    Column("person_id", String(63), primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("source", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
"""Who may log in. ``source`` is ``secrets`` for a password that the secrets file decides."""

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
