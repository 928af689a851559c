"""Watching: plates looked for under a named case; the rules of the watch list, kept server-side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.choices import APPROVALS, in_force
from alerts.store.choices_schema import watch_entries, watch_votes
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing

LONGEST = timedelta(days=90)
USUAL = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a requester asks for; ``grids`` is the area, never empty."""

    plate: str
    case_number: str
    legal_basis: str
    reason: str
    grids: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word on an entry."""

    person: str
    approves: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with its votes."""

    id: str
    wanted: Wanted
    requester: str
    asked_at: datetime
    ended_at: datetime | None
    votes: tuple[Vote, ...]

    def state(self, now: datetime) -> str:
        """``asked``, ``refused``, ``ended``, ``expired``, ``approved`` (not yet) or ``active``."""
        if any(not vote.approves for vote in self.votes):
            return "refused"
        if self.ended_at is not None:
            return "ended"
        if now >= self.wanted.ends_at:
            return "expired"
        if sum(vote.approves for vote in self.votes) < APPROVALS:
            return "asked"
        return "active" if now >= self.wanted.starts_at else "approved"

    def may_vote(self, person: str, now: datetime) -> bool:
        """True for everybody but the requester and those who have voted, while it is open."""
        voted = {vote.person for vote in self.votes}
        return self.state(now) == "asked" and person != self.requester and person not in voted


class WatchList:
    """The watch list of one county; it does nothing that two others have not approved."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def ask(self, wanted: Wanted, *, requester: str) -> str:
        """File a request; returns its id.

        Raises:
            ValueError: names the rule that it breaks.
        """
        if not wanted.grids:
            raise ValueError("an entry needs an area")
        if not timedelta(0) < wanted.ends_at - wanted.starts_at <= LONGEST:
            raise ValueError("an entry ends after it starts and lasts at most 90 days")
        now = self._clock.now()
        if wanted.ends_at <= now:
            raise ValueError("its end lies in the past")
        entry_id = uuid7(now)
        with writing(self._engine) as connection:
            connection.execute(
                insert(watch_entries).values(
                    id=entry_id,
                    plate=wanted.plate,
                    case_number=wanted.case_number,
                    legal_basis=wanted.legal_basis,
                    reason=wanted.reason,
                    grids=json.dumps(wanted.grids),
                    starts_at=wanted.starts_at,
                    ends_at=wanted.ends_at,
                    requester=requester,
                    asked_at=now,
                )
            )
        return entry_id

    def vote(self, entry_id: str, person: str, *, approves: bool) -> bool:
        """Approve or refuse; False when this person has no say in it (any more)."""
        entry = self.find(entry_id)
        if entry is None or not entry.may_vote(person, self._clock.now()):
            return False
        values = {"entry_id": entry_id, "person": person, "approves": approves}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(watch_votes).values(**values, at=self._clock.now()))
        except IntegrityError:
            return False  # The same person was quicker in another window.
        return True

    def end(self, entry_id: str, person: str) -> bool:
        """End an entry before its time; False when it is over already."""
        now = self._clock.now()
        table = watch_entries.c
        with writing(self._engine) as connection:
            result = connection.execute(
                update(watch_entries)
                .where(table.id == entry_id, table.ended_at.is_(None), table.ends_at > now)
                .values(ended_at=now, ended_by=person)
            )
        return result.rowcount == 1

    def find(self, entry_id: str) -> Entry | None:
        """One entry."""
        found = self._entries(watch_entries.c.id == entry_id)
        return found[0] if found else None

    def all(self) -> list[Entry]:
        """Every entry, newest first; at most 500."""
        return self._entries(watch_entries.c.id.is_not(None))

    def active_for(self, plate: str, grid: str | None) -> list[Entry]:
        """Entries in force for a plate in a grid."""
        found = self._entries((watch_entries.c.plate == plate) & in_force(self._clock.now()))
        return [entry for entry in found if grid in entry.wanted.grids]

    def _entries(self, condition: ColumnElement[bool]) -> list[Entry]:
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(watch_entries)
                .where(condition)
                .order_by(watch_entries.c.asked_at.desc(), watch_entries.c.id.desc())
                .limit(500)
            ).all()
            votes = connection.execute(
                select(watch_votes)
                .where(watch_votes.c.entry_id.in_([row.id for row in rows]))
                .order_by(watch_votes.c.at)
            ).all()
        return [
            Entry(
                id=row.id,
                wanted=Wanted(
                    plate=row.plate,
                    case_number=row.case_number,
                    legal_basis=row.legal_basis,
                    reason=row.reason,
                    grids=tuple(json.loads(row.grids)),
                    starts_at=row.starts_at,
                    ends_at=row.ends_at,
                ),
                requester=row.requester,
                asked_at=row.asked_at,
                ended_at=row.ended_at,
                votes=tuple(
                    Vote(vote.person, vote.approves, vote.at)
                    for vote in votes
                    if vote.entry_id == row.id
                ),
            )
            for row in rows
        ]
