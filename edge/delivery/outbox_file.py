"""The outbox's SQLite file: opened, checked, set aside when damaged; its statements."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from config.durable import sync_folder
from config.errors import UserError
from config.ids import is_uuid7, uuid7
from config.logs import get_logger
from config.ranges import SeqSet

log = get_logger(__name__)

ROW_OVERHEAD_BYTES = 100
"""What a row costs in the file beside its body, about."""
_APPLICATION_ID = 0x4D4E584F  # "MNXO": tells our file from any other SQLite database
_VERSION = 1
_CREATE = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE state (
    node TEXT NOT NULL,
    epoch TEXT NOT NULL,      -- UUIDv7: one life of this file
    highest INTEGER NOT NULL, -- last seq ever given; kept when its event is deleted
    sent TEXT NOT NULL,       -- JSON [upto, [[first, last], ...]]: what was ever published
    shed TEXT NOT NULL        -- JSON, the same form: what was dropped without a receipt
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    kind TEXT NOT NULL,
    class INTEGER NOT NULL,   -- the lowest is dropped first; see edge.delivery.outbox.shed_class
    size INTEGER NOT NULL,    -- bytes against the budget
    body TEXT NOT NULL        -- the event as JSON, exactly as it is published
);
CREATE INDEX events_by_class ON events (class, seq);
"""


class Row(NamedTuple):
    """One event that waits for its receipt; in the order of the file's columns."""

    seq: int
    id: str
    camera: str
    kind: str
    shed_class: int
    size: int
    body: str


@dataclass(frozen=True, slots=True)
class State:
    """What the file remembers beside its events."""

    epoch: str
    highest: int
    sent: SeqSet
    shed: SeqSet


