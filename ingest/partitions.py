"""Keeps a partition of ``events`` ready for each day on PostgreSQL; elsewhere does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from config.logs import get_logger
from ingest.engine import reading, writing

log = get_logger(__name__)

DAYS_AHEAD = 3
OLDEST_DAYS = 400
"""An id of another time, from a clock that is wrong, goes to the default partition."""
LOCK_WAIT = "5s"
"""Inserts wait for the lock of a new partition, and it for them and for readers: not for long."""
AGAIN_AFTER = timedelta(minutes=1)
"""A partition that could not be made is asked for again then: a backup that reads all events keeps
it out for as long, and meanwhile the default one takes what has none."""
_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000
_LOCK_KEY = 0x7061727469
_NAME = re.compile(r"events_\d{8}")


def lower_bound(day: date) -> str:
    """The first text that a UUIDv7 of ``day`` (UTC) can begin with: its 48 bits of milliseconds.

    Ids are compared byte by byte, so that ranges of text are ranges of time.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    milliseconds = int(midnight.timestamp() * 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}"


def partition_name(day: date) -> str:
    """``events_20260301``."""
    return f"events_{day:%Y%m%d}"


class Partitions:
    """What one process knows of the partitions; asking for a known day costs nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_postgresql = engine.dialect.name == "postgresql"
        self._settled: set[date] = set()
        """Days that have a partition, or whose first events lie in the default one already."""
        self._failed_at: datetime | None = None

    def prepare(self, ids: Iterable[str], now: datetime) -> None:
        """Make the partitions that events of ``ids`` need, and those of the next days.

        Never raises for a database in trouble: the default partition takes every event.
        """
        if not self._is_postgresql or self._has_just_failed(now):
            return
        today = now.astimezone(UTC).date()
        oldest, newest = today - timedelta(days=OLDEST_DAYS), today + timedelta(days=DAYS_AHEAD)
        numbers = {int(event_id[:8] + event_id[9:13], 16) // _DAY_MS for event_id in ids}
        wanted = {_EPOCH + timedelta(days=number) for number in numbers}
        wanted = {day for day in wanted if oldest <= day <= newest} - self._settled
        if today not in self._settled or newest not in self._settled:
            wanted |= {today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)}
        missing = sorted(wanted - self._settled)
        try:
            if missing:
                self._make(missing)
        except SQLAlchemyError as error:
            self._failed_at = now
            log.warning("no partition made, the default one is used", why=type(error).__name__)

    def _has_just_failed(self, now: datetime) -> bool:
        failed_at = self._failed_at
        return failed_at is not None and failed_at <= now < failed_at + AGAIN_AFTER

    def days(self) -> list[date]:
        """The days that have a partition, ascending; empty on SQLite."""
        if not self._is_postgresql:
            return []
        with reading(self._engine) as connection:
            return sorted(_existing(connection))

    def _make(self, days: list[date]) -> None:
        with writing(self._engine) as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            there = _existing(connection)
            for day in days:
                if day not in there and not _default_holds(connection, day):
                    _create(connection, day)
        self._settled.update(days)


def _existing(connection: Connection) -> set[date]:
    names = connection.execute(
        text(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass"
        )
    ).scalars()
    found = (name.rpartition(".")[2] for name in names)
    return {
        datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
        for name in found
        if _NAME.fullmatch(name)
    }


def _bounds(day: date) -> dict[str, str]:
    return {"low": lower_bound(day), "high": lower_bound(day + timedelta(days=1))}


def _default_holds(connection: Connection, day: date) -> bool:
    """True when events of that day came before their partition: they stay where they are."""
    statement = text("SELECT 1 FROM events_default WHERE id >= :low AND id < :high LIMIT 1")
    return connection.execute(statement, _bounds(day)).first() is not None


def _create(connection: Connection, day: date) -> None:
    bounds = _bounds(day)  # digits and dashes only: DDL takes no parameters
    connection.execute(
        text(
            f"CREATE TABLE {partition_name(day)} PARTITION OF events"
            f" FOR VALUES FROM ('{bounds['low']}') TO ('{bounds['high']}')"
        )
    )
