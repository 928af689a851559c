"""Duty as a site file plans it: weekly shifts, dated overrides, and leave with substitutes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, model_validator

from config.event import Frozen, Name
from config.holidays import DayName
from config.references import known

Reason = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]


class Shift(Frozen):
    """A weekly turn of duty; one that ends at or before its start runs past midnight."""

    people: tuple[Name, ...] = Field(min_length=1)
    """First in order is told first; with ``rotate`` the first changes every ISO week."""
    days: tuple[DayName, ...] = Field(min_length=1)
    start: time
    end: time
    rotate: bool = False

    @model_validator(mode="after")
    def _wall_clock(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times, without an offset")
        return self


class Roster(Frozen):
    """Who is on duty for a grid, and when."""

    grid: Name
    shifts: tuple[Shift, ...] = Field(min_length=1)


class _Span(Frozen):
    """From ``start`` to ``end``: both local wall-clock times, or both with an offset."""

    start: datetime
    end: datetime
    reason: Reason = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise ValueError("give both start and end an offset, or neither")
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self

    def in_utc(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Start and end in UTC; ``zone`` is that of wall-clock times."""
        start, end = (
            moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
            for moment in (self.start, self.end)
        )
        return start.astimezone(UTC), end.astimezone(UTC)


class Override(_Span):
    """A dated duty that replaces whatever the roster of the grid says meanwhile."""

    grid: Name
    people: tuple[Name, ...] = Field(min_length=1)


class Leave(_Span):
    """``person`` is away (请假); ``substitute`` stands in (替班), wherever they would stand."""

    person: Name
    substitute: Name | None = None

    @model_validator(mode="after")
    def _somebody_else(self) -> Self:
        if self.substitute == self.person:
            raise ValueError("the substitute must be somebody else")
        return self


@dataclass(frozen=True, slots=True)
class PlannedOverride:
    """An override in UTC."""

    start: datetime
    end: datetime
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """From ``start`` to ``end`` (UTC) ``person`` is away and ``substitute``, if any, stands in."""

    person: str
    start: datetime
    end: datetime
    substitute: str | None = None


@dataclass(frozen=True, slots=True)
class DutyIndex:
    """The duty of a site by grid, in file order; all moments in UTC."""

    zone: ZoneInfo
    rosters: Mapping[str, tuple[Roster, ...]]
    overrides: Mapping[str, tuple[PlannedOverride, ...]]
    absences: tuple[Absence, ...]

    @staticmethod
    def build(
        zone: ZoneInfo,
        rosters: Iterable[Roster],
        overrides: Iterable[Override],
        leaves: Iterable[Leave],
    ) -> DutyIndex:
        """The index of a site's tables; ``zone`` is the county's."""
        by_grid: dict[str, list[Roster]] = defaultdict(list)
        for roster in rosters:
            by_grid[roster.grid].append(roster)
        dated: dict[str, list[PlannedOverride]] = defaultdict(list)
        for override in overrides:
            span = override.in_utc(zone)
            dated[override.grid].append(PlannedOverride(*span, override.people))
        return DutyIndex(
            zone,
            {grid: tuple(found) for grid, found in by_grid.items()},
            {grid: tuple(found) for grid, found in dated.items()},
            tuple(Absence(leave.person, *leave.in_utc(zone), leave.substitute) for leave in leaves),
        )


def check_duty(
    rosters: Iterable[Roster],
    overrides: Iterable[Override],
    leaves: Iterable[Leave],
    grids: frozenset[str],
    people: frozenset[str],
) -> None:
    """Check that every grid and person named there exists.

    Raises:
        ValueError: one does not; it says where.
    """
    for roster in rosters:
        known("roster: grid", roster.grid, grids)
        for shift in roster.shifts:
            for name in shift.people:
                known(f"roster of {roster.grid}: people", name, people)
    for override in overrides:
        known("override: grid", override.grid, grids)
        for name in override.people:
            known(f"override of {override.grid}: people", name, people)
    for leave in leaves:
        known("leave: person", leave.person, people)
        known(f"leave of {leave.person}: substitute", leave.substitute, people)
