"""Accounts: who may log in, with argon2id password hashes seeded from the secrets file."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random_source
import threading
from collections.abc import Mapping
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Engine, Row, delete, insert, select, update

from alerts.web.base.keys import shared_key
from alerts.web.schema import accounts, sessions
from config.clock import Clock
from config.logs import get_logger
from config.secrets import Secrets
from config.site import Site
from ingest.engine import reading, writing

FROM_SECRETS = "secrets"
FROM_INVITATION = "invitation"
NOT_YET = ""
"""Instead of a hash: the fingerprint decides until the first login."""
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
        self._key = shared_key(engine, clock, "password_fingerprints")
        self._hasher = hasher or PasswordHasher()
        # One hash takes 64 MiB: a burst of logins must not take the machine's memory.
        self._hashing = threading.BoundedSemaphore(2)
        # Compared against when there is no such account, so that both answers take as long.
        self._nobody = self._hash(random_source.token_urlsafe(16))

    def seed(self, site: Site, secrets: Secrets) -> int:
        """Make the accounts agree with the secrets file; returns how many people may log in.

        A changed password ends that person's sessions; a person who left the file loses account
        and sessions. People of the secrets file whom the site does not know are left out and
        logged by id. Nothing is hashed here, however many people there are: a password is
        hashed when it is first used.
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
        self._create_unhashed({who: text for who, text in wanted.items() if who not in kept})
        for person_id, password in wanted.items():
            known = kept.get(person_id)
            if known is not None and known.source == FROM_SECRETS:
                self._keep_or_replace(known, password)
        return len({*wanted, *(p for p, row in kept.items() if row.source != FROM_SECRETS)})

    def check(self, person_id: str, password: str) -> bool:
        """True when ``password`` is that person's. Takes as long for an unknown person."""
        if len(password) > PASSWORD_LIMIT:
            return False
        with reading(self._engine) as connection:
            row = connection.execute(
                select(accounts).where(accounts.c.person_id == person_id)
            ).one_or_none()
        if row is None or (row.password_hash == NOT_YET and not self._is_same(row, password)):
            self._matches(self._nobody, password)
            return False
        if row.password_hash == NOT_YET:
            self._hash_now(row, password)
            return True
        return self._matches(row.password_hash, password)

    def set_password(self, person_id: str, password: str) -> None:
        """The password that somebody chose with an invitation; earlier sessions end."""
        self.forget(person_id)
        self._create(person_id, password)

    def forget(self, person_id: str) -> None:
        """Remove an account, if there is one, and end its sessions."""
        self._remove(person_id)

    def known(self) -> dict[str, str]:
        """Who may log in, and where their password comes from."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(accounts.c.person_id, accounts.c.source)).all()
        return {row.person_id: row.source for row in rows}

    def _keep_or_replace(self, known: Row[Any], password: str) -> None:
        """A fingerprint tells at once that the password is the same; the hash would take 50 ms."""
        if self._is_same(known, password):
            return
        if known.fingerprint is not None or not self._matches(known.password_hash, password):
            self._replace(known.person_id, password)
            return
        fingerprint = self._fingerprint(known.person_id, password)
        with writing(self._engine) as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.person_id == known.person_id)
                .values(fingerprint=fingerprint)
            )

    def _is_same(self, row: Row[Any], password: str) -> bool:
        fingerprint = self._fingerprint(row.person_id, password)
        return row.fingerprint is not None and hmac.compare_digest(row.fingerprint, fingerprint)

    def _hash_now(self, row: Row[Any], password: str) -> None:
        """The first login with a password of the secrets file: from now on its hash counts."""
        hashed = self._hash(password)
        table = accounts.c
        with writing(self._engine) as connection:
            connection.execute(
                update(accounts)
                .where(table.person_id == row.person_id, table.fingerprint == row.fingerprint)
                .values(password_hash=hashed)
            )

    def _create_unhashed(self, passwords: Mapping[str, str]) -> None:
        """Accounts whose passwords the secrets file decides, all in one transaction."""
        if not passwords:
            return
        now = self._clock.now()
        with writing(self._engine) as connection:
            # Two processes may start at once: the later one's rows are as good.
            connection.execute(delete(accounts).where(accounts.c.person_id.in_(sorted(passwords))))
            connection.execute(
                insert(accounts),
                [
                    {
                        "person_id": person_id,
                        "password_hash": NOT_YET,
                        "source": FROM_SECRETS,
                        "fingerprint": self._fingerprint(person_id, password),
                        "created_at": now,
                        "changed_at": now,
                    }
                    for person_id, password in passwords.items()
                ],
            )

    def _fingerprint(self, person_id: str, password: str) -> str:
        """HMAC-SHA256 under the county's own key, for passwords of the secrets file only.

        Whoever can read the key can read the file's passwords' fingerprints too; those are as
        strong as the passwords, which the operator generates. A password that a person chose
        gets none.
        """
        text = f"{person_id}\0{password}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _create(self, person_id: str, password: str) -> None:
        hashed = self._hash(password)
        now = self._clock.now()
        with writing(self._engine) as connection:
            connection.execute(delete(accounts).where(accounts.c.person_id == person_id))
            connection.execute(
                insert(accounts).values(
                    person_id=person_id,
                    password_hash=hashed,
                    source=FROM_INVITATION,
                    fingerprint=None,
                    created_at=now,
                    changed_at=now,
                )
            )

    def _replace(self, person_id: str, password: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.person_id == person_id)
                .values(
                    password_hash=NOT_YET,
                    fingerprint=self._fingerprint(person_id, password),
                    changed_at=now,
                )
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
