"""The job that deletes what is due: events, their files, dead letters, in small transactions."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, select

from config.clock import Clock
from config.logs import get_logger
from config.site import Site
from ingest.engine import reading, writing
from ingest.letters.bury import forget, recount
from ingest.media.base import MediaError, MediaStore
from ingest.retention import proof
from ingest.retention.days import Days
from ingest.retention.files import Files
from ingest.retention.followers import Follower, Nobody
from ingest.retention.holds import held
from ingest.retention.rules import Rule, is_due, rules_of, unknown_rule
from ingest.retention.schema import media_refs
from ingest.retention.seqs import note_deleted
from ingest.retention.swept import Swept
from ingest.schema import dead_letters, events, routing_queue

log = get_logger(__name__)

LETTER_DAYS = 30
DAILY = timedelta(days=1)
_PAGE = 500
_LETTERS_RULE = f"dead letters: kept {LETTER_DAYS} days"


class Sweeper:
    """Retention of one county. Replicas may sweep at once: the chain's lock puts them in a row."""

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        store: MediaStore,
        follower: Follower | None = None,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._follower: Follower = follower or Nobody()
        self._files = Files(engine, store, clock, self._follower)
        self._days = Days(engine, self._delete, self._lock)
        self._strangers: list[str] = []
        """Cameras of events that the site does not name; looked for once a day."""
        self._daily_at: datetime | None = None

    def run(self, stopping: threading.Event | None = None) -> Swept:
        """One whole sweep; ends early, and rightly, when ``stopping`` is set.

        Whatever interrupts it (``kill -9`` too), each transaction is whole: events and their
        proof, files and their order. The next sweep goes on from there.
        """
        swept, flag = Swept(), stopping or threading.Event()
        self._carry_out(swept)
        now = self._clock.now()
        self._daily(now)
        rules = [*rules_of(self._site).values(), *map(unknown_rule, self._strangers)]
        self._days.drop_due(rules, now, swept, flag)
        for rule in rules:
            self._camera(rule, now, swept, flag)
        self._until_done(lambda: self._letters(swept), flag)
        self._until_done(lambda: self._others(swept), flag)
        self._files.doom_orphans()
        self._carry_out(swept)
        return swept

    def erase(self, rule: Rule) -> Swept:
        """Delete by a rule that somebody asks for (:func:`ingest.retention.rules.erasure`)."""
        swept, now = Swept(), self._clock.now()
        self._camera(rule, now, swept, threading.Event())
        self._carry_out(swept)
        return swept

    def _lock(self, connection: Connection, now: datetime) -> None:
        """A hold that is asked for now comes before this transaction or after it.

        In each one anew: a sweep takes long, and a hold of an alert keeps from the moment it is
        asked for, also what has joined the alert since.
        """
        proof.lock_chain(connection)
        self._follower.refresh_holds(connection, now)

    def _until_done(self, work: Callable[[], int], stopping: threading.Event) -> None:
        while not stopping.is_set() and work():
            pass

    def _camera(self, rule: Rule, now: datetime, swept: Swept, stopping: threading.Event) -> None:
        def page() -> int:
            with writing(self._engine) as connection:
                self._lock(connection, now)
                rows = connection.execute(
                    select(events)
                    .where(events.c.camera == rule.camera)
                    .where(is_due(events, rule, now), ~held(events, now))
                    .order_by(events.c.captured_at)
                    .limit(_PAGE)
                ).all()
                if rows:
                    self._delete(connection, rows, rule)
                    ids = [row.id for row in rows]
                    connection.execute(delete(events).where(events.c.id.in_(ids)))
            swept.events += len(rows)
            return len(rows)

        self._until_done(page, stopping)

    def _delete(self, connection: Connection, rows: Sequence[Row[Any]], rule: Rule) -> None:
        """Everything that goes with these events, and their proof; all but their own rows."""
        ids = [row.id for row in rows]
        self._follower.events_go(connection, ids)
        proof.append(
            connection,
            at=self._clock.now(),
            kind="event",
            camera=rule.camera,
            rule=rule.words,
            items=[(row.id, hashlib.sha256(row.body.encode()).hexdigest()) for row in rows],
        )
        note_deleted(connection, [(row.node, row.epoch, row.seq) for row in rows])
        named = select(media_refs.c.sha256).where(media_refs.c.event_id.in_(ids)).distinct()
        files = list(connection.execute(named).scalars())
        connection.execute(delete(media_refs).where(media_refs.c.event_id.in_(ids)))
        connection.execute(delete(routing_queue).where(routing_queue.c.event_id.in_(ids)))
        self._files.doom(connection, files, rule.words)

    def _letters(self, swept: Swept) -> int:
        now = self._clock.now()
        table = dead_letters.c
        with writing(self._engine) as connection:
            rows = connection.execute(
                select(table.id, table.digest, table.stored_bytes)
                .where(table.last_at < now - timedelta(days=LETTER_DAYS))
                .order_by(table.last_at)
                .limit(_PAGE)
            ).all()
            if rows:
                forget(connection, [row.id for row in rows], sum(row.stored_bytes for row in rows))
                items = [(row.digest, row.digest) for row in rows]
                proof.append(connection, at=now, kind="letter", rule=_LETTERS_RULE, items=items)
        swept.letters += len(rows)
        return len(rows)

    def _others(self, swept: Swept) -> int:
        with writing(self._engine) as connection:
            proof.lock_chain(connection)
            gone = self._follower.sweep(connection, self._clock.now())
            self._files.doom(connection, gone.files, gone.rule)
        swept.others += gone.count
        return gone.count

    def _daily(self, now: datetime) -> None:
        """What reads whole tables, or the whole store: once a day, and at the first sweep."""
        if self._daily_at is not None and now < self._daily_at + DAILY:
            return
        known = rules_of(self._site)
        with reading(self._engine) as connection:
            seen = connection.execute(select(events.c.camera).distinct()).scalars()
            self._strangers = sorted(set(seen) - known.keys())
        with writing(self._engine) as connection:
            recount(connection)
        try:
            listed = self._files.list_strays()
        except (MediaError, OSError) as error:
            log.warning("the store of evidence cannot be listed", why=str(error))
            return
        if listed:
            log.info("files without a row were listed", files=listed)
        self._daily_at = now

    def _carry_out(self, swept: Swept) -> None:
        try:
            swept.files += self._files.carry_out()
        except MediaError as error:
            log.warning("files wait to be removed", why=str(error))
