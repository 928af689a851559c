"""Who is on duty for a grid at a moment: weekly shifts, rotated by ISO week, and swaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.site import Roster, Shift, Site

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Duty:
    """One turn of duty that covers the asked moment; ``start`` and ``end`` in UTC.

    ``people`` are ordered: the first is the one to tell first.
    """

    people: tuple[str, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Swap:
    """From ``start`` to ``end`` (UTC) ``taker`` stands where the roster names ``giver``."""

    grid: str
    start: datetime
    end: datetime
    giver: str
    taker: str


def on_duty(site: Site, grid_id: str, now: datetime, swaps: Sequence[Swap] = ()) -> Duty | None:
    """The duty of ``grid_id`` at ``now`` (timezone-aware); None when nobody is.

    Rosters and shifts are asked in file order; the first that covers the moment answers. A
    shift belongs to the local day it starts on. Its bounds are wall-clock times, so a shift
    across a change of daylight saving is an hour longer or shorter, and never leaves a hole.
    ``swaps`` are applied in order; a turn of which only a part is swapped ends where it does.
    """
    zone = ZoneInfo(site.county.zone)
    for roster in site.rosters:
        if roster.grid == grid_id and (duty := _of_roster(roster, now, zone)) is not None:
            for swap in swaps:
                if swap.grid == grid_id and swap.giver in duty.people:
                    duty = _swapped(duty, swap, now)
            return duty
    return None


def turns(
    site: Site, grid_id: str, start: datetime, end: datetime, swaps: Sequence[Swap] = ()
) -> list[Duty]:
    """The turns of duty that touch [start, end), in order; holes are left out."""
    found: list[Duty] = []
    moment = start.astimezone(UTC)
    while moment < end:
        duty = on_duty(site, grid_id, moment, swaps)
        if duty is not None:
            found.append(duty)
            moment = duty.end
        else:
            moment = _next_start(site, grid_id, moment)
    return found


def _swapped(duty: Duty, swap: Swap, now: datetime) -> Duty:
    if swap.start <= now < swap.end:
        people = [swap.taker if name == swap.giver else name for name in duty.people]
        start, end = max(duty.start, swap.start), min(duty.end, swap.end)
        # Somebody who takes a colleague's place on a shift of their own stands there once.
        return Duty(tuple(dict.fromkeys(people)), start, end)
    if now < swap.start:
        return replace(duty, end=min(duty.end, swap.start))
    return replace(duty, start=max(duty.start, swap.end))


def gaps(
    site: Site, grid_id: str, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The spans of [start, end) in UTC during which nobody is on duty for ``grid_id``."""
    found: list[tuple[datetime, datetime]] = []
    moment = start.astimezone(UTC)
    while moment < end:
        duty = on_duty(site, grid_id, moment)
        if duty is not None:
            moment = duty.end
            continue
        until = min(_next_start(site, grid_id, moment), end)
        found.append((moment, until))
        moment = until
    return found


def first_person(shift: Shift, day: date) -> int:
    """Index of who is first on the turn that starts on ``day``.

    With ``rotate`` it moves by one each ISO week (ISO 8601, weeks start on Monday), counted
    from the Monday 0001-01-01, so that the turn of the year does not break the order.
    """
    if not shift.rotate:
        return 0
    monday_number = (day.toordinal() - 1) // 7
    return monday_number % len(shift.people)


def _of_roster(roster: Roster, now: datetime, zone: ZoneInfo) -> Duty | None:
    today = now.astimezone(zone).date()
    for shift in roster.shifts:
        for day in (today, today - timedelta(days=1)):
            if _DAYS[day.weekday()] not in shift.days:
                continue
            start, end = _bounds(shift, day, zone)
            if start <= now < end:
                turn = first_person(shift, day)
                people = shift.people[turn:] + shift.people[:turn]
                return Duty(people=people, start=start, end=end)
    return None


def _bounds(shift: Shift, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    last_day = day if shift.end > shift.start else day + timedelta(days=1)
    return _utc(day, shift.start, zone), _utc(last_day, shift.end, zone)


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    # Converting through UTC maps a wall-clock time that daylight saving skips to the moment of
    # the jump's far side; both neighbours of a boundary use the same rule, so they meet.
    return datetime.combine(day, at, zone).astimezone(UTC)


def _next_start(site: Site, grid_id: str, moment: datetime) -> datetime:
    """The earliest start of a shift of ``grid_id`` after ``moment``; far away if none."""
    zone = ZoneInfo(site.county.zone)
    today = moment.astimezone(zone).date()
    starts = [
        _bounds(shift, day, zone)[0]
        for roster in site.rosters
        if roster.grid == grid_id
        for shift in roster.shifts
        for day in (today + timedelta(days=offset) for offset in range(9))
        if _DAYS[day.weekday()] in shift.days
    ]
    return min(
        (start for start in starts if start > moment), default=datetime.max.replace(tzinfo=UTC)
    )
