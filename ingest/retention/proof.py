"""Proof of deletion: what is gone, when and by which rule, as rows that vouch for each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ingest.engine import reading, snapshot
from ingest.retention.schema import deletion_head, deletions

GENESIS = "0" * 64
"""What the first row names as the hash before it."""
MOST_ITEMS = 1_000
Kind = Literal["event", "media", "letter", "alert"]
Item = tuple[str, str]
"""Name (an id, or the sha256 of a file) and the SHA-256 of the content, both in text."""
StillThere = Callable[[Connection, Sequence[str], datetime], frozenset[str]]
"""Which of these names exist although they were deleted at that moment. A thing that came
again later, by itself, is not among them."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many rows, and the hash of the last."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Proof:
    """One row of the chain."""

    seq: int
    at: datetime
    kind: str
    camera: str
    rule: str
    items: tuple[Item, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the whole chain found; ``problem`` is None when all is well."""

    rows: int
    items: int
    head: Head
    seq: int | None = None
    problem: str | None = None


def lock_chain(connection: Connection) -> None:
    """Take the lock between deleting and holding, until the caller's transaction ends."""
    connection.execute(update(deletion_head).values(rows=deletion_head.c.rows))


def append(
    connection: Connection,
    *,
    at: datetime,
    kind: Kind,
    rule: str,
    items: Iterable[Item],
    camera: str = "",
) -> int:
    """Prove the deletion of ``items`` in the caller's transaction; the seq of the last row.

    The deletion itself belongs into the same transaction: both come to be, or neither.
    """
    ordered = sorted(set(items))
    lock_chain(connection)
    head = read_head(connection)
    seq, previous = head.rows, head.hash
    rows = []
    for start in range(0, len(ordered), MOST_ITEMS):
        part = ordered[start : start + MOST_ITEMS]
        manifest = json.dumps(part, separators=(",", ":"))
        seq += 1
        values = {"seq": seq, "at": at, "kind": kind, "camera": camera, "rule": rule}
        digest = row_hash(**values, manifest=manifest, previous=previous)  # type: ignore[arg-type]
        rows.append(
            {
                **values,
                "items": len(part),
                "first_item": part[0][0],
                "last_item": part[-1][0],
                "manifest": manifest,
                "previous": previous,
                "hash": digest,
            }
        )
        previous = digest
    if rows:
        connection.execute(insert(deletions), rows)
        connection.execute(update(deletion_head).values(rows=seq, hash=previous))
    return seq


def row_hash(
    *, seq: int, at: datetime, kind: str, camera: str, rule: str, manifest: str, previous: str
) -> str:
    """SHA-256 in hex over the row as a canonical JSON array; the manifest enters by its own."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    listed = hashlib.sha256(manifest.encode()).hexdigest()
    parts = [seq, moment, kind, camera, rule, listed, previous]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_head(connection: Connection) -> Head:
    """The end of the chain, as it was counted."""
    row = connection.execute(select(deletion_head.c.rows, deletion_head.c.hash)).one()
    return Head(int(row.rows), str(row.hash))


def find(engine: Engine, name: str) -> list[Proof]:
    """The proofs that name this event id, sha256, digest or alert id; empty if there is none."""
    of_name = (deletions.c.first_item <= name) & (deletions.c.last_item >= name)
    with reading(engine) as connection:
        rows = connection.execute(select(deletions).where(of_name).order_by(deletions.c.seq))
        proofs = [_proof(row) for row in rows]
    return [proof for proof in proofs if any(item[0] == name for item in proof.items)]


def latest(engine: Engine, limit: int) -> list[Proof]:
    """The newest proofs, newest first."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(deletions).order_by(deletions.c.seq.desc()).limit(limit)
        ).all()
    return [_proof(row) for row in rows]


def verify(
    engine: Engine, still_there: Mapping[str, StillThere], checkpoint: Head | None = None
) -> Verdict:
    """Walk the whole chain, and look for everything that it says is gone.

    Args:
        still_there: for each kind of thing, how to look for it.
        checkpoint: an earlier head, kept where the database's owner cannot write.
    """
    with snapshot(engine) as connection:
        head = read_head(connection)
        items, expected, previous = 0, 1, GENESIS
        # A connection of its own for looking: the walk's own result is still open.
        with reading(engine) as looking:
            for row in _walk(connection):
                problem = _chain_problem(row, expected, previous) or _presence(
                    looking, row, still_there
                )
                previous = str(row.hash)
                if problem is None and checkpoint is not None and checkpoint.rows == expected:
                    is_same = checkpoint.hash == previous
                    problem = None if is_same else "differs from the checkpoint: it was rewritten"
                if problem is not None:
                    return Verdict(expected, items, head, expected, problem)
                items += int(row.items)
                expected += 1
    last = expected - 1
    if checkpoint is not None and checkpoint.rows > last:
        problem = f"is cut off: the checkpoint knows {checkpoint.rows} rows"
        return Verdict(last, items, head, expected, problem)
    if head != Head(last, previous):
        problem = f"is cut off or added: {head.rows} rows were counted"
        return Verdict(last, items, head, min(expected, head.rows + 1), problem)
    return Verdict(last, items, head)


def _walk(connection: Connection) -> Iterator[Row[tuple[object, ...]]]:
    streaming = connection.execution_options(stream_results=True, max_row_buffer=100)
    yield from streaming.execute(select(deletions).order_by(deletions.c.seq))


def _chain_problem(row: Row[tuple[object, ...]], expected: int, previous: str) -> str | None:
    if row.seq != expected:
        return f"is missing: row {row.seq} follows row {expected - 1}"
    if row.previous != previous:
        return "does not follow the row before it: replaced or moved"
    digest = row_hash(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        camera=row.camera,
        rule=row.rule,
        manifest=row.manifest,
        previous=previous,
    )
    if digest != row.hash:
        return "was altered: its hash does not fit its content"
    names = [item[0] for item in json.loads(row.manifest)]
    if (len(names), min(names), max(names)) != (row.items, row.first_item, row.last_item):
        return "was altered: its summary does not fit its manifest"
    return None


def _presence(
    connection: Connection, row: Row[tuple[object, ...]], still_there: Mapping[str, StillThere]
) -> str | None:
    look = still_there.get(row.kind)
    if look is None:
        return None
    found = look(connection, [item[0] for item in json.loads(row.manifest)], row.at)
    if not found:
        return None
    return f"says that {row.kind} {min(found)} is gone, but it is there ({len(found)} such)"


def _proof(row: Row[tuple[object, ...]]) -> Proof:
    items = tuple((str(name), str(digest)) for name, digest in json.loads(row.manifest))
    return Proof(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        camera=row.camera,
        rule=row.rule,
        items=items,
        hash=row.hash,
    )
