"""Second factors: one-time codes from a phone (TOTP), and recovery codes for when it is lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random_source
from typing import Any

import pyotp
from sqlalchemy import Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.web.base.seals import Seals, is_sealed_text, unpack_text
from alerts.web.schema import second_factors
from config.clock import Clock
from ingest.engine import reading, writing

STEP_S = 30
RECOVERY_CODES = 8


class SecondFactors:
    """The one-time code secrets of one county's people (RFC 6238: SHA-1, 6 digits, 30 s).

    Args:
        engine: the centre's database.
        clock: the only source of time.
        seals: secrets lie in the database only sealed.
    """

    def __init__(self, engine: Engine, clock: Clock, seals: Seals) -> None:
        self._engine = engine
        self._clock = clock
        self._seals = seals

    @property
    def available(self) -> bool:
        """True when a phone can be enrolled: there is a key to seal its secret with."""
        return self._seals.available

    def seal_stored(self) -> int:
        """Seal what an earlier version or an earlier key left behind; returns how many.

        Raises:
            UserError: a secret is stored whose key is not at hand, or that no key can seal.
        """
        table = second_factors.c
        with reading(self._engine) as connection:
            rows = connection.execute(select(second_factors)).all()
        changed = 0
        for row in rows:
            secret = row.secret
            if is_sealed_text(secret):
                secret = self._secret(row)
                if self._seals.is_newest(unpack_text(row.secret)):
                    continue
            sealed = self._seals.seal_text(secret, place=_place(row.person_id))
            # Only what was read: another process may have sealed it meanwhile.
            condition = (table.person_id == row.person_id, table.secret == row.secret)
            with writing(self._engine) as connection:
                change = update(second_factors).where(*condition).values(secret=sealed)
                changed += connection.execute(change).rowcount
        return changed

    def enrolled(self, person_id: str) -> bool:
        """True when that person's phone has been confirmed."""
        row = self._row(person_id)
        return row is not None and row.confirmed_at is not None

    def begin(self, person_id: str) -> str:
        """The secret for that person's phone (base 32); the same until it is confirmed.

        Raises:
            UserError: there is no key to seal it with (see :attr:`available`).
        """
        row = self._row(person_id)
        if row is not None and row.confirmed_at is None:
            return self._secret(row)
        if row is not None:
            raise ValueError("this person's phone is confirmed already")
        secret = pyotp.random_base32()
        sealed = self._seals.seal_text(secret, place=_place(person_id))
        fresh = insert(second_factors).values(
            person_id=person_id,
            secret=sealed,
            recovery="[]",
            last_step=0,
            created_at=self._clock.now(),
        )
        try:
            with writing(self._engine) as connection:
                connection.execute(fresh)
        except IntegrityError:
            return self.begin(person_id)  # Another window was quicker: its secret is the one.
        return secret

    def confirm(self, person_id: str, code: str) -> list[str] | None:
        """Confirm the phone with its first code: recovery codes to show once; None if wrong."""
        row = self._row(person_id)
        if row is None or row.confirmed_at is not None:
            return None
        step = self._step(self._secret(row), code, after=0)
        if step is None:
            return None
        codes = [random_source.token_hex(5) for _ in range(RECOVERY_CODES)]
        kept = json.dumps([_digest(recovery) for recovery in codes])
        with writing(self._engine) as connection:
            connection.execute(
                update(second_factors)
                .where(second_factors.c.person_id == person_id)
                .values(confirmed_at=self._clock.now(), last_step=step, recovery=kept)
            )
        return codes

    def check(self, person_id: str, code: str) -> bool:
        """True for a fresh code or an unused recovery code; either counts once only."""
        row = self._row(person_id)
        if row is None or row.confirmed_at is None:
            return False
        typed = "".join(code.split()).lower()[:32]
        table = second_factors.c
        step = self._step(self._secret(row), typed, after=row.last_step)
        if step is not None:
            change = update(second_factors).values(last_step=step)
            condition = table.last_step < step
        else:
            kept: list[str] = json.loads(row.recovery)
            if _digest(typed) not in kept:
                return False
            kept.remove(_digest(typed))
            change = update(second_factors).values(recovery=json.dumps(kept))
            condition = table.recovery == row.recovery
        with writing(self._engine) as connection:
            # Two browsers with the same code at once: one of them changes the row.
            result = connection.execute(change.where(table.person_id == person_id, condition))
        return result.rowcount == 1

    def forget(self, person_id: str) -> None:
        """Remove it: the phone was lost, and the recovery codes too."""
        with writing(self._engine) as connection:
            connection.execute(
                delete(second_factors).where(second_factors.c.person_id == person_id)
            )

    def _secret(self, row: Row[Any]) -> str:
        return self._seals.open_text(row.secret, place=_place(row.person_id))

    def _step(self, secret: str, code: str, *, after: int) -> int | None:
        """The time step that ``code`` is of: now, or one off for a phone's clock; else None."""
        now = int(self._clock.now().timestamp()) // STEP_S
        generator = pyotp.TOTP(secret)
        for step in (now, now - 1, now + 1):
            expected = generator.at(step * STEP_S)
            if step > after and hmac.compare_digest(expected.encode(), code.encode()):
                return step
        return None

    def _row(self, person_id: str) -> Row[Any] | None:
        with reading(self._engine) as connection:
            return connection.execute(
                select(second_factors).where(second_factors.c.person_id == person_id)
            ).one_or_none()


def address(secret: str, *, person_id: str, county: str) -> str:
    """The ``otpauth:`` address that a phone's app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=person_id, issuer_name=f"Menshen {county}")


def _place(person_id: str) -> str:
    return f"web_second_factors {person_id}"


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
