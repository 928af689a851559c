"""When a camera tells of motion alone: weekly hours in the county's local time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import Self

from pydantic import Field, model_validator

from config.event import Frozen
from config.holidays import WEEKDAYS, Day


class MotionHours(Frozen):
    """A stretch of a day; one that ends at or before its start runs past midnight."""

    days: tuple[Day, ...] = Field(default=WEEKDAYS, min_length=1)
    start: time
    end: time

    @model_validator(mode="after")
    def _wall_clock(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times, without an offset")
        return self

    def covers(self, local: datetime) -> bool:
        """Whether it holds at a local wall-clock moment."""
        now, today = local.time().replace(tzinfo=None), WEEKDAYS[local.weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        yesterday = WEEKDAYS[local.weekday() - 1]
        return (today in self.days and now >= self.start) or (
            yesterday in self.days and now < self.end
        )


def tells_motion(hours: Sequence[MotionHours] | None, local: datetime) -> bool:
    """Whether motion is told at a local moment; ``hours`` None: always, empty: never."""
    return hours is None or any(one.covers(local) for one in hours)
