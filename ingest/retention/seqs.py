"""Remembers which numbers were stored and deleted at their time, so that none comes back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from config.ranges import SeqSet
from ingest.retention.schema import deleted_seqs

Key = tuple[str, str]
"""Node and epoch."""


def note_deleted(connection: Connection, numbers: Iterable[tuple[str, str, int]]) -> None:
    """Remember (node, epoch, seq) of events that are being deleted."""
    by_key: defaultdict[Key, list[int]] = defaultdict(list)
    for node, epoch, seq in numbers:
        by_key[node, epoch].append(seq)
    for key, seqs in sorted(by_key.items()):
        for first, last in _runs(seqs):
            _note_run(connection, key, first, last)


def deleted_among(connection: Connection, key: Key, seqs: Sequence[int]) -> frozenset[int]:
    """Those of ``seqs`` whose events were deleted at their time."""
    if not seqs:
        return frozenset()
    table = deleted_seqs.c
    ranges = connection.execute(
        select(table.first_seq, table.last_seq)
        .where(table.node == key[0], table.epoch == key[1])
        .where(table.first_seq <= max(seqs), table.last_seq >= min(seqs))
    ).all()
    return frozenset(seq for seq in seqs if any(first <= seq <= last for first, last in ranges))


def deleted_of(connection: Connection, key: Key) -> SeqSet:
    """Every deleted number of one node and epoch."""
    table = deleted_seqs.c
    ranges = connection.execute(
        select(table.first_seq, table.last_seq)
        .where(table.node == key[0], table.epoch == key[1])
        .order_by(table.first_seq)
    ).all()
    runs = [(int(first), int(last)) for first, last in ranges]
    upto = runs.pop(0)[1] if runs and runs[0][0] == 1 else 0
    return SeqSet(upto, tuple(runs))


def _runs(seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for seq in sorted(set(seqs)):
        if first is None or last is None:
            first = last = seq
        elif seq == last + 1:
            last = seq
        else:
            yield first, last
            first = last = seq
    if first is not None and last is not None:
        yield first, last


def _note_run(connection: Connection, key: Key, first: int, last: int) -> None:
    """Add one run; it grows together with the runs that it touches, so that rows stay few."""
    table = deleted_seqs.c
    of_key = (table.node == key[0]) & (table.epoch == key[1])
    touching = connection.execute(
        select(table.first_seq, table.last_seq).where(
            of_key, table.first_seq <= last + 1, table.last_seq >= first - 1
        )
    ).all()
    low = min([first, *(row.first_seq for row in touching)])
    high = max([last, *(row.last_seq for row in touching)])
    if any(row.first_seq == low for row in touching):
        connection.execute(
            update(deleted_seqs).where(of_key, table.first_seq == low).values(last_seq=high)
        )
    else:
        connection.execute(
            insert(deleted_seqs).values(node=key[0], epoch=key[1], first_seq=low, last_seq=high)
        )
    swallowed = [row.first_seq for row in touching if row.first_seq != low]
    if swallowed:
        connection.execute(delete(deleted_seqs).where(of_key, table.first_seq.in_(swallowed)))
