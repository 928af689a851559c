"""Stores each event exactly once and says, as receipts, what is committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError, StatementError

from config.clock import Clock
from config.errors import UserError
from config.event import Event
from config.logs import get_logger
from config.ranges import Range, SeqSet
from config.wire import Receipt
from ingest.arrival import Batch, EventRow, arrived, first_of, one_by_one
from ingest.engine import reading, writing
from ingest.failures import UNSTORABLE, is_deadlock, is_poison, sqlstate
from ingest.letters.bury import bury
from ingest.letters.reading import DeadLetter
from ingest.partitions import Partitions
from ingest.retention.seqs import deleted_among
from ingest.schema import dead_letters, events, nodes, routing_queue
from ingest.share import Share, shares_of
from ingest.store_sql import (
    Key,
    Place,
    SequenceRow,
    create_sequences,
    places_of_ids,
    places_of_seqs,
    read_sequences,
    statements_for,
)

log = get_logger(__name__)

RECEIPT_RANGES = 10_000
"""A receipt lists at most this many ranges; what lies beyond is told when the gaps have closed."""
_DEADLOCK_TRIES = 10


class EventNotFoundError(UserError):
    """There is no event of that id."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows the centre holds."""

    events: int
    queued: int
    dead_letters: int
    nodes: int


