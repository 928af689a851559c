"""What people choose, as pure functions: modes of a home over a week, and swapped turns."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from alerts.arming import DAYS, Arming, Mode, Turn, mode_at, silenced
from alerts.rosters.duty import Arrangements, Swap, on_duty, turns
from config.event import EventKind

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 3, 2, tzinfo=ZONE)
minutes = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> time:
    return time(minute // 60, minute % 60)


@given(st.integers(0, 6), minutes, minutes, st.integers(0, 7 * 24 * 60 - 1))
def test_a_turn_covers_exactly_its_minutes_of_the_week(day, start, end, now):
    arming = Arming(
        schedule=(Turn(days=(DAYS[day],), start=clock(start), end=clock(end), mode=Mode.HOME),)
    )
    length = (end - start) % (24 * 60) or 24 * 60
    first = day * 24 * 60 + start
    covered = (now - first) % (7 * 24 * 60) < length
    mode = mode_at(arming, MONDAY + timedelta(minutes=now), ZONE)
    assert mode is (Mode.HOME if covered else Mode.AWAY)


@given(st.sampled_from(Mode), st.sampled_from(EventKind))
def test_trouble_of_the_camera_is_always_heard(mode, kind):
    reason = silenced(Arming(mode=mode), kind, MONDAY, ZONE)
    if kind in (EventKind.HEALTH, EventKind.SHED) or mode is Mode.AWAY:
        assert reason is None
    if mode is Mode.HOME and kind is EventKind.FACE:
        assert reason is not None


@given(st.integers(-600, 600), st.integers(1, 2000))
def test_swapped_turns_leave_no_hole_and_name_the_taker(example_site, offset, length):
    start = datetime(2026, 3, 2, tzinfo=UTC)
    begins = start + timedelta(minutes=1000 + offset)
    swap = Swap("east-gate", begins, begins + timedelta(minutes=length), "chen-jie", "wang-fang")
    arranged = Arrangements(swaps=(swap,))
    week = turns(example_site, "east-gate", start, start + timedelta(days=4), arranged)
    for before, after in pairwise(week):
        assert before.end == after.start
    for turn in week:
        middle = turn.start + (turn.end - turn.start) / 2
        is_swapped = swap.start <= middle < swap.end
        assert ("wang-fang" in turn.people) is is_swapped
        assert ("chen-jie" in turn.people) is not is_swapped
        assert on_duty(example_site, "lixiang", middle, arranged) is not None
