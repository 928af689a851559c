"""Calendar links: the secret address at which a person's calendar program finds their turns."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from alerts.store.choices_schema import calendar_links
from config.clock import Clock
from ingest.engine import reading, writing


class CalendarLinks:
    """One secret address per person; only the SHA-256 of its token is kept."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def renew(self, person: str) -> str:
        """A new token, shown only now; the one before ends."""
        token = secrets.token_urlsafe(24)
        row = {"person": person, "token_sha256": _digest(token), "created_at": self._clock.now()}
        with writing(self._engine) as connection:
            connection.execute(delete(calendar_links).where(calendar_links.c.person == person))
            connection.execute(insert(calendar_links).values(row))
        return token

    def end(self, person: str) -> None:
        """The address of that person leads nowhere any more."""
        with writing(self._engine) as connection:
            connection.execute(delete(calendar_links).where(calendar_links.c.person == person))

    def person_of(self, token: str) -> str | None:
        """Whose calendar the token opens."""
        with reading(self._engine) as connection:
            return connection.execute(
                select(calendar_links.c.person).where(
                    calendar_links.c.token_sha256 == _digest(token)
                )
            ).scalar_one_or_none()

    def since(self, person: str) -> datetime | None:
        """Since when that person has an address; None when they have none."""
        with reading(self._engine) as connection:
            return connection.execute(
                select(calendar_links.c.created_at).where(calendar_links.c.person == person)
            ).scalar_one_or_none()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
