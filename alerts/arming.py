"""Whether a home's camera alerts now: the owner's choice by hand, else their weekly schedule."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field

from config.event import EventKind, Frozen

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Mode(StrEnum):
    """What the owner wants to hear of.

    ``away``: everything. ``night``: people and what they do, no passing cars. ``home``: only
    that the camera itself is in trouble.
    """

    AWAY = "away"
    NIGHT = "night"
    HOME = "home"


DEVICE = frozenset({EventKind.HEALTH, EventKind.SHED})
HEARD: dict[Mode, frozenset[EventKind]] = {
    Mode.AWAY: frozenset(EventKind),
    Mode.NIGHT: DEVICE | {EventKind.FACE, EventKind.LINE, EventKind.ZONE, EventKind.LOITER},
    Mode.HOME: DEVICE,
}
_NAMES = {
    Mode.AWAY: ("离家", "away"),
    Mode.NIGHT: ("夜间", "night"),
    Mode.HOME: ("在家", "home"),
}


class Turn(Frozen):
    """A weekly span in local time; one that ends at or before its start runs past midnight."""

    days: tuple[Day, ...] = Field(min_length=1)
    start: time
    end: time
    mode: Mode


class Arming(Frozen):
    """The choice of one camera's owner; without any, everything alerts."""

    mode: Mode | None = None
    """Chosen by hand; None: as the schedule says."""
    until: AwareDatetime | None = None
    """When the mode chosen by hand ends, as pauses of earlier versions did; None: never."""
    schedule: tuple[Turn, ...] = Field(default=(), max_length=28)
    snoozed_until: AwareDatetime | None = None
    """Silence until then; afterwards everything is as it was before."""


def mode_at(arming: Arming, now: datetime, zone: ZoneInfo) -> Mode:
    """The mode that holds at ``now`` (timezone-aware): by hand, by schedule, else away."""
    if arming.mode is not None and (arming.until is None or now < arming.until):
        return arming.mode
    local = now.astimezone(zone)
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    for turn in arming.schedule:
        if _covers(turn, local.time(), today, yesterday):
            return turn.mode
    return Mode.AWAY


def is_snoozed(arming: Arming, now: datetime) -> bool:
    """True while the owner wants silence for a while."""
    return arming.snoozed_until is not None and now < arming.snoozed_until


def silenced(
    arming: Arming, kind: EventKind, now: datetime, zone: ZoneInfo
) -> tuple[str, str] | None:
    """Why an event of ``kind`` raises no alert now, in both languages; None when it may."""
    if arming.snoozed_until is not None and is_snoozed(arming, now) and kind not in DEVICE:
        until = f"{arming.snoozed_until.astimezone(zone):%H:%M}"
        return f"户主已静音到 {until}", f"the owner snoozed the camera until {until}"
    mode = mode_at(arming, now, zone)
    if kind in HEARD[mode]:
        return None
    zh, en = _NAMES[mode]
    return f"户主已设为“{zh}”，这类事件不告警", f"the owner set the camera to {en}: no alert of it"


def _covers(turn: Turn, local: time, today: Day, yesterday: Day) -> bool:
    if turn.start < turn.end:
        return today in turn.days and turn.start <= local < turn.end
    late = today in turn.days and local >= turn.start
    early = yesterday in turn.days and local < turn.end
    return late or early
