"""Keeps dead letters within a number of rows and bytes: the oldest go first, and are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from config.logs import get_logger
from ingest.engine import reading
from ingest.letters.reading import DeadLetter
from ingest.retention.schema import letter_totals
from ingest.schema import dead_letters
from ingest.store_sql import in_parts

log = get_logger(__name__)

TOPIC_CHARACTERS = 512
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Limit:
    """How much ``dead_letters`` may hold."""

    letters: int = 10_000
    size_bytes: int = 64_000_000


LIMIT = Limit()


@dataclass(frozen=True, slots=True)
class Totals:
    """What is kept, and what was dropped since the database was made."""

    kept: int
    kept_bytes: int
    dropped: int
    dropped_bytes: int


def bury(
    connection: Connection, letters: Iterable[DeadLetter], now: datetime, limit: Limit = LIMIT
) -> None:
    """Keep letters, in the caller's transaction; the same bytes again only raise the count.

    Above ``limit`` the letters that came last the longest ago are dropped, and counted.
    """
    given = list(letters)
    if not given:
        return
    # The lock of the totals' row: replicas bury one after the other, and the counts are exact.
    connection.execute(update(letter_totals).values(kept=letter_totals.c.kept))
    times = Counter(letter.digest for letter in given)
    known = _known(connection, list(times))
    for digest in sorted(known):
        connection.execute(
            update(dead_letters)
            .where(dead_letters.c.digest == digest)
            .values(times=dead_letters.c.times + times[digest], last_at=now)
        )
    fresh = {letter.digest: letter for letter in given if letter.digest not in known}
    rows = [_row(letter, times[digest], now) for digest, letter in fresh.items()]
    if rows:
        connection.execute(insert(dead_letters), rows)
        size = sum(row["stored_bytes"] for row in rows)
        _count(connection, kept=len(rows), kept_bytes=size)
    _enforce(connection, limit)


def _known(connection: Connection, digests: Sequence[str]) -> set[str]:
    """Those that are kept."""
    return {
        digest
        for part in in_parts(digests, _PAGE)
        for digest in connection.execute(
            select(dead_letters.c.digest).where(dead_letters.c.digest.in_(part))
        ).scalars()
    }


def totals(engine: Engine) -> Totals:
    """The counts as they are."""
    with reading(engine) as connection:
        return _totals(connection)


def forget(connection: Connection, ids: Sequence[int], size_bytes: int) -> None:
    """Delete letters that hold ``size_bytes`` together, and count them out."""
    # The totals' row first, as in bury: in another order the two could lock each other out.
    _count(connection, kept=-len(ids), kept_bytes=-size_bytes)
    connection.execute(delete(dead_letters).where(dead_letters.c.id.in_(ids)))


def recount(connection: Connection) -> None:
    """Count again what is kept: a replica of an earlier version buries without counting."""
    connection.execute(update(letter_totals).values(kept=letter_totals.c.kept))
    kept, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(dead_letters.c.stored_bytes), 0)).select_from(
            dead_letters
        )
    ).one()
    connection.execute(update(letter_totals).values(kept=kept, kept_bytes=int(size)))


def _row(letter: DeadLetter, times: int, now: datetime) -> dict[str, Any]:
    body = letter.body
    return {
        "digest": letter.digest,
        "topic": _clean(letter.topic)[:TOPIC_CHARACTERS],
        "node": letter.node,
        "reason": _clean(letter.reason),
        "head": letter.head,
        "size_bytes": letter.size_bytes,
        "body": body,
        "times": times,
        "first_at": now,
        "last_at": now,
        "stored_bytes": len(letter.head) + (len(body.encode()) if body else 0),
    }


def _enforce(connection: Connection, limit: Limit) -> None:
    now = _totals(connection)
    letters, size = now.kept - limit.letters, now.kept_bytes - limit.size_bytes
    dropped = 0
    while letters > 0 or size > 0:
        oldest = connection.execute(
            select(dead_letters.c.id, dead_letters.c.stored_bytes)
            .order_by(dead_letters.c.last_at, dead_letters.c.id)
            .limit(_PAGE)
        ).all()
        if not oldest:
            break
        going = []
        for row in oldest:
            if letters <= 0 and size <= 0:
                break
            going.append(row)
            letters -= 1
            size -= row.stored_bytes
        gone = sum(row.stored_bytes for row in going)
        forget(connection, [row.id for row in going], gone)
        connection.execute(
            update(letter_totals).values(
                dropped=letter_totals.c.dropped + len(going),
                dropped_bytes=letter_totals.c.dropped_bytes + gone,
            )
        )
        dropped += len(going)
    if dropped:
        log.warning("dead letters are full, the oldest were dropped", dropped=dropped)


def _count(connection: Connection, *, kept: int, kept_bytes: int) -> None:
    connection.execute(
        update(letter_totals).values(
            kept=letter_totals.c.kept + kept,
            kept_bytes=letter_totals.c.kept_bytes + kept_bytes,
        )
    )


def _totals(connection: Connection) -> Totals:
    table = letter_totals.c
    row = connection.execute(
        select(table.kept, table.kept_bytes, table.dropped, table.dropped_bytes)
    ).one()
    return Totals(*(int(value) for value in row))


def _clean(value: str) -> str:
    # PostgreSQL's text has no NUL, and UTF-8 no lone surrogate.
    return value.replace("\0", "�").encode("utf-8", "replace").decode()
