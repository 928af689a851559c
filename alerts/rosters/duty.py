"""Who is on duty for a grid at a moment: dated duties, shifts, then swaps, then leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from config.duty import Absence, Shift
from config.site import Site

_ONE = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


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


@dataclass(frozen=True, slots=True)
class StandIn:
    """From ``start`` to ``end`` (UTC) ``people`` have the duty of ``grid``, whatever is planned."""

    grid: str
    start: datetime
    end: datetime
    people: tuple[str, ...]

    def holds(self, grid: str, now: datetime) -> bool:
        """True when it is about ``grid`` and ``now``."""
        return self.grid == grid and self.start <= now < self.end


@dataclass(frozen=True, slots=True)
class Arrangements:
    """What people arranged among themselves, beside the site file.

    Swaps and absences are applied in order; of several stand-ins the first one holds.
    """

    swaps: tuple[Swap, ...] = ()
    absences: tuple[Absence, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()

    def away(self, site: Site, now: datetime) -> tuple[Absence, ...]:
        """Absences that hold at ``now``, those of the site file first."""
        known = (*site.duty.absences, *self.absences)
        return tuple(absence for absence in known if absence.start <= now < absence.end)

    def standing_in(self, grid: str, now: datetime) -> StandIn | None:
        """The stand-in that holds for ``grid`` at ``now``."""
        return next((one for one in self.stand_ins if one.holds(grid, now)), None)


NOTHING_ARRANGED = Arrangements()


def planned(
    site: Site, grid_id: str, now: datetime, arranged: Arrangements = NOTHING_ARRANGED
) -> Duty | None:
    """Whose duty it is at ``now`` (timezone-aware), before anybody swaps or is away.

    What people entered for the moment answers, then the first override of the site file, then
    the first shift, both in file order.
    A shift belongs to the local day it starts on. Its bounds are wall-clock times, so a shift
    across a change of daylight saving is an hour longer or shorter, and never leaves a hole.
    """
    if (entered := arranged.standing_in(grid_id, now)) is not None:
        return Duty(entered.people, entered.start, entered.end)
    for override in site.duty.overrides.get(grid_id, ()):
        if override.start <= now < override.end:
            return Duty(override.people, override.start, override.end)
    zone = site.duty.zone
    today = now.astimezone(zone).date()
    for roster in site.duty.rosters.get(grid_id, ()):
        for shift in roster.shifts:
            for day in (today, today - _ONE):
                if not site.calendar.fits(shift.days, day):
                    continue
                start, end = _bounds(shift, day, zone)
                if start <= now < end:
                    turn = first_person(shift, day)
                    return Duty(shift.people[turn:] + shift.people[:turn], start, end)
    return None


def people_on_duty(
    site: Site, grid_id: str, now: datetime, arranged: Arrangements = NOTHING_ARRANGED
) -> tuple[str, ...]:
    """Who really stands there at ``now``: after swaps, and after leave; empty when nobody does."""
    duty = planned(site, grid_id, now, arranged)
    if duty is None:
        return ()
    away = arranged.away(site, now)
    standing = (stand_in(away, name) for name in after_swaps(duty.people, grid_id, now, arranged))
    return tuple(dict.fromkeys(name for name in standing if name is not None))


def after_swaps(
    people: Sequence[str], grid_id: str, now: datetime, arranged: Arrangements
) -> tuple[str, ...]:
    """``people`` with every giver replaced by the taker; somebody named twice stands once."""
    names = list(people)
    for swap in arranged.swaps:
        if swap.grid == grid_id and swap.start <= now < swap.end:
            names = [swap.taker if name == swap.giver else name for name in names]
    return tuple(dict.fromkeys(names))


def stand_in(away: Iterable[Absence], person: str) -> str | None:
    """Who stands in for ``person`` while the absences ``away`` hold: themselves when not away.

    A substitute who is away too is followed to theirs. None when that ends at nobody, or in a
    circle. Of several absences of one person the last one counts.
    """
    substitutes = {absence.person: absence.substitute for absence in away}
    seen: set[str] = set()
    name: str | None = person
    while name is not None and name in substitutes:
        if name in seen:
            return None
        seen.add(name)
        name = substitutes[name]
    return name


def on_duty(
    site: Site, grid_id: str, now: datetime, arranged: Arrangements = NOTHING_ARRANGED
) -> Duty | None:
    """The turn of duty of ``grid_id`` that covers ``now``; None when nobody is on."""
    found = turns(site, grid_id, now, now + _INSTANT, arranged)
    return found[0] if found else None


def turns(
    site: Site,
    grid_id: str,
    start: datetime,
    end: datetime,
    arranged: Arrangements = NOTHING_ARRANGED,
) -> list[Duty]:
    """The turns of duty that touch [start, end), in order and whole; holes are left out.

    A turn ends where its shift does, or where other people take over.
    """
    first = planned(site, grid_id, start, arranged)
    last = planned(site, grid_id, end - _INSTANT, arranged)
    low = min(start, first.start) if first is not None else start
    high = max(end, last.end) if last is not None else end
    found: list[tuple[Duty, tuple[str, ...], Duty]] = []
    for begins, ends in _pieces(site, grid_id, low, high, arranged):
        source = planned(site, grid_id, begins, arranged)
        people = people_on_duty(site, grid_id, begins, arranged)
        if source is None or not people:
            continue
        previous = found[-1] if found else None
        if previous is not None and previous[:2] == (source, people) and previous[2].end == begins:
            found[-1] = (source, people, Duty(people, previous[2].start, ends))
        else:
            found.append((source, people, Duty(people, begins, ends)))
    return [turn for _, _, turn in found if turn.end > start and turn.start < end]


def gaps(
    site: Site,
    grid_id: str,
    start: datetime,
    end: datetime,
    arranged: Arrangements = NOTHING_ARRANGED,
) -> list[tuple[datetime, datetime]]:
    """The spans of [start, end) in UTC during which nobody is on duty for ``grid_id``."""
    found: list[tuple[datetime, datetime]] = []
    moment = start.astimezone(UTC)
    for turn in turns(site, grid_id, start, end, arranged):
        if turn.start > moment:
            found.append((moment, turn.start))
        moment = max(moment, turn.end)
    if moment < end:
        found.append((moment, end.astimezone(UTC)))
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


def _pieces(
    site: Site, grid_id: str, start: datetime, end: datetime, arranged: Arrangements
) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) cut wherever somebody could take over from somebody else."""
    inside = {edge for edge in _edges(site, grid_id, start, end, arranged) if start < edge < end}
    cuts = [start, *sorted(inside), end]
    yield from pairwise(cuts)


