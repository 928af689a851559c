"""Homes: family members who share one, and who may look at one alert of it for a while."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, select, update

from alerts.store.choices_schema import household, view_grants
from config.clock import Clock
from config.ids import uuid7
from config.site import Person, Role
from ingest.engine import reading, writing

GRANT = timedelta(minutes=30)
"""The longest that an owner's pictures are anybody else's to see (design, section 6)."""
FAMILY_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who shares a home, and its owner."""

    person: Person
    owner: str


@dataclass(frozen=True, slots=True)
class Grant:
    """``person`` may look at an alert's pictures until then."""

    alert_id: str
    person: str
    granted_at: datetime
    until: datetime


class Homes:
    """What home owners decided about who else sees their home."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def member(self, person_id: str) -> Member | None:
        """The family member of that id, while they are one."""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(household).where(
                    household.c.person_id == person_id, household.c.removed_at.is_(None)
                )
            ).one_or_none()
        return None if row is None else _member(row.person_id, row.name, row.owner)

    def family(self, owner: str) -> list[Member]:
        """Everybody who shares that owner's home, in the order they were added."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(household)
                .where(household.c.owner == owner, household.c.removed_at.is_(None))
                .order_by(household.c.added_at, household.c.person_id)
            ).all()
        return [_member(row.person_id, row.name, row.owner) for row in rows]

    def add(self, owner: str, name: str) -> Member | None:
        """A new family member, who has no password yet; None when the home is full."""
        if len(self.family(owner)) >= FAMILY_LIMIT:
            return None
        person_id = f"{owner[:54]}-{secrets.token_hex(4)}"
        with writing(self._engine) as connection:
            connection.execute(
                insert(household).values(
                    person_id=person_id, name=name, owner=owner, added_at=self._clock.now()
                )
            )
        return _member(person_id, name, owner)

    def remove(self, owner: str, person_id: str) -> bool:
        """End somebody's share of that owner's home; False when they have none."""
        with writing(self._engine) as connection:
            result = connection.execute(
                update(household)
                .where(
                    household.c.person_id == person_id,
                    household.c.owner == owner,
                    household.c.removed_at.is_(None),
                )
                .values(removed_at=self._clock.now())
            )
        return result.rowcount == 1

    def grant(self, *, alert_id: str, owner: str, person: str) -> Grant:
        """Let ``person`` look at an alert's pictures for :data:`GRANT` from now."""
        now = self._clock.now()
        grant = Grant(alert_id, person, now, now + GRANT)
        with writing(self._engine) as connection:
            connection.execute(
                insert(view_grants).values(
                    id=uuid7(now),
                    alert_id=alert_id,
                    owner=owner,
                    person=person,
                    granted_at=now,
                    until=grant.until,
                )
            )
        return grant

    def end_grants(self, *, alert_id: str, owner: str) -> int:
        """Take back what was granted for an alert; returns how many grants were still open."""
        now = self._clock.now()
        table = view_grants.c
        with writing(self._engine) as connection:
            result = connection.execute(
                update(view_grants)
                .where(table.alert_id == alert_id, table.owner == owner, table.until > now)
                .values(until=now)
            )
        return result.rowcount

    def granted_to(self, person: str) -> tuple[str, ...]:
        """Alerts whose pictures this person may look at now, in order of their ids."""
        table = view_grants.c
        with reading(self._engine) as connection:
            found = connection.execute(
                select(table.alert_id)
                .where(table.person == person, table.until > self._clock.now())
                .distinct()
                .order_by(table.alert_id)
            )
            return tuple(found.scalars())

    def granted(self) -> dict[str, tuple[str, ...]]:
        """:meth:`granted_to` of everybody to whom something is granted now."""
        table = view_grants.c
        found: dict[str, list[str]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(
                select(table.person, table.alert_id)
                .where(table.until > self._clock.now())
                .distinct()
                .order_by(table.alert_id)
            ):
                found.setdefault(row.person, []).append(row.alert_id)
        return {person: tuple(ids) for person, ids in found.items()}

    def grants_of(self, alert_id: str) -> list[Grant]:
        """Open grants of an alert, the newest first."""
        table = view_grants.c
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(view_grants)
                .where(table.alert_id == alert_id, table.until > self._clock.now())
                .order_by(table.granted_at.desc(), table.id.desc())
            ).all()
        return [Grant(row.alert_id, row.person, row.granted_at, row.until) for row in rows]


def _member(person_id: str, name: str, owner: str) -> Member:
    return Member(Person(id=person_id, name=name, role=Role.HOME_OWNER), owner)
