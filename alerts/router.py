"""Takes stored events from the queue and decides about each: alert, join, or not, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, func, or_, select, update

from alerts.choices import load_choices
from alerts.decider import Decider, Queued, key_of
from alerts.inhibition.causes import causes_of
from alerts.inhibition.roots import Roots, lock_names, roots_of
from alerts.journal import Journal
from alerts.rules import RuleBook
from alerts.silences.book import in_force
from alerts.store import AlertStore
from alerts.urgent import urgent_ids
from alerts.work import Work
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
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        store: AlertStore,
        journal: Journal | None = None,
    ) -> None:
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
        if not self._has_work():
            return 0
        try:
            return self._route(BATCH)
        except Exception:  # noqa: BLE001
            # One bad event must not hold up the others: find it by going one at a time.
            _log.exception("a batch could not be routed; trying its events one by one")
        return sum(self._route_alone(event_id) for event_id in self._waiting(BATCH))

    def _has_work(self) -> bool:
        with reading(self._engine) as connection:
            return connection.execute(self._due().limit(1)).first() is not None

    def _waiting(self, limit: int) -> list[str]:
        with reading(self._engine) as connection:
            return list(connection.execute(self._due().limit(limit)).scalars())

    def _due(self) -> Select[str]:
        queue = routing_queue.c
        return (
            select(queue.event_id).where(self._free()).order_by(queue.enqueued_at, queue.event_id)
        )

    def _free(self) -> ColumnElement[bool]:
        claimed_until = routing_queue.c.claimed_until
        return or_(claimed_until.is_(None), claimed_until <= self._clock.now())

    def _urgent(self, connection: Connection, limit: int) -> list[str]:
        """Looked for only behind a backlog, and now and then: it reads the whole queue."""
        now = self._clock.monotonic()
        if not self._is_behind or now - self._looked_at < LOOK_FOR_URGENT_EVERY_S:
            return []
        found = urgent_ids(connection, self._free(), limit)
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
            work = Work(connection, self._site, now)
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
        return len(routed)

    def _claim(self, connection: Connection, limit: int, only: str | None) -> list[Queued]:
        """Lock up to ``limit`` rows that no other router holds, and take them off the queue."""
        due = self._due().limit(limit).with_for_update(skip_locked=True)
        if only is not None:
            due = due.where(routing_queue.c.event_id == only)
        elif urgent := self._urgent(connection, limit):
            due = due.where(routing_queue.c.event_id.in_(urgent))
        ids = list(connection.execute(due).scalars())
        self._is_behind = self._is_behind if only is not None else len(ids) == limit
        if not ids:
            return []
        rows = connection.execute(
            select(events.c.body, routing_queue.c.enqueued_at)
            .join(routing_queue, routing_queue.c.event_id == events.c.id)
            .where(events.c.id.in_(ids))
            .order_by(routing_queue.c.enqueued_at, events.c.visit, events.c.revision, events.c.id)
        ).all()
        connection.execute(delete(routing_queue).where(routing_queue.c.event_id.in_(ids)))
        return [Queued(Event.model_validate_json(row.body), row.enqueued_at) for row in rows]


def lock_subjects(connection: Connection, names: Iterable[str]) -> None:
    """Hold, until the transaction ends, everything that events of the same thing have in common.

    Two routers must not both find "no alert yet" for one plate, nor decide at once about a
    node and its cameras. PostgreSQL takes advisory locks, in one order; SQLite has one writer.
    """
    if connection.dialect.name != "postgresql":
        return
    # One round trip: the columns of a row are computed from left to right.
    keys = sorted(set(map(_lock_key, names)))
    if keys:
        connection.execute(select(*(func.pg_advisory_xact_lock(key) for key in keys)))


def _lock_names(batch: Sequence[Event], keys: Mapping[str, str], roots: Roots) -> set[str]:
    visits = {f"visit|{event.visit}" for event in batch}
    return visits | {f"key|{key}" for key in keys.values()} | lock_names(roots, batch)


def _lock_key(name: str) -> int:
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