def _edges(
    site: Site, grid_id: str, start: datetime, end: datetime, arranged: Arrangements
) -> Iterator[datetime]:
    for override in site.duty.overrides.get(grid_id, ()):
        yield from (override.start, override.end)
    for entered in arranged.stand_ins:
        if entered.grid == grid_id:
            yield from (entered.start, entered.end)
    for swap in arranged.swaps:
        if swap.grid == grid_id:
            yield from (swap.start, swap.end)
    for absence in (*site.duty.absences, *arranged.absences):
        yield from (absence.start, absence.end)
    zone = site.duty.zone
    day, last = (moment.astimezone(zone).date() for moment in (start, end))
    day -= _ONE
    while day <= last:
        for roster in site.duty.rosters.get(grid_id, ()):
            for shift in roster.shifts:
                if site.calendar.fits(shift.days, day):
                    yield from _bounds(shift, day, zone)
        day += _ONE


def _bounds(shift: Shift, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    last_day = day if shift.end > shift.start else day + _ONE
    return _utc(day, shift.start, zone), _utc(last_day, shift.end, zone)


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    # Converting through UTC maps a wall-clock time that daylight saving skips to the moment of
    # the jump's far side; both neighbours of a boundary use the same rule, so they meet.
    return datetime.combine(day, at, zone).astimezone(UTC)
