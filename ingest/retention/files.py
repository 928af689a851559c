"""Removes files that nothing names any more: ordered with proof, carried out after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Engine, delete, exists, insert, select

from config.clock import Clock
from config.logs import get_logger
from ingest.engine import insert_into, reading, writing
from ingest.media.base import ListedMedia, MediaStore
from ingest.retention import proof
from ingest.retention.followers import Follower
from ingest.retention.schema import doomed_media, media_refs
from ingest.schema import media

log = get_logger(__name__)

ORPHAN = timedelta(days=30)
"""A file may come long before the event that names it: the broker was away, HTTP was not."""
_PAGE = 500


class Files:
    """The files of one county's evidence, and the rows that list them."""

    def __init__(self, engine: Engine, store: MediaStore, clock: Clock, follower: Follower) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock
        self._follower = follower

    def doom(self, connection: Connection, sha256s: Sequence[str], rule: str) -> int:
        """Order the removal of those files that nothing names; in the caller's transaction.

        The order and its proof are one transaction; :meth:`carry_out` removes the files after
        it. ``kill -9`` between the two leaves the order, which the next sweep carries out.
        """
        if not sha256s:
            return 0
        named = exists().where(media_refs.c.sha256 == media.c.sha256)
        rows = connection.execute(
            select(media).where(media.c.sha256.in_(list(sha256s)), ~named)
        ).all()
        kept = self._follower.names(connection, [row.sha256 for row in rows])
        going = [row for row in rows if row.sha256 not in kept]
        if not going:
            return 0
        now = self._clock.now()
        names = [row.sha256 for row in going]
        seq = proof.append(
            connection, at=now, kind="media", rule=rule, items=[(name, name) for name in names]
        )
        connection.execute(delete(media).where(media.c.sha256.in_(names)))
        connection.execute(
            insert(doomed_media),
            [
                {
                    "sha256": row.sha256,
                    "media_type": row.media_type,
                    "size_bytes": row.size_bytes,
                    "node": row.node,
                    "seq": seq,
                    "ordered_at": now,
                }
                for row in going
            ],
        )
        return len(going)

    def carry_out(self) -> int:
        """Remove every file that is ordered to go; how many went.

        One that the disk does not give up keeps its order, and holds up no other.

        Raises:
            ingest.media.MediaError: the store does not answer; the orders stay.
        """
        removed = 0
        with reading(self._engine) as connection:
            names = list(connection.execute(select(doomed_media.c.sha256)).scalars())
        for sha256 in names:
            try:
                removed += self._remove(sha256)
            except OSError as error:
                log.error("evidence waits to be removed", sha256=sha256, why=error.strerror)
        return removed

    def doom_orphans(self) -> int:
        """Order the removal of files that no event has named for a long time; how many."""
        total, last = 0, ""
        while True:
            with writing(self._engine) as connection:
                proof.lock_chain(connection)
                names = self._orphans(connection, after=last)
                rule = f"no event has named it for {ORPHAN.days} days"
                total += self.doom(connection, names, rule)
            if len(names) < _PAGE:
                return total
            last = names[-1]

    def _orphans(self, connection: Connection, *, after: str) -> list[str]:
        named = exists().where(media_refs.c.sha256 == media.c.sha256)
        old = media.c.received_at < self._clock.now() - ORPHAN
        wanted = select(media.c.sha256).where(media.c.sha256 > after, old, ~named)
        return list(connection.execute(wanted.order_by(media.c.sha256).limit(_PAGE)).scalars())

    def list_strays(self) -> int:
        """Give every file of the store a row, so that it is found when its time comes.

        Files without one: a crash came between file and row, or a person's page kept it.
        """
        listed = 0
        walk = self._store.walk()
        while page := list(islice(walk, _PAGE)):
            listed += self._list(page)
        return listed

    def _list(self, page: list[ListedMedia]) -> int:
        by_name = {item.file.sha256: item for item in page}
        names = list(by_name)
        with writing(self._engine) as connection:
            known = set(
                connection.execute(
                    select(media.c.sha256).where(media.c.sha256.in_(names))
                ).scalars()
            ) | set(
                connection.execute(
                    select(doomed_media.c.sha256).where(doomed_media.c.sha256.in_(names))
                ).scalars()
            )
            rows = [
                {
                    "sha256": name,
                    "media_type": item.file.media_type,
                    "size_bytes": item.file.size_bytes,
                    "node": "",
                    "received_at": item.changed_at,
                }
                for name, item in by_name.items()
                if name not in known
            ]
            if rows:
                upsert = insert_into(connection, media)
                connection.execute(upsert.on_conflict_do_nothing(index_elements=["sha256"]), rows)
        return len(rows)

    def _remove(self, sha256: str) -> int:
        with writing(self._engine) as connection:
            order = _take_order(connection, sha256)
            if order is None:
                return 0  # another replica was quicker, or the file came again
            if connection.execute(
                select(media_refs.c.event_id).where(media_refs.c.sha256 == sha256).limit(1)
            ).first():
                _list_again(connection, order, self._clock.now())
                return 0
            # Inside the transaction: who uploads the same file meanwhile waits for the outcome.
            self._store.remove(sha256)
        log.info("evidence removed", sha256=sha256)
        return 1


def rescue(connection: Connection, sha256: str, now: datetime) -> None:
    """A file is sent again: an order to remove it, not carried out yet, is withdrawn.

    When the file is being removed at this moment, this waits until it is gone.
    """
    order = _take_order(connection, sha256)
    if order is not None:
        _list_again(connection, order, now)


def still_stored(store: MediaStore) -> proof.StillThere:
    """For :func:`ingest.retention.proof.verify`: deleted files that the store still has."""

    def look(connection: Connection, names: Sequence[str], at: datetime) -> frozenset[str]:
        ordered = set(
            connection.execute(
                select(doomed_media.c.sha256).where(doomed_media.c.sha256.in_(list(names)))
            ).scalars()
        )
        came_again = set(
            connection.execute(
                select(media.c.sha256).where(
                    media.c.sha256.in_(list(names)), media.c.received_at >= at
                )
            ).scalars()
        )
        asked = (name for name in names if name not in ordered and name not in came_again)
        return frozenset(name for name in asked if store.find(name) is not None)

    return look


def _take_order(connection: Connection, sha256: str) -> dict[str, object] | None:
    row = connection.execute(
        delete(doomed_media)
        .where(doomed_media.c.sha256 == sha256)
        .returning(
            doomed_media.c.sha256,
            doomed_media.c.media_type,
            doomed_media.c.size_bytes,
            doomed_media.c.node,
        )
    ).first()
    return dict(row._mapping) if row is not None else None


def _list_again(connection: Connection, order: dict[str, object], now: datetime) -> None:
    row = insert_into(connection, media).values(**order, received_at=now)
    connection.execute(
        row.on_conflict_do_update(index_elements=["sha256"], set_={"received_at": now})
    )
