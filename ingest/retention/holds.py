"""Legal holds: what is kept beyond its time for a named case, by two people, until a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Engine,
    FromClause,
    Row,
    and_,
    exists,
    insert,
    or_,
    select,
    update,
)

from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing
from ingest.retention.proof import lock_chain
from ingest.retention.schema import hold_events, legal_holds

LONGEST = timedelta(days=180)
"""A case that needs longer asks again, with its reasons."""
UNCONFIRMED = timedelta(hours=72)
"""A hold works at once, but without a second person only this long."""
State = Literal["unconfirmed", "in_force", "lapsed", "released", "expired"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is held: the events of one camera in a span of time, or those of one alert."""

    camera: str | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    alert_id: str | None = None

    def __post_init__(self) -> None:
        of_camera = (self.camera, self.first_at, self.last_at)
        if self.alert_id is not None and of_camera != (None, None, None):
            raise ValueError("a hold is of an alert or of a camera, not of both")
        if self.alert_id is None and None in of_camera:
            raise ValueError("a hold names an alert, or a camera with the first and last moment")
        if self.first_at is not None and self.last_at is not None and self.first_at >= self.last_at:
            raise ValueError("the last moment of a hold lies before its first one")


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold as it is stored."""

    id: str
    owner: str
    case_number: str
    reason: str
    scope: Scope
    asked_at: datetime
    ends_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    released_by: str | None
    released_at: datetime | None
    release_reason: str | None

    def state(self, now: datetime) -> State:
        """Only ``unconfirmed`` and ``in_force`` keep anything."""
        if self.released_at is not None:
            return "released"
        if self.confirmed_at is None and now >= self.asked_at + UNCONFIRMED:
            return "lapsed"
        if now >= self.ends_at:
            return "expired"
        return "in_force" if self.confirmed_at is not None else "unconfirmed"

    def works(self, now: datetime) -> bool:
        """True while it keeps what is in its scope."""
        return self.state(now) in ("unconfirmed", "in_force")

    def may_confirm(self, person: str, now: datetime) -> bool:
        """True for everybody but its owner, while it waits."""
        return self.state(now) == "unconfirmed" and person != self.owner


class Holds:
    """The holds of one county. A change waits for a deletion that is under way, and it for us."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def ask(
        self, scope: Scope, *, owner: str, case_number: str, reason: str, ends_at: datetime
    ) -> Hold:
        """Begin a hold; it works from the moment this returns.

        Raises:
            ValueError: names the rule that it breaks.
        """
        now = self._clock.now()
        if not case_number.strip() or not reason.strip():
            raise ValueError("a hold needs a case number and a reason")
        if not timedelta(0) < ends_at - now <= LONGEST:
            raise ValueError(f"a hold ends in the future, within {LONGEST.days} days")
        hold_id = uuid7(now)
        with writing(self._engine) as connection:
            lock_chain(connection)
            connection.execute(
                insert(legal_holds).values(
                    id=hold_id,
                    owner=owner,
                    case_number=case_number.strip(),
                    reason=reason.strip(),
                    camera=scope.camera,
                    alert_id=scope.alert_id,
                    first_at=scope.first_at,
                    last_at=scope.last_at,
                    asked_at=now,
                    ends_at=ends_at,
                )
            )
        found = self.find(hold_id)
        assert found is not None
        return found

    def confirm(self, hold_id: str, person: str) -> bool:
        """The second person's word; False when this person has none in it, or it is too late."""
        hold, now = self.find(hold_id), self._clock.now()
        if hold is None or not hold.may_confirm(person, now):
            return False
        return self._change(
            hold_id,
            legal_holds.c.confirmed_at.is_(None),
            {"confirmed_by": person, "confirmed_at": now},
        )

    def release(self, hold_id: str, person: str, reason: str) -> bool:
        """End a hold before its time: what is due goes at the next sweep. False when it is over.

        Raises:
            ValueError: no reason is given.
        """
        if not reason.strip():
            raise ValueError("releasing a hold needs a reason")
        hold, now = self.find(hold_id), self._clock.now()
        if hold is None or not hold.works(now):
            return False
        values = {"released_by": person, "released_at": now, "release_reason": reason.strip()}
        return self._change(hold_id, legal_holds.c.released_at.is_(None), values)

    def find(self, hold_id: str) -> Hold | None:
        """One hold."""
        with reading(self._engine) as connection:
            row = connection.execute(select(legal_holds).where(legal_holds.c.id == hold_id)).first()
        return _hold(row) if row is not None else None

    def all(self, limit: int = 500) -> list[Hold]:
        """Every hold, newest first."""
        newest = select(legal_holds).order_by(
            legal_holds.c.asked_at.desc(), legal_holds.c.id.desc()
        )
        with reading(self._engine) as connection:
            return [_hold(row) for row in connection.execute(newest.limit(limit))]

    def _change(
        self, hold_id: str, condition: ColumnElement[bool], values: dict[str, object]
    ) -> bool:
        with writing(self._engine) as connection:
            lock_chain(connection)
            result = connection.execute(
                update(legal_holds).where(legal_holds.c.id == hold_id, condition).values(**values)
            )
        return result.rowcount == 1


def working(now: datetime) -> ColumnElement[bool]:
    """The condition on ``legal_holds`` under which a hold keeps something."""
    table = legal_holds.c
    return and_(
        table.released_at.is_(None),
        table.ends_at > now,
        or_(table.confirmed_at.is_not(None), table.asked_at > now - UNCONFIRMED),
    )


def held(table: FromClause, now: datetime) -> ColumnElement[bool]:
    """The condition under which a row of ``table`` (events, or one day of it) is held."""
    return held_as(table.c.camera, table.c.captured_at, table.c.id, now)


def held_as(
    camera: ColumnElement[str],
    captured_at: ColumnElement[datetime],
    event_id: ColumnElement[str],
    now: datetime,
) -> ColumnElement[bool]:
    """The condition under which an event that these columns name is held."""
    holds = legal_holds.c
    by_camera = exists().where(
        working(now),
        holds.camera == camera,
        holds.first_at <= captured_at,
        holds.last_at > captured_at,
    )
    by_event = exists().where(
        hold_events.c.event_id == event_id, hold_events.c.hold_id == holds.id, working(now)
    )
    return or_(by_camera, by_event)


def _hold(row: Row[tuple[object, ...]]) -> Hold:
    return Hold(
        id=row.id,
        owner=row.owner,
        case_number=row.case_number,
        reason=row.reason,
        scope=Scope(row.camera, row.first_at, row.last_at, row.alert_id),
        asked_at=row.asked_at,
        ends_at=row.ends_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        released_by=row.released_by,
        released_at=row.released_at,
        release_reason=row.release_reason,
    )