class OutboxFile:
    """One process's outbox file, locked against others; the caller serialises the calls."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: IO[bytes]) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, node: str, now: datetime) -> tuple[OutboxFile, str | None]:
        """Open or create ``path``; also a sentence about a damaged file that was set aside.

        Raises:
            UserError: another process has it open, it belongs to another node or is no outbox,
                or the folder cannot be written.
        """
        lock = _locked(path)
        try:
            connection, damage = _opened(path, node=node, now=now)
        except BaseException:
            lock.close()
            raise
        return cls(path, connection, lock), damage

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._connection.close()
        self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is on the disk when this ends, or none of it is."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT (disk full) may have rolled back by itself already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def state(self) -> State:
        """The single row of state."""
        epoch, highest, sent, shed = self._connection.execute(
            "SELECT epoch, highest, sent, shed FROM state"
        ).fetchone()
        return State(epoch, highest, _set_from(sent), _set_from(shed))

    def save(self, state: State) -> None:
        """Write the state, inside a transaction."""
        self._connection.execute(
            "UPDATE state SET highest = ?, sent = ?, shed = ?",
            (state.highest, _set_to(state.sent), _set_to(state.shed)),
        )

    def insert(self, rows: list[Row]) -> None:
        """Add events, inside a transaction."""
        self._connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def seq_of(self, event_id: str) -> int | None:
        """The number of an event that is still here."""
        found = self._connection.execute(
            "SELECT seq FROM events WHERE id = ?", (event_id,)
        ).fetchone()
        return None if found is None else int(found[0])

    def delete(self, seqs: list[int]) -> None:
        """Drop single events, inside a transaction."""
        self._connection.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in seqs])

    def delete_covered(self, covered: SeqSet) -> tuple[int, int]:
        """Drop what a receipt covers, inside a transaction; how many events and bytes."""
        count = size = 0
        for first, last in [(1, covered.upto), *covered.also]:
            row = self._connection.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM events WHERE seq BETWEEN ? AND ?",
                (first, last),
            ).fetchone()
            if row[0]:
                self._connection.execute(
                    "DELETE FROM events WHERE seq BETWEEN ? AND ?", (first, last)
                )
            count, size = count + row[0], size + row[1]
        return count, size

    def any_between(self, first: int, last: int) -> bool:
        """True when an event with a number from ``first`` to ``last`` is here."""
        found = self._connection.execute(
            "SELECT 1 FROM events WHERE seq BETWEEN ? AND ? LIMIT 1", (first, last)
        ).fetchone()
        return found is not None

    def between(self, first: int, last: int, *, limit: int) -> list[Row]:
        """Events with numbers from ``first`` to ``last``, lowest first."""
        return self._rows("WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?", (first, last, limit))

    def victims(self) -> Iterator[tuple[int, str, int, int]]:
        """seq, kind, class, size: in the order in which they would be dropped."""
        return iter(
            self._connection.execute(
                "SELECT seq, kind, class, size FROM events ORDER BY class, seq"
            )
        )

    def oldest(self) -> int | None:
        """The lowest number here; None when the outbox is empty."""
        found = self._connection.execute("SELECT min(seq) FROM events").fetchone()[0]
        return None if found is None else int(found)

    def totals(self) -> tuple[int, int]:
        """Events and bytes that wait."""
        count, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM events"
        ).fetchone()
        return int(count), int(size)

    def _rows(self, where: str, values: tuple[Any, ...]) -> list[Row]:
        sql = f"SELECT seq, id, camera, kind, class, size, body FROM events {where}"  # noqa: S608
        return list(map(Row._make, self._connection.execute(sql, values)))


def _locked(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise UserError(
            where=str(path.parent),
            problem=f"the outbox cannot be kept here ({error.strerror})",
            remedy="give a folder on a disk that this user may write",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(
            where=str(path),
            problem="another process has this outbox open",
            remedy="stop that edge worker, or give this one its own data folder",
        ) from None
    return lock


def _opened(path: Path, *, node: str, now: datetime) -> tuple[sqlite3.Connection, str | None]:
    try:
        return _connected(path, node=node, now=now), None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise UserError(
                where=str(path),
                problem=f"the outbox cannot be opened ({error})",
                remedy="free space on the disk and check who may write there",
            ) from None
        kept = _set_aside(path, now)
        log.error("outbox damaged, set aside", file=str(path), kept=str(kept), why=str(error))
        sentence = f"{path.name} could not be read ({error}); kept as {kept.name}, new epoch begun"
        return _connected(path, node=node, now=now), sentence


def _is_damage(error: sqlite3.Error) -> bool:
    # "no such table": a database whose first page survived, but not our tables.
    return any(text in str(error) for text in ("malformed", "no such table", "not a database"))


def _connected(path: Path, *, node: str, now: datetime) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=30, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 16000000")
        if _is_empty(connection):
            _create(connection, path, node=node, now=now)
        _check(connection, path, node=node)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    return int(tables) == 0 and int(application_id) == 0


def _create(connection: sqlite3.Connection, path: Path, *, node: str, now: datetime) -> None:
    # One transaction: a kill in the middle leaves an empty database, which is created again.
    connection.executescript("BEGIN IMMEDIATE;" + _CREATE)
    connection.execute(
        "INSERT INTO state VALUES (?, ?, 0, '[0, []]', '[0, []]')", (node, uuid7(now))
    )
    connection.execute("COMMIT")
    sync_folder(path.parent)


def _check(connection: sqlite3.Connection, path: Path, *, node: str) -> None:
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {answer}")
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise UserError(
            where=str(path),
            problem="this SQLite file is not an outbox",
            remedy="give another path; the file was left as it is",
        )
    row = connection.execute("SELECT node, epoch, sent, shed FROM state").fetchone()
    if row is None or not is_uuid7(row[1]):
        raise sqlite3.DatabaseError("its state is malformed")
    try:
        _set_from(row[2]), _set_from(row[3])
    except (ValueError, TypeError):
        raise sqlite3.DatabaseError("its state is malformed") from None
    if row[0] != node:
        raise UserError(
            where=str(path),
            problem=f"this outbox belongs to node {row[0]!r}, not {node!r}",
            remedy="start the worker with that node's name, or give it its own data folder",
        )


def _set_aside(path: Path, now: datetime) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}-{uuid7(now)[-6:]}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    sync_folder(path.parent)
    return kept


def _set_from(text: str) -> SeqSet:
    upto, also = json.loads(text)
    return SeqSet(int(upto), tuple((int(first), int(last)) for first, last in also))


def _set_to(numbers: SeqSet) -> str:
    return json.dumps([numbers.upto, numbers.also])
