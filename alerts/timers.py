"""Fires timers that are due: rows of the database, so that a restart forgets none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Select, bindparam, func, select, update

from alerts.life.escalation import wait_for
from alerts.life.state import Fire, Refused, TimerKind
from alerts.store import schema
from alerts.store.applying import AlertStore
from config.clock import SKEW, Clock
from config.logs import get_logger
from ingest.engine import reading, writing

BATCH = 100
LOOK_BACK_EVERY_S = 30.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that is due, and this transaction's to fire."""

    alert_id: str
    kind: TimerKind


class Timers:
    """Fires due timers, one transaction each; any number may share one database.

    Each takes the oldest that no other is firing. The claim is a lock of the transaction that
    fires, so whoever dies in the middle leaves the timer due, and free at once.
    """

    def __init__(self, engine: Engine, clock: Clock, *, store: AlertStore) -> None:
        self._engine = engine
        self._clock = clock
        self._store = store
        self._next_look = float("-inf")

    def run_once(self) -> int:
        """Fire what is due, oldest first, at most 100; returns how many fired."""
        self._pull_forward()
        with reading(self._engine) as connection:
            waiting = len(connection.execute(_WAITING, {"now": self._clock.now()}).all())
        fired, passed = 0, set[str]()
        for _ in range(waiting):
            is_fired = self._fire_next(passed)
            if is_fired is None:
                break
            fired += is_fired
        return fired

    def _pull_forward(self) -> None:
        """What was armed before the clock was set back waits no longer than its step may last.

        Such an alert was last changed at a moment that lies ahead. Looked for now and then.
        """
        if self._clock.monotonic() < self._next_look:
            return
        self._next_look = self._clock.monotonic() + LOOK_BACK_EVERY_S
        now = self._clock.now()
        with reading(self._engine) as connection:
            ahead = connection.execute(_AHEAD, {"late": now + SKEW}).all()
        for row in ahead:
            wait = wait_for(TimerKind(row.kind), row.escalate_after_s, again=row.turn)
            if row.due_at <= now + wait + SKEW:
                continue
            # One row in each transaction: it waits for nobody while it holds another.
            with writing(self._engine) as connection:
                same = (_timers.alert_id == row.alert_id, _timers.due_at == row.due_at)
                pulled = update(schema.timers).where(*same).values(due_at=now + wait)
                connection.execute(pulled)
            _log.warning("the clock was set back; a timer is pulled forward", alert_id=row.alert_id)

    def _fire_next(self, passed: set[str]) -> bool | None:
        """Whether the next one fired, else it joins ``passed``; None: others have the rest."""
        due: Due | None = None
        try:
            with writing(self._engine) as connection:
                due = claim(connection, self._clock.now(), passed)
                if due is None:
                    return None
                _, happened = self._store.apply_within(connection, due.alert_id, Fire(due.kind))
        except Exception as error:
            if due is None:
                raise
            passed.add(due.alert_id)
            if not isinstance(error, Refused):
                # The row stays due: it fires at the next look, and the others go first now.
                _log.exception(
                    "a timer could not be fired", alert_id=due.alert_id, timer=str(due.kind)
                )
            return False
        self._store.committed(happened)
        return True


def claim(connection: Connection, now: datetime, passed: Collection[str] = ()) -> Due | None:
    """The oldest due timer that no other transaction has claimed, except alerts ``passed``.

    It is this one's until the transaction ends, however it ends. Nobody ever waits for a claim,
    so it may be taken before the alerts' locks. It does not lock the timer's row: whoever
    answers the alert meanwhile holds the alert and waits for that row, and would wait for ever.
    """
    statement = _CLAIM if connection.dialect.name == "postgresql" else _FIRST
    row = connection.execute(statement, {"now": now, "passed": list(passed)}).first()
    return Due(row.alert_id, TimerKind(row.kind)) if row is not None else None


_timers, _alerts = schema.timers.c, schema.alerts.c
# Departments and silences end at a time of day that somebody has named: no clock changes that.
_LASTING = (
    TimerKind.STEP,
    TimerKind.ACK_EXPIRY,
    TimerKind.ONSITE_EXPIRY,
    TimerKind.VERIFY,
    TimerKind.REVIEW,
)
_AHEAD = (
    select(_timers.alert_id, _timers.kind, _timers.due_at, _alerts.escalate_after_s, _alerts.turn)
    .join(schema.alerts, _alerts.id == _timers.alert_id)
    .where(_alerts.changed_at > bindparam("late", type_=_alerts.changed_at.type))
    .where(_timers.kind.in_([str(kind) for kind in _LASTING]))
)


def _oldest(limit: int) -> Select[str, str]:
    is_due = _timers.due_at <= bindparam("now", type_=_timers.due_at.type)
    return (
        select(_timers.alert_id, _timers.kind).where(is_due).order_by(_timers.due_at).limit(limit)
    )


def _free(limit: int) -> Select[str, str]:
    return _oldest(limit).where(_timers.alert_id.not_in(bindparam("passed", expanding=True)))


def _claiming() -> Select[str, str]:
    # As a CTE with a limit it is read in its order and only up to the first that is free: in one
    # plain select the locks could be taken of all rows, before they are sorted.
    due = _free(BATCH).cte("due")
    name = func.hashtextextended(func.concat("timer ", due.c.alert_id), 0)
    return select(due.c.alert_id, due.c.kind).where(func.pg_try_advisory_xact_lock(name)).limit(1)


_WAITING = _oldest(BATCH)
_FIRST = _free(1)
"""On SQLite, where a transaction that writes is alone."""
_CLAIM = _claiming()
