"""Takes stored events from the queue and decides about each: alert, join, or not, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete

from alerts.choices import load_choices
from alerts.deciding.decider import Decider, Queued, key_of
from alerts.deciding.rules import RuleBook
from alerts.deciding.urgent import urgent_ids
from alerts.inhibition.causes import causes_of
from alerts.inhibition.roots import Roots, lock_names, roots_of
from alerts.journal import Journal
from alerts.silences.hiding import in_force
from alerts.store.applying import AlertStore
from alerts.store.rows import one_of
from alerts.store.work import Ways, Work
from config.clock import Clock
from config.event import Event
from config.logs import get_logger
from config.site import Site
from ingest.engine import reading, writing
from ingest.schema import events, routing_queue

BATCH = 50
"""Events per transaction: large enough to share a commit, small enough to be quick."""
LONGEST_WINDOW = timedelta(days=1)
LOOK_FOR_URGENT_EVERY_S = 0.5
RETRY_AFTER = timedelta(seconds=30)

_log = get_logger(__name__)


class Router:
    """Decides about queued events; any number of routers may share one database.

    A row of the queue is locked, decided and deleted in the transaction that stores the
    decision, so a router that dies in the middle loses and repeats nothing.

    Args:
        ways: hands notices over in the same transaction; None: the chain's own loop does.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        store: AlertStore,
        journal: Journal | None = None,
        ways: Ways | None = None,
    ) -> None:
        self._ways = ways
        self._engine = engine
        self._site = site
        self._clock = clock
        self._store = store
        self._journal = journal
        self._rules = RuleBook(site)
        self._roots = roots_of(site)
        self._is_behind = False
        self._looked_at = float("-inf")

    def run_once(self) -> int:
        """Decide about one batch; returns how many events, 0 when none waits."""
        # On SQLite a writer stops all others, so it must not begin for nothing. Elsewhere, and
        # behind a backlog, asking first would only cost two round trips.
        is_asked = self._engine.dialect.name == "sqlite" and not self._is_behind
        if is_asked and not self._has_work():
            return 0
        try:
            return self._route(BATCH)
        except Exception:  # noqa: BLE001
            # One bad event must not hold up the others: find it by going one at a time.
            _log.exception("a batch could not be routed; trying its events one by one")
        return sum(self._route_alone(event_id) for event_id in self._waiting(BATCH))

    def _has_work(self) -> bool:
        return bool(self._waiting(1))

    def _waiting(self, limit: int) -> list[str]:
        given = {"now": self._clock.now(), "limit": limit}
        with reading(self._engine) as connection:
            return list(connection.execute(_DUE, given).scalars())

    def _urgent(self, connection: Connection, limit: int) -> list[str]:
        """Looked for only behind a backlog, and now and then: it reads the whole queue."""
        now = self._clock.monotonic()
        if not self._is_behind or now - self._looked_at < LOOK_FOR_URGENT_EVERY_S:
            return []
        found = urgent_ids(connection, free_at(self._clock.now()), limit)
        if len(found) < limit:
            self._looked_at = now
        return found

    def _route_alone(self, event_id: str) -> int:
        try:
            return self._route(1, only=event_id)
        except Exception:  # noqa: BLE001 - whatever it is, the event stays in the queue
            _log.exception("an event could not be routed; trying again later", event_id=event_id)
            with writing(self._engine) as connection:
                connection.execute(
                    update(routing_queue)
                    .where(routing_queue.c.event_id == event_id)
                    .values(claimed_until=self._clock.now() + RETRY_AFTER)
                )
            return 0

    def _route(self, limit: int, *, only: str | None = None) -> int:
        now = self._clock.now()
        with writing(self._engine) as connection:
            queued = self._claim(connection, limit, only)
            if not queued:
                return 0
            batch = [item.event for item in queued]
            choices = load_choices(connection, self._site, batch, now)
            keys = {event.id: key_of(event, choices) for event in batch}
            lock_subjects(connection, _lock_names(batch, keys, self._roots))
            work = Work(connection, self._site, now, ways=self._ways)
            work.load_candidates(
                visits={event.visit for event in batch},
                keys=set(keys.values()),
                since=now - LONGEST_WINDOW,
                causes=causes_of(self._roots, batch, keys),
            )
            silences = in_force(connection, now)
            decider = Decider(self._site, self._rules, self._roots, choices, silences, work, keys)
            routed = [decider.decide(item) for item in queued]
            work.flush()
        if self._journal is not None:
            self._journal.routed(routed, work.happened)
        self._store.committed(work.happened)
        if self._ways is not None and any(item.told for item in work.happened):
            self._ways.wake()
        return len(routed)

    def _claim(self, connection: Connection, limit: int, only: str | None) -> list[Queued]:
        """Lock up to ``limit`` rows that no other router holds, and take them off the queue."""
        given: dict[str, Any] = {"now": self._clock.now(), "limit": limit}
        take = _TAKE
        if only is not None:
            take, given["these"] = _TAKE_THESE, [only]
        elif urgent := self._urgent(connection, limit):
            take, given["these"] = _TAKE_THESE, urgent
        since = {row.event_id: row.enqueued_at for row in connection.execute(take, given)}
        self._is_behind = self._is_behind if only is not None else len(since) == limit
        if not since:
            return []
        of_these = one_of(connection, events.c.id, list(since))
        bodies = connection.execute(select(events.c.body).where(of_these)).scalars()
        queued = [Queued(event, since[event.id]) for event in map(_event, bodies)]
        return sorted(queued, key=_turn)


