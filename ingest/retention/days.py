"""Drops a whole day's partition on PostgreSQL, when every event in it is due and none is held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, and_, or_, select, table, text
from sqlalchemy import column as named_column
from sqlalchemy.exc import DBAPIError

from config.logs import get_logger
from ingest.engine import writing
from ingest.failures import is_deadlock, sqlstate
from ingest.partitions import Partitions, partition_name
from ingest.retention.holds import held
from ingest.retention.rules import Rule, any_due
from ingest.retention.swept import Swept
from ingest.schema import events

log = get_logger(__name__)

_PAGE = 5_000
_LOCK_WAIT = "5s"
_LOCK_NOT_AVAILABLE = "55P03"
DeleteRows = Callable[[Connection, Sequence[Row[Any]], Rule], None]
"""What goes with events, and their proof; see :meth:`ingest.retention.sweep.Sweeper`."""
Lock = Callable[[Connection, datetime], None]
"""Takes the lock between deleting and holding, and finds what is held at that moment."""


class Days:
    """The partitions of one database; on SQLite there are none."""

    def __init__(self, engine: Engine, delete_rows: DeleteRows, lock: Lock) -> None:
        self._engine = engine
        self._delete_rows = delete_rows
        self._lock = lock
        self._partitions = Partitions(engine)

    def drop_due(
        self, rules: Sequence[Rule], now: datetime, swept: Swept, stopping: threading.Event
    ) -> None:
        """Drop every day that is wholly due; a day with anything else in it stays for now."""
        shortest = min((rule.days for rule in rules), default=0)
        for day in self._partitions.days():
            if stopping.is_set() or _age_days(day, now) <= shortest:
                return
            try:
                self._drop(day, rules, now, swept)
            except DBAPIError as error:
                if not is_deadlock(error) and sqlstate(error) != _LOCK_NOT_AVAILABLE:
                    raise
                log.warning("a day is in use, it is dropped at the next sweep", day=str(day))

    def _drop(self, day: date, rules: Sequence[Rule], now: datetime, swept: Swept) -> None:
        name = partition_name(day)
        part = _events_of(name)
        with writing(self._engine) as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
            self._lock(connection, now)
            # Reading goes on; an event of that day that comes now waits, or makes us give up.
            connection.execute(text(f"LOCK TABLE {name} IN SHARE MODE"))
            if connection.execute(_anything_else(part, rules, now)).first() is not None:
                return
            count = self._prove(connection, part, {rule.camera: rule for rule in rules})
            connection.execute(text(f"ALTER TABLE events DETACH PARTITION {name}"))
            connection.execute(text(f"DROP TABLE {name}"))
        swept.events += count
        swept.days_dropped.append(name)
        log.info("a day was dropped", day=str(day), events=count)

    def _prove(self, connection: Connection, part: Table, rules: dict[str, Rule]) -> int:
        total, last = 0, ("", "")
        while True:
            camera, event_id = part.c.camera, part.c.id
            place = or_(camera > last[0], and_(camera == last[0], event_id > last[1]))
            rows = connection.execute(
                select(part).where(place).order_by(camera, event_id).limit(_PAGE)
            ).all()
            for name, of_camera in groupby(rows, key=lambda row: str(row.camera)):
                self._delete_rows(connection, list(of_camera), rules[name])
            total += len(rows)
            if len(rows) < _PAGE:
                return total
            last = (str(rows[-1].camera), str(rows[-1].id))


def _anything_else(part: Table, rules: Sequence[Rule], now: datetime) -> Any:
    """One row that may not go yet: not due by its camera's rule, of no rule, or held."""
    due = any_due(part, rules, now)
    return select(part.c.id).where(or_(~due, held(part, now))).limit(1)


def _events_of(name: str) -> Table:
    columns = [named_column(item.name, item.type) for item in events.c]
    return table(name, *columns)  # type: ignore[return-value]


def _age_days(day: date, now: datetime) -> float:
    return (now.date() - day) / timedelta(days=1) - 1
