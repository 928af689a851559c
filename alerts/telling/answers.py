"""Answer links: a signed address in a notification with which its receiver answers, once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from alerts.store import schema
from alerts.store.choices_schema import answers_used
from config.clock import Clock
from config.ids import is_uuid7
from ingest.engine import reading, writing

KEY_NAME = "answers"
LIFETIME = timedelta(hours=2)
"""From the notice on; a later answer needs a login."""
_MAC_BYTES = 16
_PATH = "/a/"


@dataclass(frozen=True, slots=True)
class Permit:
    """What a token still allows: ``person`` answers the alert they were told of."""

    delivery_id: str
    alert_id: str
    person: str
    expires_at: datetime


def sign(key: bytes, delivery_id: str) -> str:
    """The token of a delivery: its UUID and an HMAC-SHA256 cut to 128 bits, base64url, 43 signs.

    Raises:
        ValueError: ``delivery_id`` is no UUIDv7.
    """
    if not is_uuid7(delivery_id):
        raise ValueError(f"{delivery_id!r} is no UUIDv7")
    raw = uuid.UUID(delivery_id).bytes
    return base64.urlsafe_b64encode(raw + _mac(key, raw)).rstrip(b"=").decode()


def read(key: bytes, token: str) -> str | None:
    """The delivery that a token was made for; None when it is not one of ours."""
    try:
        data = base64.b64decode(token.encode() + b"=", altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    raw, mac = data[:16], data[16:]
    if len(raw) != 16 or not hmac.compare_digest(mac, _mac(key, raw)):
        return None
    # Two spellings of one token must not count as two: only the one we write is ours.
    delivery_id = str(uuid.UUID(bytes=raw))
    return delivery_id if is_uuid7(delivery_id) and sign(key, delivery_id) == token else None


def answer_url(key: bytes, base_url: str, delivery_id: str) -> str:
    """The address that a notification carries for its receiver alone."""
    return f"{base_url.rstrip('/')}{_PATH}{sign(key, delivery_id)}"


class Answers:
    """Checks tokens against what was really sent, and spends each at most once."""

    def __init__(self, engine: Engine, clock: Clock, key: bytes) -> None:
        self._engine = engine
        self._clock = clock
        self._key = key

    def permit(self, token: str) -> Permit | None:
        """What the token allows now; None when it is forged, old or spent."""
        delivery_id = read(self._key, token)
        if delivery_id is None:
            return None
        sent = schema.deliveries.c
        with reading(self._engine) as connection:
            row = connection.execute(
                select(sent.alert_id, sent.person, sent.created_at).where(
                    sent.id == delivery_id, sent.person.is_not(None)
                )
            ).one_or_none()
            spent = connection.execute(
                select(answers_used.c.token_id).where(answers_used.c.token_id == delivery_id)
            ).first()
        if row is None or spent is not None:
            return None
        expires_at = row.created_at + LIFETIME
        if self._clock.now() >= expires_at:
            return None
        return Permit(delivery_id, row.alert_id, row.person, expires_at)

    def spend(self, permit: Permit, answer: str) -> bool:
        """Use the permit up; False when another tap was quicker."""
        row = {
            "token_id": permit.delivery_id,
            "alert_id": permit.alert_id,
            "person": permit.person,
            "answer": answer,
            "used_at": self._clock.now(),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(answers_used).values(row))
        except IntegrityError:
            return False
        return True


def _mac(key: bytes, raw: bytes) -> bytes:
    return hmac.new(key, b"menshen answer " + raw, hashlib.sha256).digest()[:_MAC_BYTES]