class EventStore:
    """The event tables. Safe from several threads, and beside other replicas on PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self._sql = statements_for(engine.dialect.name)
        self._partitions = Partitions(engine)

    def insert(self, batch: Batch) -> Receipt:
        """Store one batch in one transaction; the receipt tells what is then committed.

        Raises:
            sqlalchemy.exc.DBAPIError: nothing was stored; see :mod:`ingest.failures`.
        """
        return self.insert_group([batch])[0]

    def insert_group(
        self, batches: Sequence[Batch], letters: Iterable[DeadLetter] = ()
    ) -> list[Receipt]:
        """Store several batches and dead letters in one transaction: one commit for all.

        Returns one receipt per node and epoch among ``batches``. An event that is stored
        already stays as it is. One whose id has another number, or whose number has another
        id, is kept whole among the dead letters, and its number counts as received.

        Raises:
            sqlalchemy.exc.DBAPIError: nothing was stored; see :mod:`ingest.failures`.
        """
        given = list(letters)
        arrivals = [arrived(batch) for batch in batches]
        self._partitions.prepare(
            (row.id for arrival in arrivals for row in arrival.rows), self.clock.now()
        )
        attempt = 1
        while True:
            shares = shares_of(arrivals)
            try:
                with writing(self.engine) as connection:
                    receipts = self._store(connection, shares, given, self.clock.now())
            except DBAPIError as error:
                # Two nodes that send one id in two orders can deadlock: the loser runs again.
                if not is_deadlock(error) or attempt == _DEADLOCK_TRIES:
                    raise
                attempt += 1
            else:
                return receipts

    def insert_resilient(
        self, batches: Sequence[Batch], letters: Iterable[DeadLetter] = ()
    ) -> list[Receipt]:
        """As :meth:`insert_group`; data that the database refuses is buried, not raised.

        Raises:
            sqlalchemy.exc.DBAPIError: the database is in trouble; try the whole group again.
        """
        given = list(letters)
        try:
            return self.insert_group(batches, given)
        except (StatementError, *UNSTORABLE) as error:
            if not is_poison(error):
                raise
            log.warning("the database refused a group, storing one by one", why=_brief(error))
        self.insert_group([], given)
        receipts: dict[Key, Receipt] = {}
        for batch in batches:
            for single in one_by_one(batch):
                receipt = self._insert_or_bury(single)
                if receipt is not None:
                    receipts[batch.node, batch.epoch] = receipt
        return list(receipts.values())

    def load(self, event_id: str) -> Event:
        """The event of that id.

        Raises:
            EventNotFoundError: there is none.
        """
        with reading(self.engine) as connection:
            body = connection.execute(
                select(events.c.body).where(events.c.id == event_id)
            ).scalar_one_or_none()
        if body is None:
            raise EventNotFoundError(
                where=f"event {event_id}", problem="is not stored", remedy="check the id"
            )
        return Event.model_validate_json(body)

    def counts(self) -> Counts:
        """Rows of the main tables."""
        with reading(self.engine) as connection:
            found = [
                int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (events, routing_queue, dead_letters, nodes)
            ]
        return Counts(*found)

    def gaps(self, node: str, epoch: str) -> tuple[Range, ...]:
        """Numbers missing below the highest one received; empty for an unknown node or epoch."""
        return self.received(node, epoch).gaps()

    def received(self, node: str, epoch: str) -> SeqSet:
        """Every number of that epoch which a receipt would cover."""
        with reading(self.engine) as connection:
            found = read_sequences(connection, [(node, epoch)])
        return found[node, epoch].numbers if found else SeqSet()

    # -- one transaction -----------------------------------------------------------------------

    def _store(
        self,
        connection: Connection,
        shares: dict[Key, Share],
        letters: list[DeadLetter],
        now: datetime,
    ) -> list[Receipt]:
        """Lock the sequences, insert what is new, bury what contradicts, write what is covered."""
        keys = sorted(shares)
        before = self._locked(connection, keys, now) if keys else {}
        rows: list[EventRow] = []
        for key in keys:
            settled = _settled(connection, shares[key], before[key])
            mine = shares[key].events.items()
            rows += [row for seq, row in mine if seq not in settled]
        rows.sort()  # by id, no two of which are the same: the same order in every replica
        new_ids = self._sql.insert_events(connection, rows, now)
        _bury_known_ids(connection, shares, [row for row in rows if row.id not in new_ids])
        after = {key: shares[key].applied_to(before[key], new_ids) for key in keys}
        if after:
            self._sql.save(connection, [_sequence_row(key, after[key], now) for key in keys])
        bury(connection, [*letters, *(one for key in keys for one in shares[key].letters)], now)
        return [_receipt(key, after[key].numbers) for key in keys]

    def _locked(
        self, connection: Connection, keys: list[Key], now: datetime
    ) -> dict[Key, SequenceRow]:
        found = self._sql.lock(connection, keys)
        if len(found) < len(keys):
            create_sequences(connection, set(keys) - found.keys(), now)
            found = self._sql.lock(connection, keys)
        return found

    def _insert_or_bury(self, batch: Batch) -> Receipt | None:
        try:
            return self.insert(batch)
        except (StatementError, *UNSTORABLE) as error:
            if not is_poison(error):
                raise
            seq, camera, body = first_of(batch)
            letter = DeadLetter.of_event(
                node=batch.node,
                seq=seq,
                camera=camera,
                body=body,
                reason=f"the database refused it: {_brief(error)}",
            )
        self.insert_group([], [letter])
        return None


def _settled(connection: Connection, share: Share, before: SequenceRow) -> frozenset[int]:
    """Numbers of ``share`` that are stored already, rightly or as another event, or were deleted.

    Any other number that is covered but has no row was declared as shed, and its event comes
    late: it is not settled, and so it is stored.
    """
    covered = share.within(before.numbers)
    if not covered:
        return frozenset()
    places = places_of_seqs(connection, share.key, covered)
    for seq, place in places.items():
        if place.id != share.events[seq].id:
            share.contradicts(seq, f"number {seq} is stored already, as event {place.id}")
    rowless = [seq for seq in covered if seq not in places]
    return frozenset(places) | deleted_among(connection, share.key, rowless)


def _bury_known_ids(connection: Connection, shares: dict[Key, Share], rows: list[EventRow]) -> None:
    places = places_of_ids(connection, [row.id for row in rows]) if rows else {}
    for row in rows:
        place = places[row.id]
        if place != Place(row.id, row.node, row.epoch, row.seq):
            where = f"number {place.seq} of epoch {place.epoch} of node {place.node}"
            share = shares[row.node, row.epoch]
            share.contradicts(row.seq, f"its id is stored already, as {where}")


def _sequence_row(key: Key, row: SequenceRow, now: datetime) -> dict[str, Any]:
    return {
        "node": key[0],
        "epoch": key[1],
        "acked_upto": row.numbers.upto,
        "also": json.dumps(row.numbers.also),
        "skipped": row.skipped,
        "updated_at": now,
    }


def _receipt(key: Key, numbers: SeqSet) -> Receipt:
    return Receipt(
        node=key[0],
        epoch=key[1],
        acked_upto=numbers.upto,
        also=numbers.also[:RECEIPT_RANGES],
    )


def _brief(error: Exception) -> str:
    return f"{type(error).__name__} {sqlstate(error)}".strip()
