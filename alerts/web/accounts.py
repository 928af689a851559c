"""Accounts: who may log in, with argon2id password hashes seeded from the secrets file."""

from __future__ import annotations

import secrets as random_source
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Engine, delete, insert, select, update

from alerts.web.schema import accounts, sessions
from config.clock import Clock
from config.logs import get_logger
from config.secrets import Secrets
from config.site import Site
from ingest.engine import reading, writing

FROM_SECRETS = "secrets"
PASSWORD_LIMIT = 1024
"""Characters; a longer one is refused before any hashing work."""

_log = get_logger(__name__)


class Accounts:
    """Passwords of the people of one county.

    Args:
        engine: the centre's database.
        clock: when a password was set.
        hasher: argon2id with the parameters of RFC 9106, section 4, second choice, by default.
    """

    def __init__(self, engine: Engine, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        # One hash takes 64 MiB: a burst of logins must not take the machine's memory.
        self._hashing = threading.BoundedSemaphore(2)
        # Compared against when there is no such account, so that both answers take as long.
        self._nobody = self._hash(random_source.token_urlsafe(16))

    def seed(self, site: Site, secrets: Secrets) -> int:
        """Make the accounts agree with the secrets file; returns how many people may log in.

        A new or changed password is hashed, and a changed one ends that person's sessions; a
        person who left the file loses account and sessions. People of the secrets file whom the
        site does not know are left out and logged by id.
        """
        wanted: dict[str, str] = {}
        for person_id, secret in secrets.people.items():
            if site.person(person_id) is None:
                _log.warning("secrets name a person the site does not know", person=person_id)
            elif secret.password is not None:
                wanted[person_id] = secret.password.get_secret_value()
        with reading(self._engine) as connection:
            rows = connection.execute(select(accounts)).all()
        kept = {row.person_id: row for row in rows}
        for person_id, row in kept.items():
            if row.source == FROM_SECRETS and person_id not in wanted:
                self._remove(person_id)
        for person_id, password in wanted.items():
            known = kept.get(person_id)
            if known is None:
                self._create(person_id, password)
            elif known.source == FROM_SECRETS and not self._matches(known.password_hash, password):
                self._replace(person_id, password)
        return len({*wanted, *(p for p, row in kept.items() if row.source != FROM_SECRETS)})

    def check(self, person_id: str, password: str) -> bool:
        """True when ``password`` is that person's. Takes as long for an unknown person."""
        if len(password) > PASSWORD_LIMIT:
            return False
        with reading(self._engine) as connection:
            stored = connection.execute(
                select(accounts.c.password_hash).where(accounts.c.person_id == person_id)
            ).scalar_one_or_none()
        matches = self._matches(stored or self._nobody, password)
        return matches and stored is not None

    def _create(self, person_id: str, password: str) -> None:
        hashed = self._hash(password)
        now = self._clock.now()
        with writing(self._engine) as connection:
            # Two processes may start at once: the later one's hash is as good.
            connection.execute(delete(accounts).where(accounts.c.person_id == person_id))
            connection.execute(
                insert(accounts).values(
                    person_id=person_id,
                    password_hash=hashed,
                    source=FROM_SECRETS,
                    created_at=now,
                    changed_at=now,
                )
            )

    def _replace(self, person_id: str, password: str) -> None:
        hashed = self._hash(password)
        now = self._clock.now()
        with writing(self._engine) as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.person_id == person_id)
                .values(password_hash=hashed, changed_at=now)
            )
            connection.execute(
                update(sessions)
                .where(sessions.c.person_id == person_id, sessions.c.revoked_at.is_(None))
                .values(revoked_at=now)
            )
        _log.info("password changed; sessions ended", person=person_id)

    def _remove(self, person_id: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(accounts).where(accounts.c.person_id == person_id))
            connection.execute(
                update(sessions)
                .where(sessions.c.person_id == person_id, sessions.c.revoked_at.is_(None))
                .values(revoked_at=self._clock.now())
            )
        _log.info("account removed; sessions ended", person=person_id)

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(password)

    def _matches(self, hashed: str, password: str) -> bool:
        with self._hashing:
            try:
                return self._hasher.verify(hashed, password)
            except (VerificationError, InvalidHashError):
                return False
