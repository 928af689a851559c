"""The statements of the event store, in the dialect of SQLite or of PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Protocol, TypeVar

from pydantic_core import to_json
from sqlalchemy import Connection, bindparam, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from config.ranges import SeqSet
from ingest.arrival import EventRow, utc_text
from ingest.engine import insert_into
from ingest.schema import events, nodes, sequences

Key = tuple[str, str]
"""Node and epoch."""


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """One row of ``sequences``: what is stored of one node's epoch."""

    numbers: SeqSet
    skipped: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event id is stored."""

    id: str
    node: str
    epoch: str
    seq: int


class Statements(Protocol):
    """What differs between the databases."""

    def insert_events(
        self, connection: Connection, rows: Sequence[EventRow], now: datetime
    ) -> set[str]:
        """Insert rows of ``events`` and their ``routing_queue`` rows; the ids that were new."""

    def lock(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, SequenceRow]:
        """Read and lock rows of ``sequences``, always in the same order."""

    def save(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Update rows of ``sequences``."""


_COLUMNS = (
    "id, node, epoch, seq, camera, kind, severity, visit, revision, captured_at, plate_text, body"
)
"""The columns of an event, in the order of :class:`ingest.arrival.EventRow`."""
_SQLITE_EVENTS = f"INSERT INTO events (received_at, {_COLUMNS}) VALUES "  # noqa: S608
_SQLITE_QUEUE = "INSERT INTO routing_queue (enqueued_at, event_id) VALUES "
_SQLITE_ROWS = (1000, 50, 10, 1)
"""Rows of one INSERT. The driver gives Python's lock away for each statement, and must wait to have
it back while :mod:`ingest.subscriber` reads the next group: with a thousand rows in a statement it
waits seldom. Few sizes, so that their prepared statements are found again."""


