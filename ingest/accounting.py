"""Counts what was lost on the way, from the outboxes' own sequences against the store."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select

from config.errors import UserError
from config.ranges import SeqSet
from ingest.engine import reading
from ingest.retention.seqs import deleted_of
from ingest.schema import dead_letters, events


@dataclass(frozen=True, slots=True)
class Accounting:
    """Where every number that an outbox ever gave is now.

    ``committed`` is what the edges made durable. ``lost`` is what is neither stored, nor still
    waiting in an outbox, nor dropped and reported as ``shed``, nor ``deleted`` by retention.
    ``duplicates`` are rows of the store beyond the first for one number, or for one id.
    """

    committed: int
    stored: int
    shed: int
    lost: int
    duplicates: int
    outbox_left: int
    dead_letters: int
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class _Outbox:
    node: str
    epoch: str
    highest: int
    shed: SeqSet
    waiting: SeqSet


def account(outboxes: Iterable[Path], engine: Engine) -> Accounting:
    """Compare the numbers of ``outboxes`` (files, of running or stopped nodes) with the store.

    A file that was set aside as damaged is another outbox: name it too when it can be read.

    Raises:
        UserError: a file cannot be read as an outbox.
    """
    # Read first: what arrives meanwhile is then in the store, and never looks lost.
    books = [_read(path) for path in outboxes]
    stored = lost = duplicates = deleted = 0
    with reading(engine) as connection:
        for book in books:
            found = [
                int(row[0])
                for row in connection.execute(
                    select(events.c.seq).where(
                        events.c.node == book.node, events.c.epoch == book.epoch
                    )
                )
            ]
            numbers = set(found)
            gone = deleted_of(connection, (book.node, book.epoch))
            deleted += gone.count()
            stored += len(numbers)
            duplicates += len(found) - len(numbers)
            lost += sum(
                1
                for seq in range(1, book.highest + 1)
                if seq not in numbers
                and not any(known.covers(seq) for known in (book.waiting, book.shed, gone))
            )
        duplicates += _repeated_ids(connection.execute(select(events.c.id)).scalars())
        buried = connection.execute(select(func.count()).select_from(dead_letters)).scalar_one()
    return Accounting(
        committed=sum(book.highest for book in books),
        stored=stored,
        shed=sum(book.shed.count() for book in books),
        lost=lost,
        duplicates=duplicates,
        outbox_left=sum(book.waiting.count() for book in books),
        dead_letters=int(buried),
        deleted=deleted,
    )


def _repeated_ids(ids: Iterable[str]) -> int:
    return sum(times - 1 for times in Counter(ids).values())


def _read(path: Path) -> _Outbox:
    """Read an outbox by its file format: the centre does not import the edge."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            connection.execute("BEGIN")
            node, epoch, highest, shed = connection.execute(
                "SELECT node, epoch, highest, shed FROM state"
            ).fetchone()
            waiting = [row[0] for row in connection.execute("SELECT seq FROM events")]
        finally:
            connection.close()
        upto, also = json.loads(shed)
        shed_numbers = SeqSet(int(upto), tuple((int(a), int(b)) for a, b in also))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read as an outbox ({error})",
            remedy="give the path of an edge node's outbox file",
        ) from None
    return _Outbox(node, epoch, highest, shed_numbers, SeqSet().including(waiting))
