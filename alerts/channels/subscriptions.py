"""Browsers that take Web Push for a person: kept, found, and forgotten when they are gone."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine, delete, func, select

from alerts.channels.schema import push_subscriptions
from config.clock import Clock
from config.errors import UserError
from config.ids import uuid7
from ingest.engine import insert_into, reading, writing

MOST_PER_PERSON = 10
_KEY_BYTES = 65
_AUTH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Subscription:
    """One browser: where to post, its P-256 public key and its authentication secret, raw."""

    id: str
    endpoint: str
    p256dh: bytes
    auth: bytes


class Subscriptions:
    """The subscriptions of one database; ``hosts`` are the push services that may be named."""

    def __init__(self, engine: Engine, clock: Clock, hosts: Sequence[str]) -> None:
        self._engine = engine
        self._clock = clock
        self._hosts = hosts

    def add(self, person: str, *, endpoint: str, p256dh: str, auth: str, device: str) -> None:
        """Keep a browser, or give one that is known to this person; the oldest beyond ten go.

        Raises:
            UserError: the address is of no push service that is allowed, or a key is malformed.
        """
        self._check(endpoint, p256dh, auth)
        values = {
            "id": uuid7(self._clock.now()),
            "person": person,
            "endpoint": endpoint,
            "p256dh": p256dh,
            "auth": auth,
            "device": device[:200],
            "made_at": self._clock.now(),
        }
        table = push_subscriptions
        with writing(self._engine) as connection:
            changed = {name: values[name] for name in values if name not in ("id", "endpoint")}
            added = insert_into(connection, table).values(values)
            connection.execute(
                added.on_conflict_do_update(index_elements=["endpoint"], set_=changed)
            )
            newest = (
                select(table.c.id)
                .where(table.c.person == person)
                .order_by(table.c.made_at.desc(), table.c.id.desc())
                .offset(MOST_PER_PERSON)
            )
            old = list(connection.execute(newest).scalars())
            connection.execute(delete(table).where(table.c.id.in_(old)))

    def remove(self, person: str, endpoint: str) -> bool:
        """Forget a browser of this person; False when there was none."""
        table = push_subscriptions.c
        return self._delete((table.person == person) & (table.endpoint == endpoint)) > 0

    def forget(self, subscription: Subscription) -> None:
        """The push service says that it is gone (RFC 8030, section 7.3)."""
        self._delete(push_subscriptions.c.id == subscription.id)

    def of(self, person: str) -> list[Subscription]:
        """The browsers of a person, the newest first."""
        table = push_subscriptions
        order = table.c.made_at.desc(), table.c.id.desc()
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(table).where(table.c.person == person).order_by(*order)
            ).all()
        return [
            Subscription(row.id, row.endpoint, _decode(row.p256dh), _decode(row.auth))
            for row in rows
        ]

    def count(self, person: str) -> int:
        """How many browsers take push messages for this person."""
        table = push_subscriptions.c
        found = select(func.count()).where(table.person == person)
        with reading(self._engine) as connection:
            return connection.execute(found).scalar_one()

    def _delete(self, condition: object) -> int:
        with writing(self._engine) as connection:
            return connection.execute(delete(push_subscriptions).where(condition)).rowcount  # type: ignore[arg-type]

    def _check(self, endpoint: str, p256dh: str, auth: str) -> None:
        if not is_allowed(endpoint, self._hosts):
            raise _malformed("endpoint", "is not of a push service that this centre allows")
        try:
            key, secret = _decode(p256dh), _decode(auth)
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        except (ValueError, binascii.Error):
            raise _malformed("keys", "are not of the kind that browsers make") from None
        if len(key) != _KEY_BYTES or len(secret) != _AUTH_BYTES:
            raise _malformed("keys", "have the wrong length")


def is_allowed(endpoint: str, hosts: Sequence[str]) -> bool:
    """True when we may post to ``endpoint``: anybody who logs in could name one.

    ``hosts`` are names, ``*.`` before one stands for anything, and a name may have a port;
    without one it is 443. Only https.
    """
    try:
        parts = urlsplit(endpoint)
        port = parts.port or 443
    except ValueError:
        return False
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or len(endpoint) > 1000:
        return False
    for allowed in hosts:
        name, _, wanted = allowed.partition(":")
        if port != int(wanted or 443):
            continue
        if name == parts.hostname or (name.startswith("*.") and parts.hostname.endswith(name[1:])):
            return True
    return False


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _malformed(field: str, problem: str) -> UserError:
    return UserError(
        where="push subscription",
        field=field,
        problem=problem,
        remedy="switch notifications off and on again in this browser",
    )