class SqliteStatements:
    """SQLite: the transaction has the only write lock already."""

    def insert_events(
        self, connection: Connection, rows: Sequence[EventRow], now: datetime
    ) -> set[str]:
        moment = utc_text(now)
        new: set[str] = set()
        for part in _in_sizes(rows):
            fresh = part
            try:
                _insert_sqlite(connection, _SQLITE_EVENTS, fresh, moment)
            except IntegrityError:  # which has undone this statement, and no other
                known = _known_ids(connection, part)
                if not known:
                    raise
                fresh = [row for row in part if row.id not in known]
                for smaller in _in_sizes(fresh):
                    _insert_sqlite(connection, _SQLITE_EVENTS, smaller, moment)
            ids = [row.id for row in fresh]
            for waiting in _in_sizes([(one,) for one in ids]):
                _insert_sqlite(connection, _SQLITE_QUEUE, waiting, moment)
            new.update(ids)
        return new

    def lock(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, SequenceRow]:
        return read_sequences(connection, keys)

    def save(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        statement = (
            update(sequences)
            .where(
                sequences.c.node == bindparam("b_node"), sequences.c.epoch == bindparam("b_epoch")
            )
            .values(acked_upto=bindparam("b_acked_upto"), also=bindparam("b_also"))
            .values(skipped=bindparam("b_skipped"), updated_at=bindparam("b_updated_at"))
        )
        renamed = [{f"b_{name}": value for name, value in row.items()} for row in rows]
        connection.execute(statement, renamed)


def _known_ids(connection: Connection, rows: Sequence[EventRow]) -> set[str]:
    known = connection.execute(
        text("SELECT id FROM events WHERE id IN (SELECT value FROM json_each(:ids))"),
        {"ids": json.dumps([row.id for row in rows])},
    )
    return set(known.scalars())


Part = TypeVar("Part", bound=Sequence[Any])


def _in_sizes(rows: Sequence[Part]) -> Iterator[Sequence[Part]]:
    start = 0
    for size in _SQLITE_ROWS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _insert_sqlite(
    connection: Connection, into: str, rows: Sequence[Sequence[Any]], moment: str
) -> None:
    """Insert ``rows`` in one statement, ``moment`` before the columns of each.

    Straight to the driver: turning each value's type cost as much as storing it.
    """
    values = (moment, *chain.from_iterable(rows))
    connection.exec_driver_sql(_sqlite_statement(into, len(rows), len(rows[0])), values)


@cache
def _sqlite_statement(into: str, rows: int, columns: int) -> str:
    places = (range(2 + row * columns, 2 + (row + 1) * columns) for row in range(rows))
    return into + ",".join(f"(?1,{','.join(f'?{n}' for n in row)})" for row in places)


_POSTGRES_INSERT = text("""
WITH incoming AS (
    SELECT * FROM unnest(
        string_to_array(:id, ' '), string_to_array(:node, ' '), string_to_array(:epoch, ' '),
        CAST(string_to_array(:seq, ' ') AS bigint[]), string_to_array(:camera, ' '),
        string_to_array(:kind, ' '), string_to_array(:severity, ' '),
        string_to_array(:visit, ' '), CAST(string_to_array(:revision, ' ') AS integer[]),
        CAST(string_to_array(:captured_at, ',') AS timestamp[]),
        ARRAY(SELECT json_array_elements_text(CAST(:plate_text AS json))),
        string_to_array(:body, chr(31))
    ) AS incoming(id, node, epoch, seq, camera, kind, severity, visit, revision,
                  captured_at, plate_text, body)
), stored AS (
    INSERT INTO events (id, node, epoch, seq, camera, kind, severity, visit, revision,
                        captured_at, received_at, plate_text, body)
    SELECT id, node, epoch, seq, camera, kind, severity, visit, revision,
           captured_at AT TIME ZONE 'UTC', CAST(:now AS timestamptz), plate_text, body
    FROM incoming
    ON CONFLICT (id) DO NOTHING
    RETURNING id, received_at
), queued AS (
    INSERT INTO routing_queue (event_id, enqueued_at) SELECT id, received_at FROM stored
)
SELECT string_agg(id, ' ') FROM stored
""")
"""Each column comes as one text, which the server takes apart faster than JSON of the rows, and
one row goes back: the driver is slow with many values. Nothing joined by blanks can hold one, and
JSON holds no control character; plates may hold anything."""

_POSTGRES_SAVE = text("""
UPDATE sequences SET acked_upto = incoming.acked_upto, also = incoming.also,
       skipped = incoming.skipped, updated_at = incoming.updated_at
FROM json_to_recordset(CAST(:rows AS json)) AS incoming(
     node text, epoch text, acked_upto bigint, also text, skipped bigint, updated_at timestamptz)
WHERE sequences.node = incoming.node AND sequences.epoch = incoming.epoch
""")


class PostgresStatements:
    """PostgreSQL: a whole group in one round trip per statement."""

    def insert_events(
        self, connection: Connection, rows: Sequence[EventRow], now: datetime
    ) -> set[str]:
        if not rows:
            return set()
        values = {**_columns_of(rows), "now": now}
        found = connection.execute(_POSTGRES_INSERT, values).scalar_one()
        return set((found or "").split())

    def lock(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, SequenceRow]:
        return read_sequences(connection, keys, for_update=True)

    def save(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        connection.execute(_POSTGRES_SAVE, {"rows": _json(rows)})


def _columns_of(rows: Sequence[EventRow]) -> dict[str, str]:
    columns = dict(zip(EventRow._fields, zip(*rows, strict=True), strict=True))
    return {
        "seq": " ".join(map(str, columns.pop("seq"))),
        "revision": " ".join(map(str, columns.pop("revision"))),
        "captured_at": ",".join(columns.pop("captured_at")),
        "plate_text": json.dumps(columns.pop("plate_text")),
        "body": chr(31).join(columns.pop("body")),
    } | {name: " ".join(values) for name, values in columns.items()}


def statements_for(dialect: str) -> Statements:
    """The statements of ``sqlite`` or ``postgresql``."""
    return SqliteStatements() if dialect == "sqlite" else PostgresStatements()


def create_sequences(connection: Connection, keys: Iterable[Key], now: datetime) -> None:
    """Make sure that nodes and their epochs have a row."""
    ordered = sorted(keys)
    if not ordered:
        return
    names = sorted({node for node, _ in ordered})
    _insert_missing(
        connection, nodes, ["node"], [{"node": name, "first_seen_at": now} for name in names]
    )
    rows = [
        {
            "node": node,
            "epoch": epoch,
            "acked_upto": 0,
            "also": "[]",
            "skipped": 0,
            "updated_at": now,
        }
        for node, epoch in ordered
    ]
    _insert_missing(connection, sequences, ["node", "epoch"], rows)


def places_of_ids(connection: Connection, ids: Sequence[str]) -> dict[str, Place]:
    """Where the events of ``ids`` are stored, by id."""
    return {
        row.id: Place(*row)
        for part in in_parts(ids)
        for row in connection.execute(_PLACES.where(events.c.id.in_(part)))
    }


def places_of_seqs(connection: Connection, key: Key, seqs: Sequence[int]) -> dict[int, Place]:
    """What is stored under the numbers ``seqs`` of one node and epoch, by number."""
    of_key = _PLACES.where(events.c.node == key[0], events.c.epoch == key[1])
    return {
        row.seq: Place(*row)
        for part in in_parts(seqs)
        for row in connection.execute(of_key.where(events.c.seq.in_(part)))
    }


_PLACES = select(events.c.id, events.c.node, events.c.epoch, events.c.seq)


def in_parts(values: Sequence[Any], most: int = 5_000) -> Iterable[Sequence[Any]]:
    """Both databases limit how many parameters one statement may have."""
    return (values[start : start + most] for start in range(0, len(values), most))


def _insert_missing(
    connection: Connection, table: Any, key: list[str], rows: list[dict[str, Any]]
) -> None:
    missing = insert_into(connection, table).on_conflict_do_nothing(index_elements=key)
    connection.execute(missing, rows)


def read_sequences(
    connection: Connection, keys: Sequence[Key], *, for_update: bool = False
) -> dict[Key, SequenceRow]:
    """Rows of ``sequences`` for ``keys``, those that exist, read (and locked) in one order."""
    wanted = (
        select(sequences)
        .where(tuple_(sequences.c.node, sequences.c.epoch).in_(list(keys)))
        .order_by(sequences.c.node, sequences.c.epoch)
    )
    if for_update:
        wanted = wanted.with_for_update()
    return {
        (row.node, row.epoch): SequenceRow(
            SeqSet(row.acked_upto, tuple((a, b) for a, b in json.loads(row.also))), row.skipped
        )
        for row in connection.execute(wanted)
    }


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return to_json(rows).decode()
