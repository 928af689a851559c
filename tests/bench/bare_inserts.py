"""Inserts rows of events with the database's driver alone, group by group, each one committed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pg8000.dbapi
from sqlalchemy import select

from ingest.engine import open_engine, reading
from ingest.migrate import upgrade
from ingest.partitions import Partitions
from ingest.schema import events

Row = Sequence[Any]
"""One row of ``events`` in the order of its columns; moments are text, as JSON has them."""


def sample_rows(database: str, limit: int = 40_000) -> list[Row]:
    """Rows of ``events`` as a run has stored them, in the order in which it did."""
    engine = open_engine(database)
    statement = select(events).order_by(events.c.received_at, events.c.id).limit(limit)
    with reading(engine) as connection:
        rows: list[Row] = [tuple(map(_plain, row)) for row in connection.execute(statement)]
    engine.dispose()
    return rows


def _plain(value: Any) -> Any:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def inserts_per_s(database: str, rows: Sequence[Row], group: int, seconds: float) -> float:
    """Events a second into empty tables of our schema, ``group`` of them per transaction.

    Prepared inserts on SQLite, one statement per group from JSON on PostgreSQL, both into
    ``events`` and ``routing_queue`` with all of their indexes, each commit on the disk.
    """
    make_tables(database, rows)
    inserter = open_inserter(database)
    started = time.monotonic()
    count = 0
    while count < len(rows) and time.monotonic() < started + seconds:
        part = rows[count : count + group]
        inserter.insert(part)
        count += len(part)
    took = time.monotonic() - started
    inserter.close()
    return count / took if count else 0.0


def make_tables(database: str, rows: Sequence[Row]) -> None:
    """Our schema, and on PostgreSQL the days of ``rows``, in an empty database."""
    engine = open_engine(database)
    upgrade(engine)
    Partitions(engine).prepare((row[0] for row in rows), datetime.now(UTC))
    engine.dispose()


class Inserter(Protocol):
    """One connection that stores groups."""

    def insert(self, rows: Sequence[Row]) -> None:
        """Store ``rows`` and their places in the routing queue; they are on the disk after it."""

    def close(self) -> None:
        """End the connection."""


def open_inserter(database: str) -> Inserter:
    """Connect to SQLite or PostgreSQL, by the address."""
    return _Sqlite(database) if database.startswith("sqlite") else _Postgres(database)


class _Sqlite:
    def __init__(self, database: str) -> None:
        path = Path(database.removeprefix("sqlite:///"))
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._into_events = f"INSERT INTO events VALUES ({','.join('?' * len(events.columns))})"

    def insert(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(self._into_events, rows)
        self._connection.executemany(
            "INSERT INTO routing_queue (event_id, enqueued_at) VALUES (?, ?)",
            [(row[0], row[10]) for row in rows],
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, database: str) -> None:
        parts = urlsplit(database)
        self._connection = pg8000.dbapi.connect(
            user=parts.username, host=parts.hostname, port=parts.port, database=parts.path[1:]
        )
        self._names = [column.name for column in events.columns]

    def insert(self, rows: Sequence[Row]) -> None:
        text = json.dumps([dict(zip(self._names, row, strict=True)) for row in rows])
        self._connection.cursor().execute(
            "WITH stored AS (INSERT INTO events SELECT * FROM"
            " json_populate_recordset(NULL::events, CAST(%s AS json))"
            " RETURNING id, received_at)"
            " INSERT INTO routing_queue (event_id, enqueued_at) SELECT * FROM stored",
            (text,),
        )
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()
