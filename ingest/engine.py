"""Opens the centre's database, SQLite or PostgreSQL, so that a commit is on the disk."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from config.errors import UserError
from ingest.prepared import speak_quickly

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another one."""
BUSY_PAUSE_S = 0.02
"""Between two tries where SQLite itself does not wait."""
CACHE_KB = 32_000
"""SQLite's pages in memory per connection, as far as used: its 2 MB do not hold one full group of
events with its index pages, which then went to the disk and back within a transaction."""
CHECKPOINT_PAGES = 8_000
"""SQLite copies the WAL into the database at this length, 32 MB: at its 4 MB every full group of
events was copied at once, and index pages that the next group changes again were written twice."""
IDLE_S = 1.0
"""A PostgreSQL connection unused for longer is tried before it is used again."""
SOCKET_TIMEOUT_S = 60.0
"""A PostgreSQL server silent for longer is taken for gone: a half-open connection ends here."""


def open_engine(url: str) -> Engine:
    """Open ``sqlite:///path`` or ``postgresql://user@host/database``.

    SQLite runs in WAL mode with synchronous=FULL and foreign keys on; a transaction takes the
    write lock at its start, unless it is opened by :func:`reading`. PostgreSQL runs over pg8000
    in UTC; ``synchronous_commit = off`` of the server is overruled.

    Raises:
        UserError: the address is malformed, of another database, or of SQLite in memory.
    """
    address = _checked(url)
    if address.get_backend_name() == "sqlite":
        # The connection used last comes first: its page cache is the one that is still true.
        engine = create_engine(address, pool_size=10, max_overflow=20, pool_use_lifo=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        address.set(drivername="postgresql+pg8000"),
        pool_size=10,
        max_overflow=20,
        connect_args={"timeout": SOCKET_TIMEOUT_S, "application_name": "menshen"},
    )
    speak_quickly(engine)
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _check_if_idle)
    return engine


_writers: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading only: on SQLite it waits for no writer and stops none."""
    with engine.connect().execution_options(read_only=True) as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """As :func:`reading`, and every statement sees the database as at the first.

    PostgreSQL otherwise shows each statement what has been committed before that statement: a
    count and the rows that it counts, read one after the other, then differ under load.
    """
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end and rolled back on an exception."""
    with _turn(engine), engine.begin() as connection:
        yield connection


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """On SQLite, the turn of one writer of this process.

    SQLite itself lets a writer that must wait sleep and ask again, ever longer: among the many
    threads of a centre the unlucky one waits for seconds. A lock wakes the next at once. Whoever
    gets no turn in time goes on to ask SQLite, as writers of other processes do.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = _writers.setdefault(engine, threading.Lock())
    has_turn = lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        yield
    finally:
        if has_turn:
            lock.release()


def _checked(url: str) -> URL:
    remedy = "use sqlite:///path/to/file.db or postgresql://user:password@host/database"
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, ValueError):
        raise UserError(
            where="database address", problem="cannot be understood", remedy=remedy
        ) from None
    if backend not in ("sqlite", "postgresql"):
        raise UserError(
            where="database address", problem=f"{backend!r} is not supported", remedy=remedy
        )
    if backend == "sqlite" and address.database in (None, "", ":memory:"):
        raise UserError(
            where="database address",
            problem="SQLite in memory forgets every event at a restart",
            remedy=remedy,
        )
    return address


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Turns a new database to WAL mode, which it keeps.

    SQLite gives up here at once when another process writes into a database that is not in that
    mode yet, whatever the timeout: two that begin a new one at the same moment.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= give_up_at:
                raise
        time.sleep(BUSY_PAUSE_S)


def insert_into(bind: Connection | Engine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The INSERT of the database in use, which can say what to do where a row is there already."""
    return sqlite.insert(table) if bind.dialect.name == "sqlite" else postgresql.insert(table)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes can fail with SQLITE_BUSY at once,
    # whatever the timeout; one that is immediate waits for its turn.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _check_if_idle(connection: Any, record: Any, _proxy: Any) -> None:
    # To ask before each use, as pool_pre_ping does, is a round trip that a busy centre makes
    # thousands of times a minute; a server that went away is found by its idle connections.
    if time.monotonic() - record.info.get("used_at", time.monotonic()) <= IDLE_S:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.rollback()
    except Exception as error:
        # The pool then opens another one.
        raise DisconnectionError from error


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # pg8000 writes a message above 8 kB in two parts: with Nagle's algorithm the second waits
    # about 40 ms for the server's delayed acknowledgement of the first (RFC 9293, 3.7.4).
    # It offers no option for that, only its socket.
    if connection._usock.family != socket.AF_UNIX:
        connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.close()
    connection.commit()
