"""Fires timers that are due: rows of the database, so that a restart forgets none."""

from __future__ import annotations

from sqlalchemy import Engine, bindparam, select

from alerts.life.state import Fire, Refused, TimerKind
from alerts.store import schema
from alerts.store.applying import AlertStore
from config.clock import Clock
from config.logs import get_logger
from ingest.engine import reading

BATCH = 100

_timers = schema.timers.c
_DUE = (
    select(_timers.alert_id, _timers.kind)
    .where(_timers.due_at <= bindparam("now", type_=_timers.due_at.type))
    .order_by(_timers.due_at)
    .limit(BATCH)
)
_log = get_logger(__name__)


class Timers:
    """Looks for due timers; any number may share one database.

    Two that see the same row both ask the state machine; the alert's lock lets one go first,
    and the other finds its timer no longer due.
    """

    def __init__(self, engine: Engine, clock: Clock, *, store: AlertStore) -> None:
        self._engine = engine
        self._clock = clock
        self._store = store

    def run_once(self) -> int:
        """Fire what is due, oldest first, at most 100; returns how many fired."""
        with reading(self._engine) as connection:
            due = connection.execute(_DUE, {"now": self._clock.now()}).all()
        return sum(self._fire(row.alert_id, TimerKind(row.kind)) for row in due)

    def _fire(self, alert_id: str, kind: TimerKind) -> int:
        try:
            self._store.apply(alert_id, Fire(kind))
        except Refused:
            return 0
        except Exception:  # noqa: BLE001
            # The row stays due: it fires at the next look, and the others go first now.
            _log.exception("a timer could not be fired", alert_id=alert_id, timer=str(kind))
            return 0
        return 1
