"""Throttle: counts failed logins and locks an account or an address for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select

from alerts.web.schema import login_attempts
from config.clock import Clock
from ingest.engine import writing

WINDOW = timedelta(minutes=15)
"""Failures older than this are forgiven; a lock lasts until the oldest counted one is."""
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures within :data:`WINDOW` lock what they have in common."""

    what: str
    failures: int


PAIR = Limit("account at this address", 5)
ACCOUNT = Limit("account", 20)
"""Higher than :data:`PAIR`, so that a stranger cannot cheaply lock out a grid head at night."""
ADDRESS = Limit("address", 30)
"""A whole village may share one address."""


class LockedOut(Exception):  # noqa: N818 - the state of the login, not a fault of ours
    """Too many failures; no password was looked at.

    Attributes:
        until: when the next attempt is allowed, in UTC.
    """

    def __init__(self, limit: Limit, until: datetime) -> None:
        self.limit = limit
        self.until = until
        super().__init__(f"{limit.what} is locked until {until.isoformat()}")


class Throttle:
    """Failed logins of one county, shared by every web process through the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, account: str, address: str) -> int:
        """Count an attempt before the password is looked at, so that parallel ones count too.

        Returns the attempt's id for :meth:`succeeded`.

        Raises:
            LockedOut: this account, address or the pair has failed too often.
        """
        now = self._clock.now()
        account, address = account[:63], address[:64]
        same_account = login_attempts.c.account == account
        same_address = login_attempts.c.address == address
        with writing(self._engine) as connection:
            connection.execute(delete(login_attempts).where(login_attempts.c.at < now - KEPT))
            _refuse_above(connection, PAIR, now, same_account, same_address)
            _refuse_above(connection, ACCOUNT, now, same_account)
            _refuse_above(connection, ADDRESS, now, same_address)
            result = connection.execute(
                insert(login_attempts).values(account=account, address=address, at=now)
            )
            key = result.inserted_primary_key
            assert key is not None
            return int(key[0])

    def succeeded(self, attempt: int, account: str, address: str) -> None:
        """The password was right: forgive this pair's earlier failures as well."""
        with writing(self._engine) as connection:
            connection.execute(
                delete(login_attempts).where(
                    (login_attempts.c.id == attempt)
                    | (
                        (login_attempts.c.account == account[:63])
                        & (login_attempts.c.address == address[:64])
                    )
                )
            )


def _refuse_above(
    connection: Connection, limit: Limit, now: datetime, *same: ColumnElement[bool]
) -> None:
    moments = connection.execute(
        select(login_attempts.c.at)
        .where(*same, login_attempts.c.at > now - WINDOW)
        .order_by(login_attempts.c.at.desc())
        .limit(limit.failures)
    ).scalars()
    found = list(moments)
    if len(found) >= limit.failures:
        raise LockedOut(limit, found[-1] + WINDOW)