def free_at(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """SQL condition: rows of the queue that nobody has put aside at ``now``."""
    claimed_until = routing_queue.c.claimed_until
    return or_(claimed_until.is_(None), claimed_until <= now)


def _event(body: str) -> Event:
    return Event.model_validate_json(body)


def _turn(queued: Queued) -> tuple[datetime, str, int, str]:
    event = queued.event
    return queued.stored_at, event.visit, event.revision, event.id


_queue = routing_queue.c
_WAITING = select(_queue.event_id).where(free_at(bindparam("now", type_=_queue.claimed_until.type)))
_DUE = _WAITING.order_by(_queue.enqueued_at, _queue.event_id).limit(bindparam("limit"))
_THESE = _DUE.where(_queue.event_id.in_(bindparam("these", expanding=True)))


def _taking(due: Select[str]) -> ReturningDelete[Any]:
    """Take what is ``due`` off the queue, except what another router holds."""
    # As a CTE it is looked up once: a sub-select with a limit might be asked for each row.
    held = due.with_for_update(skip_locked=True).cte("due")
    mine = _queue.event_id.in_(select(held.c.event_id))
    return delete(routing_queue).where(mine).returning(_queue.event_id, _queue.enqueued_at)


_TAKE, _TAKE_THESE = _taking(_DUE), _taking(_THESE)


def lock_subjects(connection: Connection, names: Iterable[str]) -> None:
    """Hold, until the transaction ends, everything that events of the same thing have in common.

    Two routers must not both find "no alert yet" for one plate, nor decide at once about a
    node and its cameras. PostgreSQL takes advisory locks, in one order; SQLite has one writer.
    """
    if connection.dialect.name != "postgresql":
        return
    keys = sorted(set(map(_lock_key, names)))
    if keys:
        connection.execute(_LOCK, {"keys": keys})


# One round trip with one answer; an array is unnested, and so locked, in its order.
_LOCK = text(
    "SELECT count(CAST(pg_advisory_xact_lock(key) AS text))"
    " FROM unnest(CAST(:keys AS bigint[])) AS key"
)


def _lock_names(batch: Sequence[Event], keys: Mapping[str, str], roots: Roots) -> set[str]:
    visits = {f"visit|{event.visit}" for event in batch}
    return visits | {f"key|{key}" for key in keys.values()} | lock_names(roots, batch)


def _lock_key(name: str) -> int:
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
