"""The county's calendar: public holidays, and weekend days worked in their stead (调休)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from config.event import Frozen

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DayName = Literal[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "workday", "restday", "holiday"
]  # fmt: skip
"""A weekday by the calendar on the wall, or by what the day is: ``workday`` and ``restday``
exclude each other; every ``holiday`` is also a ``restday``."""
WEEKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST = timedelta(days=31)


class Holiday(Frozen):
    """A public holiday from ``first`` to ``last``, both included."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) <= self.last - self.first < _LONGEST:
            raise ValueError("a holiday lasts 1 to 31 days: check 'first' and 'last'")
        return self


class Calendar(Frozen):
    """What the State Council's yearly notice says: days off, and days worked instead."""

    holidays: tuple[Holiday, ...] = Field(default=(), max_length=200)
    workdays: tuple[date, ...] = Field(default=(), max_length=200)
    """Saturdays and Sundays on which people work (调休)."""

    @model_validator(mode="after")
    def _workdays_are_weekends(self) -> Self:
        for day in self.workdays:
            if day.weekday() < 5:
                raise ValueError(f"workdays: {day} is no Saturday or Sunday")
            if self.is_holiday(day):
                raise ValueError(f"workdays: {day} is also a holiday")
        return self

    def is_holiday(self, day: date) -> bool:
        """True on a public holiday, whichever weekday it is."""
        return any(holiday.first <= day <= holiday.last for holiday in self.holidays)

    def is_workday(self, day: date) -> bool:
        """True when people work: no holiday, and no weekend unless worked instead."""
        if self.is_holiday(day):
            return False
        return day.weekday() < 5 or day in self.workdays

    def fits(self, names: Collection[DayName], day: date) -> bool:
        """True when one of ``names`` is what ``day`` is."""
        # Asked for every step of every alert: what needs no calendar comes first.
        if WEEKDAYS[day.weekday()] in names:
            return True
        if "workday" in names and self.is_workday(day):
            return True
        if "restday" in names and not self.is_workday(day):
            return True
        return "holiday" in names and self.is_holiday(day)
