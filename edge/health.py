"""When a camera's coming and going is worth a health event; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from config.event import HealthReport
from edge.camera import CameraState
from edge.stream import Fault

OFFLINE_AFTER_S = 10.0

Condition = Literal["offline", "wrong_credentials"]


@dataclass(slots=True)
class CameraHealth:
    """The health of one camera, from what its streams say. Times in monotonic seconds.

    A refused login is told at once; a lost stream only after ``offline_after_s``, because most
    come back by themselves. Each condition is told once when it begins and once when it ends.
    """

    offline_after_s: float = OFFLINE_AFTER_S
    online: bool = False
    _lost_at_s: float | None = None
    _problem: str = ""
    _told: list[Condition] = field(default_factory=list)

    def changed(self, state: CameraState, now_s: float) -> list[HealthReport]:
        """The camera's main stream came or went."""
        self.online = state.online
        if state.online:
            self._lost_at_s = None
            ended = [_report(condition, active=False, detail="") for condition in self._told]
            self._told.clear()
            return ended
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        self._problem = state.problem
        if state.fault is Fault.CREDENTIALS:
            return self._begin("wrong_credentials")
        return []

    def tick(self, now_s: float) -> list[HealthReport]:
        """Time has passed."""
        if self._lost_at_s is None or now_s - self._lost_at_s < self.offline_after_s:
            return []
        # Nobody needs to be told that a camera which refuses the password sends no picture.
        return [] if "wrong_credentials" in self._told else self._begin("offline")

    def _begin(self, condition: Condition) -> list[HealthReport]:
        if condition in self._told:
            return []
        self._told.append(condition)
        return [_report(condition, active=True, detail=self._problem)]


def _report(condition: Condition, *, active: bool, detail: str) -> HealthReport:
    return HealthReport(condition=condition, active=active, detail=detail[:500])
