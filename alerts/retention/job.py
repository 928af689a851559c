"""Runs retention as a job of the centre, and writes what it deleted to the audit log."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, Engine, select

from alerts.auditing.audit import AuditLine, append_lines
from alerts.retention.follower import AlertFollower
from alerts.store import schema
from config.clock import Clock
from config.site import Site
from ingest.engine import writing
from ingest.media.base import MediaStore
from ingest.retention import proof
from ingest.retention.files import still_stored
from ingest.retention.proof import StillThere
from ingest.retention.rules import Rule
from ingest.retention.sweep import Sweeper
from ingest.retention.swept import Swept
from ingest.schema import dead_letters, events

EVERY_S = 900.0
ACTION = "retention-delete"


class RetentionJob:
    """Sweeps one county. Each run names in the audit log the rows of proof that are new."""

    def __init__(self, engine: Engine, site: Site, clock: Clock, store: MediaStore) -> None:
        self._engine = engine
        self._clock = clock
        self._sweeper = Sweeper(engine, site, clock, store=store, follower=AlertFollower(site))
        self._stopping = threading.Event()

    def run_once(self) -> int:
        """One sweep; 0, as the next one is due only later. For :class:`alerts.loops.Loop`."""
        self.sweep()
        return 0

    def sweep(self) -> Swept:
        """One sweep, audited."""
        # What a killed sweep proved and could not write down any more.
        self._write_down("system")
        swept = self._sweeper.run(self._stopping)
        self._write_down("system")
        return swept

    def erase(self, rule: Rule, by: str) -> Swept:
        """Delete before the usual time, as ``by`` asks; audited."""
        self._write_down("system")
        swept = self._sweeper.erase(rule)
        self._write_down(by)
        return swept

    def stop(self) -> None:
        """A sweep that runs ends after its present transaction."""
        self._stopping.set()

    def _write_down(self, actor: str) -> None:
        """An audit line for the rows of proof since the last such line, with the chain's end."""
        with writing(self._engine) as connection:
            proof.lock_chain(connection)
            head, known = proof.read_head(connection), _last_audited(connection)
            if head.rows <= known:
                return
            about = f"deletions {known + 1}-{head.rows}"
            line = AuditLine(self._clock.now(), actor, ACTION, about, f"end of chain {head.hash}")
            append_lines(connection, [line])


def presence() -> dict[str, StillThere]:
    """How to look for deleted things in the database, by kind; files are the store's."""
    return {
        "event": _rows_of(events.c.id, None),
        "alert": _rows_of(schema.alerts.c.id, None),
        # The same bytes may arrive, and be buried, again.
        "letter": _rows_of(dead_letters.c.digest, dead_letters.c.first_at),
    }


def verify(
    engine: Engine, store: MediaStore, checkpoint: proof.Head | None = None
) -> proof.Verdict:
    """The whole chain, and that nothing of what it names exists any more."""
    looks: Mapping[str, StillThere] = {**presence(), "media": still_stored(store)}
    return proof.verify(engine, looks, checkpoint)


def _rows_of(name: Column[str], since: Column[datetime] | None) -> StillThere:
    def look(connection: Connection, names: Sequence[str], at: datetime) -> frozenset[str]:
        found = select(name).where(name.in_(list(names)))
        if since is not None:
            found = found.where(since < at)
        return frozenset(connection.execute(found).scalars())

    return look


def _last_audited(connection: Connection) -> int:
    line = connection.execute(
        select(schema.audit.c.object)
        .where(schema.audit.c.action == ACTION)
        .order_by(schema.audit.c.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    return int(line.rpartition("-")[2]) if line is not None else 0
