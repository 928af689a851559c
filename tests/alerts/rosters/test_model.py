"""Rosters against a naive model: a wall calendar painted quarter by quarter.

``ROSTER_CASES=10000 pytest tests/alerts/rosters/test_model.py`` runs the profile in full.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.rosters.duty import Arrangements, StandIn, Swap, gaps, on_duty, turns
from config.duty import Absence, Leave, Override, Roster, Shift
from config.holidays import WEEKDAYS, Calendar, Holiday
from config.site import County, Site

CASES = int(os.environ.get("ROSTER_CASES", "150"))
QUARTER = timedelta(minutes=15)
DAYS = 9
"""Painted days; the first and the last are margins for turns past midnight."""
PEOPLE = ("ann", "bob", "cai", "dan", "eve")
ZONE = ZoneInfo("Asia/Shanghai")
NAMES = (*WEEKDAYS, "workday", "restday", "holiday")

Slots = list[tuple[str, ...]]


class Case:
    """One random county: a grid with everything that can happen to its duty."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        first = date(2026, 1, 1) + timedelta(days=self.random.randrange(700))
        self.start = datetime.combine(first, time(), ZONE)
        weekend = first + timedelta(days=(5 - first.weekday()) % 7)
        off = first + timedelta(days=self.random.randrange(DAYS))
        holidays = (Holiday(name="x", first=off, last=off),) if self.random.random() < 0.5 else ()
        worked = (weekend,) if weekend != off and self.random.random() < 0.5 else ()
        self.site = Site.model_construct(
            county=County(id="x", name="x"),
            calendar=Calendar(holidays=holidays, workdays=worked),
            rosters=tuple(
                Roster(grid="g", shifts=tuple(self._shift() for _ in range(self._few(4) or 1)))
                for _ in range(self._few(2))
            ),
            overrides=tuple(self._override() for _ in range(self._few(2))),
            leaves=tuple(self._leave() for _ in range(self._few(2))),
        )
        self.arranged = Arrangements(
            swaps=tuple(self._swap() for _ in range(self._few(3))),
            absences=tuple(self._absence() for _ in range(self._few(3))),
            stand_ins=tuple(self._stand_in() for _ in range(self._few(2))),
        )

    def _few(self, most: int) -> int:
        return self.random.randint(0, most)

    def _time(self) -> time:
        minute = self.random.randrange(96) * 15
        return time(minute // 60, minute % 60)

    def _shift(self) -> Shift:
        people = self.random.sample(PEOPLE, self.random.randint(1, 3))
        days = self.random.sample(NAMES, self.random.randint(1, 7))
        return Shift(
            people=tuple(people), days=tuple(days), start=self._time(), end=self._time(),
            rotate=self.random.random() < 0.5,
        )  # fmt: skip

    def _span(self) -> tuple[datetime, datetime]:
        start = self.start + QUARTER * self.random.randrange(96 * DAYS)
        return start, start + QUARTER * self.random.randint(1, 96 * 3)

    def _override(self) -> Override:
        start, end = self._span()
        if self.random.random() < 0.5:
            start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
        people = self.random.sample(PEOPLE, self.random.randint(1, 2))
        return Override(grid="g", start=start, end=end, people=tuple(people))

    def _leave(self) -> Leave:
        start, end = self._span()
        person, other = self.random.sample(PEOPLE, 2)
        substitute = other if self.random.random() < 0.7 else None
        return Leave(person=person, start=start, end=end, substitute=substitute)

    def _swap(self) -> Swap:
        start, end = self._span()
        return Swap(self.random.choice("gh"), start, end, *self.random.sample(PEOPLE, 2))

    def _stand_in(self) -> StandIn:
        start, end = self._span()
        people = self.random.sample(PEOPLE, self.random.randint(1, 2))
        return StandIn(self.random.choice("gh"), start, end, tuple(people))

    def _absence(self) -> Absence:
        leave = self._leave()
        return Absence(leave.person, leave.start, leave.end, leave.substitute)


def naive(case: Case) -> Slots:
    """Paint from what counts least: shifts, overrides, stand-ins, swaps, leave."""
    slots: Slots = [()] * (96 * DAYS)
    for roster in reversed(case.site.rosters):
        for shift in reversed(roster.shifts):
            # Today's turn of a shift hides yesterday's.
            for number in range(-1, DAYS):
                _paint_shift(case, shift, number, slots)
    for override in reversed(case.site.overrides):
        for slot in _slots(case, override.start, override.end):
            slots[slot] = tuple(dict.fromkeys(override.people))
    for entered in reversed(case.arranged.stand_ins):
        for slot in _slots(case, entered.start, entered.end) if entered.grid == "g" else ():
            slots[slot] = entered.people
    for swap in case.arranged.swaps:
        for slot in _slots(case, swap.start, swap.end) if swap.grid == "g" else ():
            swapped = (swap.taker if name == swap.giver else name for name in slots[slot])
            slots[slot] = tuple(dict.fromkeys(swapped))
    away: list[dict[str, str | None]] = [{} for _ in slots]
    for leave in (*case.site.leaves, *case.arranged.absences):
        for slot in _slots(case, leave.start, leave.end):
            away[slot][leave.person] = leave.substitute
    return [_without(people, gone) for people, gone in zip(slots, away, strict=True)]


def _paint_shift(case: Case, shift: Shift, number: int, slots: Slots) -> None:
    day = case.start.date() + timedelta(days=number)
    holiday = any(item.first <= day <= item.last for item in case.site.calendar.holidays)
    worked = day in case.site.calendar.workdays or (day.weekday() < 5 and not holiday)
    names = {WEEKDAYS[day.weekday()]} | ({"workday"} if worked else {"restday"})
    if not (names | ({"holiday"} if holiday else set())) & set(shift.days):
        return
    begin = number * 96 + shift.start.hour * 4 + shift.start.minute // 15
    length = (shift.end.hour * 4 + shift.end.minute // 15 - begin) % 96 or 96
    week = (day - date(1, 1, 1)).days // 7
    turn = week % len(shift.people) if shift.rotate else 0
    for slot in range(max(begin, 0), min(begin + length, len(slots))):
        slots[slot] = shift.people[turn:] + shift.people[:turn]


def _slots(case: Case, start: datetime, end: datetime) -> range:
    first, last = (
        (moment.replace(tzinfo=moment.tzinfo or ZONE) - case.start) // QUARTER
        for moment in (start, end)
    )
    return range(max(first, 0), min(last, 96 * DAYS))


def _without(people: tuple[str, ...], gone: dict[str, str | None]) -> tuple[str, ...]:
    standing: list[str] = []
    for name in people:
        one: str | None = name
        for _ in range(len(gone) + 1):
            if one in gone:
                one = gone[one]
        if one is not None and one not in gone and one not in standing:
            standing.append(one)
    return tuple(standing)


@pytest.mark.timeout(3600)
def test_the_roster_agrees_with_a_painted_calendar() -> None:
    for seed in range(CASES):
        case = Case(seed)
        painted = naive(case)
        inner = range(96, 96 * (DAYS - 1))
        start, end = (case.start + QUARTER * edge for edge in (inner.start, inner.stop))
        week = turns(case.site, "g", start, end, case.arranged)
        holes = gaps(case.site, "g", start, end, case.arranged)
        for slot in inner:
            moment = (case.start + QUARTER * slot).astimezone(UTC)
            now = [turn for turn in week if turn.start <= moment < turn.end]
            assert [turn.people for turn in now] == ([painted[slot]] if painted[slot] else []), (
                f"seed {seed}, {moment}"
            )
            in_hole = any(begins <= moment < ends for begins, ends in holes)
            assert in_hole == (not painted[slot]), f"seed {seed}, {moment}"
        sampled = case.random.sample(inner, 12)
        for slot in sampled:
            moment = (case.start + QUARTER * slot).astimezone(UTC) + timedelta(minutes=7)
            duty = on_duty(case.site, "g", moment, case.arranged)
            assert (duty.people if duty else ()) == painted[slot], f"seed {seed}, {moment}"
            if duty is not None:
                assert duty.start <= moment < duty.end


def test_a_turn_is_whole_however_one_asks_for_it() -> None:
    """The turn that the page names as one's own is the same from whichever moment one looks."""
    for seed in range(min(CASES, 300)):
        case = Case(seed)
        start = case.start + timedelta(days=1)
        for turn in turns(case.site, "g", start, start + timedelta(days=6), case.arranged):
            middle = turn.start + (turn.end - turn.start) / 2
            assert on_duty(case.site, "g", middle, case.arranged) == turn, f"seed {seed}"
            assert on_duty(case.site, "g", turn.start, case.arranged) == turn, f"seed {seed}"
