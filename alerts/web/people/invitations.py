"""Invitations: a link, shown as a QR code, with which one person sets a password, once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, select, update

from alerts.web.schema import invitations
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing

LIFETIME = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom it is for, and until when it can be used."""

    id: str
    person_id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class Invitations:
    """Open and used invitations; only the SHA-256 of a token is kept."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def invite(self, person_id: str, *, by: str) -> str:
        """A new token for that person; their earlier open ones end. It is shown only now."""
        now = self._clock.now()
        token = secrets.token_urlsafe(24)
        table = invitations.c
        with writing(self._engine) as connection:
            connection.execute(
                update(invitations)
                .where(table.person_id == person_id, table.used_at.is_(None))
                .where(table.expires_at > now)
                .values(expires_at=now)
            )
            connection.execute(
                insert(invitations).values(
                    id=uuid7(now),
                    token_sha256=_digest(token),
                    person_id=person_id,
                    created_by=by,
                    created_at=now,
                    expires_at=now + LIFETIME,
                )
            )
        return token

    def find(self, token: str) -> Invitation | None:
        """The invitation of a token, while it can be used."""
        table = invitations.c
        with reading(self._engine) as connection:
            row = connection.execute(
                select(invitations).where(
                    table.token_sha256 == _digest(token),
                    table.used_at.is_(None),
                    table.expires_at > self._clock.now(),
                )
            ).one_or_none()
        if row is None:
            return None
        return Invitation(**{name: getattr(row, name) for name in Invitation.__slots__})

    def use(self, invitation: Invitation) -> bool:
        """Spend it; False when somebody was quicker."""
        now = self._clock.now()
        table = invitations.c
        with writing(self._engine) as connection:
            result = connection.execute(
                update(invitations)
                .where(table.id == invitation.id, table.used_at.is_(None))
                .where(table.expires_at > now)
                .values(used_at=now)
            )
        return result.rowcount == 1

    def latest(self) -> dict[str, Invitation]:
        """The newest invitation of each person."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(invitations).order_by(invitations.c.created_at, invitations.c.id)
            ).all()
        return {
            row.person_id: Invitation(**{name: getattr(row, name) for name in Invitation.__slots__})
            for row in rows
        }


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
