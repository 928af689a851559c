"""Counts what people saw of chaos: each change of an alert once on the pages, each notice once."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.seeing.service import AlertService
from alerts.store import schema
from config.clock import SystemClock
from config.site import Site
from ingest.engine import reading
from tests.bench.alerts_gateway import NAME, Arrivals

_LOOK_S = 0.2


class PageWatch:
    """Reads the stream of changes all the time, as a page does that reconnects at its last one."""

    def __init__(self, engine: Engine, site: Site) -> None:
        self.wrong: list[str] = []
        self._engine = engine
        self._service = AlertService(engine, site, SystemClock())
        self._seen = 0
        self._versions: dict[str, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-watch")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read what is left, then end."""
        if self._thread.is_alive():
            self._ending.set()
            self._thread.join()

    def _run(self) -> None:
        while True:
            is_last = self._ending.is_set()
            try:
                while self._look():
                    pass
            except (SQLAlchemyError, OSError):
                is_last = False
            if is_last:
                return
            self._ending.wait(_LOOK_S)

    def _look(self) -> bool:
        """Look at what is new; True when there was any."""
        found = self._service.changes(after=self._seen)
        for change in found:
            if change.position != self._seen + 1:
                self.wrong.append(f"after change {self._seen} came {change.position}")
            self._seen = change.position
        return bool(found)

    def read(self) -> int:
        """Changes that were seen, and are still there at positions without a gap."""
        with reading(self._engine) as connection:
            most, count = connection.execute(
                select(func.max(schema.stream.c.position), func.count()).select_from(schema.stream)
            ).one()
        if (most or 0) != count or self._seen != count:
            self.wrong.append(f"{count} changes up to {most}, of which {self._seen} were seen")
        return int(count)


def wait_for_notices(engine: Engine, arrivals: Arrivals, seconds: float) -> None:
    """Wait until all have been handed over, those too that a killed router had in hand."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(_missing(engine, arrivals)):
        time.sleep(_LOOK_S)


def notices(engine: Engine, arrivals: Arrivals) -> tuple[int, list[str]]:
    """How many notices the gateway has got, and what is wrong with them.

    The gateway knows a repetition by its reference, which is the same at every attempt; what has
    another reference and is for the same person, step and alert would be seen twice.
    """
    sent = schema.deliveries.c
    which = (sent.alert_id, sent.cycle, sent.step, sent.channel, sent.target)
    with reading(engine) as connection:
        twice = connection.execute(
            select(*which, func.count()).group_by(*which).having(func.count() > 1)
        ).all()
        known = set(connection.execute(select(sent.id).where(sent.channel == NAME)).scalars())
        opened = schema.alert_events.c
        joined = connection.execute(
            select(opened.event_id).group_by(opened.event_id).having(func.count() > 1)
        ).all()
    wrong = [f"told twice: {tuple(row)}" for row in twice]
    wrong += [f"an event has several alerts: {row.event_id}" for row in joined]
    wrong += [f"a notice that nobody ordered: {one}" for one in set(arrivals.times) - known]
    wrong += [f"a notice that nobody got: {one}" for one in _unheard(engine, arrivals)]
    return len(arrivals.times), wrong


def _unheard(engine: Engine, arrivals: Arrivals) -> list[str]:
    """Notices that have not arrived although there is nothing left to wait for."""
    now, missing = SystemClock().now(), _missing(engine, arrivals)
    return [name for name, due_at in missing.items() if due_at is None or due_at <= now]


def _missing(engine: Engine, arrivals: Arrivals) -> dict[str, datetime | None]:
    """Notices that have not arrived, and when their next turn is."""
    sent = schema.deliveries.c
    statement = select(sent.id, sent.next_attempt_at).where(sent.channel == NAME)
    try:
        with reading(engine) as connection:
            rows = connection.execute(statement).all()
    except (SQLAlchemyError, OSError):
        return {"the database does not answer": None}
    return {row.id: row.next_attempt_at for row in rows if row.id not in arrivals.times}
