"""Leave: asked for with a substitute, approved by somebody above, heeded from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, insert, or_, select, update

from alerts.rosters.notes import Note, write_notes
from alerts.store.choices_schema import absences
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing


@dataclass(frozen=True, slots=True)
class LeaveRequest:
    """One request; ``state`` is ``asked``, ``approved``, ``declined`` or ``withdrawn``."""

    id: str
    person: str
    starts_at: datetime
    ends_at: datetime
    substitute: str | None
    reason: str
    state: str
    asked_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None


class Leaves:
    """The leave of one county's people; approved leave counts in every duty and step."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def ask(
        self,
        person: str,
        start: datetime,
        end: datetime,
        *,
        substitute: str | None,
        reason: str,
    ) -> LeaveRequest:
        """Ask for leave; nothing changes until somebody approves it."""
        now = self._clock.now()
        request = LeaveRequest(uuid7(now), person, start, end, substitute, reason, "asked", now)
        values = {name: getattr(request, name) for name in LeaveRequest.__slots__}
        with writing(self._engine) as connection:
            connection.execute(insert(absences).values(values))
        return request

    def find(self, leave_id: str) -> LeaveRequest | None:
        """The request of that id."""
        found = self._find(absences.c.id == leave_id)
        return found[0] if found else None

    def decide(self, leave_id: str, state: str, *, by: str, tell: Sequence[Note] = ()) -> bool:
        """Approve or decline what is asked, or withdraw what is asked or approved.

        ``tell`` are notes that go out with the decision. False when it is in no such state, or
        is over; nobody is told then.
        """
        now = self._clock.now()
        earlier = ("asked", "approved") if state == "withdrawn" else ("asked",)
        with writing(self._engine) as connection:
            result = connection.execute(
                update(absences)
                .where(absences.c.id == leave_id, absences.c.ends_at > now)
                .where(absences.c.state.in_(earlier))
                .values(state=state, decided_at=now, decided_by=by)
            )
            if result.rowcount == 1:
                write_notes(connection, tell, now)
        return result.rowcount == 1

    def of_person(self, person: str) -> list[LeaveRequest]:
        """What that person asked for, or stands in for, and is not over; newest first."""
        own = or_(absences.c.person == person, absences.c.substitute == person)
        return self._find(own, absences.c.ends_at > self._clock.now())

    def waiting(self) -> list[LeaveRequest]:
        """What nobody has decided yet, newest first."""
        return self._find(absences.c.state == "asked", absences.c.ends_at > self._clock.now())

    def _find(self, *conditions: ColumnElement[bool]) -> list[LeaveRequest]:
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(absences)
                .where(*conditions)
                .order_by(absences.c.asked_at.desc(), absences.c.id.desc())
                .limit(100)
            ).all()
        return [
            LeaveRequest(**{name: getattr(row, name) for name in LeaveRequest.__slots__})
            for row in rows
        ]
