"""When a camera's condition is worth a health event: root cause first, begun and ended once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from config.event import HealthReport
from edge.health.picture_health import Trouble
from edge.streams.stream import Fault
from edge.watching.camera import CameraState

OFFLINE_AFTER_S = 10.0
SKEW_LIMIT_S = 2.0
_HOLD_S = 10.0
_RATE_WINDOW_S = 10.0
_LOW_RATE = 0.6
_SMALLER = 0.6

Condition = Literal[
    "offline",
    "wrong_credentials",
    "frozen",
    "black",
    "covered",
    "blurred",
    "moved",
    "low_frame_rate",
    "wrong_resolution",
    "clock_skew",
]
_WORDS: dict[Condition, str] = {
    "frozen": "the picture has not changed at all: restart the camera",
    "black": "the picture is black: check the lens, the lamp and the power of the camera",
    "covered": "something covers the lens: clean it, or see who did it",
    "blurred": "the picture is out of focus: clean the lens and focus it",
    "moved": "the camera looks elsewhere than before: turn it back, or draw its zones anew",
}


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a decode child knows of a camera that is connected, once a second.

    ``pictures``: how many came so far; ``skew_s``: its clock minus ours, None when unknown.
    """

    pictures: int
    width: int = 0
    height: int = 0
    trouble: Trouble | None = None
    skew_s: float | None = None


@dataclass(slots=True)
class _Rate:
    """Pictures a second over a window, and the best that was seen."""

    best: float = 0.0
    now: float | None = None
    _from_s: float | None = None
    _count: int = 0

    def observe(self, pictures: int, now_s: float) -> None:
        if self._from_s is None or pictures < self._count:
            self._from_s, self._count = now_s, pictures
        elif now_s - self._from_s >= _RATE_WINDOW_S:
            self.now = (pictures - self._count) / (now_s - self._from_s)
            self.best = max(self.best, self.now)
            self._from_s, self._count = now_s, pictures

    def forget(self) -> None:
        self.now = self._from_s = None


@dataclass(slots=True)
class CameraHealth:
    """The health of one camera, from what its streams say. Times in monotonic seconds.

    A refused login is told at once; a lost stream only after ``offline_after_s``, because most
    come back by themselves. Each condition is told once when it begins and once when it ends.
    While a camera is lost, nothing else of it is told: that is the root cause.
    """

    offline_after_s: float = OFFLINE_AFTER_S
    online: bool = False
    lost_at_s: float | None = None
    by_us: bool = False
    """It was lost with the process that watched it, not by the network."""
    excused: bool = False
    """Somebody else (the node) tells that this camera is lost."""
    _problem: str = ""
    _told: list[Condition] = field(default_factory=list)
    _since: dict[Condition, float] = field(default_factory=dict)
    _rate: _Rate = field(default_factory=_Rate)
    _largest: tuple[int, int] = (0, 0)

    def changed(self, state: CameraState, now_s: float) -> list[HealthReport]:
        """The camera's main stream came or went."""
        self.online = state.online
        if state.online:
            self.lost_at_s, self.excused = None, False
            return self._end("offline", "wrong_credentials")
        self._rate.forget()
        if self.lost_at_s is None:
            self.lost_at_s, self.by_us = now_s, state.fault is None
        elif state.fault is not None:
            self.by_us = False
        self._problem = state.problem
        if state.fault is Fault.CREDENTIALS:
            return self._begin("wrong_credentials", self._problem)
        return []

    def tick(self, now_s: float) -> list[HealthReport]:
        """Time has passed."""
        if not self.is_lost(now_s) or self.excused:
            return []
        # Nobody needs to be told that a camera which refuses the password sends no picture.
        return [] if "wrong_credentials" in self._told else self._begin("offline", self._problem)

    def is_lost(self, now_s: float) -> bool:
        """Whether it has been gone for long enough to say so."""
        return self.lost_at_s is not None and now_s - self.lost_at_s >= self.offline_after_s

    def excuse(self) -> list[HealthReport]:
        """The node tells of the loss: what was told of it here is over."""
        self.excused = True
        return self._end("offline")

    def pulse(self, pulse: Pulse, now_s: float) -> list[HealthReport]:
        """News of a connected camera. A condition must hold (or be over) for ten seconds."""
        if not self.online:
            return []
        present = self._present(pulse, now_s)
        reports: list[HealthReport] = []
        for condition in get_args(Condition)[2:]:
            detail = present.get(condition)
            if (detail is None) == (condition not in self._told):
                self._since.pop(condition, None)
            elif now_s - self._since.setdefault(condition, now_s) >= _HOLD_S:
                self._since.pop(condition)
                found = self._end(condition) if detail is None else self._begin(condition, detail)
                reports.extend(found)
        return reports

    def _present(self, pulse: Pulse, now_s: float) -> dict[Condition, str]:
        found: dict[Condition, str] = {}
        if pulse.trouble is not None:
            found[pulse.trouble] = _WORDS[pulse.trouble]
        rate = self._rate
        rate.observe(pulse.pictures, now_s)
        if rate.now is not None and rate.best > 1 and rate.now < _LOW_RATE * rate.best:
            found["low_frame_rate"] = (
                f"{rate.now:.1f} pictures/s instead of {rate.best:.1f}: check the network's load"
            )
        area, largest = pulse.width * pulse.height, self._largest[0] * self._largest[1]
        if area > largest:
            self._largest = (pulse.width, pulse.height)
        elif 0 < area < _SMALLER * largest:
            found["wrong_resolution"] = (
                f"{pulse.width}x{pulse.height} instead of {self._largest[0]}x{self._largest[1]}: "
                "set the main stream's resolution on the camera"
            )
        if pulse.skew_s is not None and abs(pulse.skew_s) > SKEW_LIMIT_S:
            found["clock_skew"] = (
                f"its clock is {pulse.skew_s:+.0f} s off ours: set an NTP server on the camera"
            )
        return found

    def _begin(self, condition: Condition, detail: str) -> list[HealthReport]:
        if condition in self._told:
            return []
        self._told.append(condition)
        return [HealthReport(condition=condition, active=True, detail=detail[:500])]

    def _end(self, *conditions: Condition) -> list[HealthReport]:
        ended = [condition for condition in self._told if condition in conditions]
        self._told = [condition for condition in self._told if condition not in conditions]
        return [HealthReport(condition=condition, active=False) for condition in ended]
