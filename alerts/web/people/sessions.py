"""Sessions: server-side, revocable; the browser holds only a random token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.engine import Row

from alerts.web.schema import sessions
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing

LIFETIME = timedelta(hours=12)
"""A shift and its hand-over; then the person logs in again."""
SEEN_EVERY = timedelta(minutes=1)
"""How often a session's last use is written: not at every request."""
KEPT_AFTER_END = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Session:
    """One login of one person on one device."""

    id: str
    person_id: str
    csrf_token: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    device: str


class Sessions:
    """The sessions of one county's people."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def open(self, person_id: str, *, address: str, device: str) -> tuple[str, Session]:
        """A new session and its token. The token is always fresh, so none can be fixed before."""
        now = self._clock.now()
        token = secrets.token_urlsafe(32)
        session = Session(
            id=uuid7(now),
            person_id=person_id,
            csrf_token=secrets.token_urlsafe(32),
            created_at=now,
            seen_at=now,
            expires_at=now + LIFETIME,
            address=address[:64],
            device=device[:200],
        )
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at < now - KEPT_AFTER_END))
            connection.execute(
                insert(sessions).values(
                    token_sha256=_digest(token),
                    revoked_at=None,
                    **{name: getattr(session, name) for name in Session.__slots__},
                )
            )
        return token, session

    def find(self, token: str) -> Session | None:
        """The living session of ``token``, or None; notes that it was used."""
        now = self._clock.now()
        with reading(self._engine) as connection:
            row = connection.execute(
                select(sessions).where(
                    sessions.c.token_sha256 == _digest(token),
                    sessions.c.revoked_at.is_(None),
                    sessions.c.expires_at > now,
                )
            ).one_or_none()
        if row is None:
            return None
        session = _session(row)
        if now - session.seen_at >= SEEN_EVERY:
            with writing(self._engine) as connection:
                connection.execute(
                    update(sessions).where(sessions.c.id == session.id).values(seen_at=now)
                )
        return session

    def alive(self, session_id: str) -> bool:
        """True while the session is neither revoked nor expired."""
        return session_id in self.living([session_id])

    def living(self, session_ids: Collection[str]) -> set[str]:
        """Those of the sessions that are neither revoked nor expired."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(sessions.c.id).where(
                    sessions.c.id.in_(session_ids),
                    sessions.c.revoked_at.is_(None),
                    sessions.c.expires_at > self._clock.now(),
                )
            )
            return set(found.scalars())

    def of_person(self, person_id: str) -> list[Session]:
        """That person's living sessions, newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(sessions)
                .where(
                    sessions.c.person_id == person_id,
                    sessions.c.revoked_at.is_(None),
                    sessions.c.expires_at > self._clock.now(),
                )
                .order_by(sessions.c.created_at.desc())
            ).all()
        return [_session(row) for row in rows]

    def revoke(self, session_id: str, *, person_id: str) -> bool:
        """End one session of that person; False when they have no such living session."""
        with writing(self._engine) as connection:
            result = connection.execute(
                update(sessions)
                .where(
                    sessions.c.id == session_id,
                    sessions.c.person_id == person_id,
                    sessions.c.revoked_at.is_(None),
                )
                .values(revoked_at=self._clock.now())
            )
        return result.rowcount == 1

    def counts(self) -> dict[str, int]:
        """How many living sessions each person has who has any."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(sessions.c.person_id, func.count())
                .where(sessions.c.revoked_at.is_(None), sessions.c.expires_at > self._clock.now())
                .group_by(sessions.c.person_id)
            ).all()
        return {row[0]: row[1] for row in rows}

    def revoke_all(self, person_id: str) -> int:
        """End every session of that person; returns how many were living."""
        with writing(self._engine) as connection:
            result = connection.execute(
                update(sessions)
                .where(sessions.c.person_id == person_id, sessions.c.revoked_at.is_(None))
                .where(sessions.c.expires_at > self._clock.now())
                .values(revoked_at=self._clock.now())
            )
        return result.rowcount


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _session(row: Row[Any]) -> Session:
    return Session(**{name: getattr(row, name) for name in Session.__slots__})
