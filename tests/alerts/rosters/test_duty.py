"""Rosters: shifts over midnight, rotation and daylight saving, against a naive model."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rosters.duty import first_person, gaps, on_duty
from config.site import County, Grid, Node, Person, Role, Roster, Shift, Site

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def site_of(*shifts: Shift, zone: str = "Asia/Shanghai") -> Site:
    people = tuple(Person(id=name, name=name, role=Role.GRID_WORKER) for name in ("a", "b", "c"))
    # Cameras have no part in rosters; a site that is checked would need one.
    return Site.model_construct(
        county=County(id="x", name="x", zone=zone),
        nodes=(Node(id="n", name="n"),),
        grids=(Grid(id="g", name="g", township="t", head="a"),),
        people=people,
        cameras=(),
        rosters=(Roster(grid="g", shifts=shifts),) if shifts else (),
        rules=(),
        webhooks=(),
    )


def shift(start: str, end: str, *, days: tuple[str, ...] = DAYS, rotate: bool = False) -> Shift:
    return Shift.model_validate(
        {"people": ("a", "b", "c"), "days": days, "start": start, "end": end, "rotate": rotate}
    )


shifts = st.builds(
    lambda start, end, days, rotate: shift(
        f"{start // 4:02}:{start % 4 * 15:02}", f"{end // 4:02}:{end % 4 * 15:02}",
        days=tuple(days), rotate=rotate,
    ),
    st.integers(0, 95), st.integers(0, 95),
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True), st.booleans(),
)  # fmt: skip
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def naive(site: Site, now: datetime) -> str | None:
    """Minute hands of the wall clock, in a zone that has no daylight saving."""
    local = now.astimezone(ZoneInfo("Asia/Shanghai"))
    clock = local.time()
    for roster in site.rosters:
        for item in roster.shifts:
            starts_today = DAYS[local.weekday()] in item.days
            started_yesterday = DAYS[local.weekday() - 1] in item.days
            if item.start < item.end:
                on, day = starts_today and item.start <= clock < item.end, local.date()
            elif starts_today and clock >= item.start:
                on, day = True, local.date()
            else:
                on = started_yesterday and clock < item.end
                day = local.date() - timedelta(days=1)
            if on:
                weeks = (day - date(1, 1, 1)).days // 7
                return item.people[weeks % 3 if item.rotate else 0]
    return None


@settings(max_examples=1000)
@given(st.lists(shifts, max_size=4), moments)
def test_the_roster_agrees_with_a_wall_clock(given_shifts: list[Shift], now: datetime) -> None:
    site = site_of(*given_shifts)
    duty = on_duty(site, "g", now)
    assert (duty.people[0] if duty else None) == naive(site, now)
    if duty is not None:
        assert duty.start <= now < duty.end
        assert sorted(duty.people) == ["a", "b", "c"]


@settings(max_examples=300)
@given(moments, st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]))
def test_daylight_saving_leaves_no_hole(now: datetime, zone: str) -> None:
    site = site_of(shift("02:30", "14:00"), shift("14:00", "02:30"), zone=zone)
    assert on_duty(site, "g", now) is not None
    assert gaps(site, "g", now, now + timedelta(days=7)) == []


def test_the_night_of_the_change_belongs_to_the_shift_that_began_before_it() -> None:
    # Berlin, 2026-03-29: 02:00 becomes 03:00; the night shift from 22:00 to 06:00 has 7 hours.
    site = site_of(shift("22:00", "06:00"), zone="Europe/Berlin")
    duty = on_duty(site, "g", datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert duty is not None
    assert duty.end - duty.start == timedelta(hours=7)


def test_the_first_of_the_turn_changes_every_monday_also_over_new_year() -> None:
    item = shift("08:00", "20:00", rotate=True)
    mondays = [date(2026, 12, 14) + timedelta(weeks=number) for number in range(6)]
    turns = [first_person(item, monday) for monday in mondays]
    assert turns == [(turns[0] + number) % 3 for number in range(6)]
    assert first_person(item, date(2027, 1, 3)) == first_person(item, date(2026, 12, 28))


@settings(max_examples=100)
@given(st.lists(shifts, max_size=3), moments)
def test_gaps_are_exactly_the_moments_without_duty(given: list[Shift], now: datetime) -> None:
    site = site_of(*given)
    end = now + timedelta(days=2)
    holes = gaps(site, "g", now, end)
    for minutes in range(0, 2 * 24 * 60, 45):
        moment = now + timedelta(minutes=minutes)
        in_hole = any(start <= moment < stop for start, stop in holes)
        assert in_hole == (on_duty(site, "g", moment) is None)
