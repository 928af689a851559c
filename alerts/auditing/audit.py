"""The audit log: append-only rows chained by hash, and the check that names the first bad one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, select

from alerts.store.counting import Head as Head
from alerts.store.counting import move_counters, take_counters
from alerts.store.rows import insert_rows
from alerts.store.schema import audit, counters
from config.clock import Clock
from ingest.engine import reading, snapshot, writing

GENESIS = "0" * 64
"""What the first row names as the hash before it."""
_START = Head(0, GENESIS)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that somebody did, or that the system did by itself (actor ``system``)."""

    at: datetime
    actor: str
    action: str
    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing wrong with the log: ``seq`` of the row, and what is wrong."""

    seq: int
    problem: str


class AuditLog:
    """The log of one database.

    No client changes a row (triggers refuse it), and whoever may switch those off is found by
    the chain. Beyond the database, :mod:`alerts.auditing.checkpoints` writes :meth:`head`
    down elsewhere: whoever rewrites the chain to its end, and the counter, is found only by that.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def append(self, *, actor: str, action: str, object: str, detail: str = "") -> None:
        """Add one line in a transaction of its own."""
        line = AuditLine(self._clock.now(), actor, action, object, detail)
        with writing(self._engine) as connection:
            append_lines(connection, [line])

    def head(self) -> Head:
        """The end of the chain as the counter has it: a checkpoint to keep elsewhere."""
        with reading(self._engine) as connection:
            return _head(connection)

    def verify(self, checkpoints: Iterable[Head] = ()) -> Finding | None:
        """The first altered, missing, moved or cut-off row; None when all is well.

        A chain rewritten from some row on is known by the first checkpoint behind that row; the
        row named is then the first after the last checkpoint that still fits.

        Args:
            checkpoints: what :meth:`head` was at times, kept where the database's owner cannot
                write; in any order.
        """
        with snapshot(self._engine) as connection:
            head = _head(connection)
            rows = connection.execution_options(stream_results=True, max_row_buffer=1000).execute(
                select(audit).order_by(audit.c.seq)
            )
            return _first_bad(rows.mappings(), head, sorted(checkpoints, key=lambda one: one.rows))

    def verify_from(self, known: Head) -> Finding | Head:
        """Check the rows after an earlier end, and that this end is still there.

        Cheap enough to be done every minute; only :meth:`verify` looks at older rows.

        Returns:
            what is wrong, or the end up to which all is well: the next look starts there.
        """
        with snapshot(self._engine) as connection:
            head = _head(connection)
            rows = connection.execute(
                select(audit).where(audit.c.seq > known.rows).order_by(audit.c.seq)
            ).mappings()
            kept = connection.execute(
                select(audit.c.hash).where(audit.c.seq == known.rows)
            ).scalar_one_or_none()
            if known.rows > 0 and kept != known.hash:
                problem = "is missing" if kept is None else "was altered, or the chain rewritten"
                return Finding(known.rows, f"{problem}, as an earlier look shows")
            return _first_bad(rows, head, (), after=known) or head


def append_lines(connection: Connection, lines: Sequence[AuditLine]) -> None:
    """Add lines inside the caller's transaction; call it last, it holds a lock until commit."""
    if not lines:
        return
    counted = take_counters(connection)
    rows = chained(counted.audit, lines)
    insert_rows(connection, audit, rows)
    move_counters(connection, replace(counted, audit=end_of(rows)))


def chained(head: Head, lines: Sequence[AuditLine]) -> list[dict[str, Any]]:
    """Rows of table ``audit`` for ``lines``, the first following ``head``."""
    rows: list[dict[str, Any]] = []
    previous = head.hash
    for seq, line in enumerate(lines, start=head.rows + 1):
        digest = row_hash(seq, line, previous)
        rows.append(
            {
                "seq": seq,
                "at": line.at,
                "actor": line.actor,
                "action": line.action,
                "object": line.object,
                "detail": line.detail,
                "previous": previous,
                "hash": digest,
            }
        )
        previous = digest
    return rows


def end_of(rows: Sequence[Mapping[str, Any]]) -> Head:
    """Where the chain ends with ``rows``, of which there is at least one."""
    return Head(rows[-1]["seq"], rows[-1]["hash"])


def row_hash(seq: int, line: AuditLine, previous: str) -> str:
    """SHA-256 in hex over the row as a canonical JSON array, time in UTC to the microsecond."""
    moment = line.at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = [seq, moment, line.actor, line.action, line.object, line.detail, previous]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _head(connection: Connection) -> Head:
    row = connection.execute(
        select(counters.c.value, counters.c.hash).where(counters.c.name == "audit")
    ).one()
    return Head(rows=row.value, hash=row.hash)


def _first_bad(
    rows: Iterable[RowMapping],
    head: Head,
    checkpoints: Sequence[Head],
    after: Head = _START,
) -> Finding | None:
    known = {checkpoint.rows: checkpoint.hash for checkpoint in checkpoints}
    expected, previous, sure = after.rows + 1, after.hash, after.rows
    for row in rows:
        if (problem := _problem(row, expected, previous)) is not None:
            return Finding(expected, problem)
        previous = row["hash"]
        if known.get(expected, previous) != previous:
            return Finding(sure + 1, _rewritten(sure + 1, expected))
        if expected in known:
            sure = expected
        expected += 1
    return _bad_end(expected, previous, head, checkpoints)


def _problem(row: RowMapping, expected: int, previous: str) -> str | None:
    if row["seq"] != expected:
        return f"is missing: row {row['seq']} follows row {expected - 1}"
    if row["previous"] != previous:
        return "does not follow the row before it: replaced or moved"
    line = AuditLine(row["at"], row["actor"], row["action"], row["object"], row["detail"])
    if row_hash(expected, line, previous) != row["hash"]:
        return "was altered: its hash does not fit its content"
    return None


def _rewritten(first: int, last: int) -> str:
    if first == last:
        return "differs from the checkpoint: the log was rewritten"
    return f"to {last}: one of them was altered and the chain rewritten, as a checkpoint shows"


def _bad_end(
    expected: int, previous: str, head: Head, checkpoints: Sequence[Head]
) -> Finding | None:
    """What is wrong after the last row, whose number is ``expected - 1``."""
    longest = checkpoints[-1].rows if checkpoints else 0
    if longest >= expected:
        return Finding(expected, f"is cut off: a checkpoint knows {longest} rows")
    if head.rows != expected - 1:
        first = min(expected, head.rows + 1)
        return Finding(first, f"is cut off or added: {head.rows} were counted")
    if head.hash != previous:
        return Finding(expected - 1, "is not the row that was counted last")
    return None
