"""Motion hours: weekdays and nights in local time, and what a site file may say of them."""

from __future__ import annotations

from datetime import datetime, time

import pytest
from pydantic import ValidationError

from config.motion_site import MotionHours, tells_motion

NIGHT = MotionHours(start=time(22), end=time(6))
OFFICE = MotionHours(days=("mon", "fri"), start=time(8), end=time(18))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """March 2026: the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute)


@pytest.mark.parametrize(
    ("hours", "moment", "told"),
    [
        (NIGHT, at(2, 22), True),
        (NIGHT, at(3, 5, 59), True),
        (NIGHT, at(3, 6), False),
        (NIGHT, at(3, 12), False),
        (OFFICE, at(2, 8), True),
        (OFFICE, at(2, 18), False),
        (OFFICE, at(3, 12), False),
        (MotionHours(days=("sun",), start=time(20), end=time(4)), at(2, 3), True),
        (MotionHours(days=("mon",), start=time(20), end=time(4)), at(2, 3), False),
    ],
)
def test_hours_hold_on_their_days_and_over_midnight(
    hours: MotionHours, moment: datetime, told: bool
) -> None:
    assert hours.covers(moment) is told
    assert tells_motion([OFFICE.model_copy(update={"days": ("sat",)}), hours], moment) is told


def test_none_is_always_and_empty_is_never() -> None:
    assert tells_motion(None, at(2, 12))
    assert not tells_motion((), at(2, 12))


def test_a_time_with_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="without an offset"):
        MotionHours.model_validate({"start": "08:00+08:00", "end": "18:00"})
