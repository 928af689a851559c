"""Health of a whole node: many cameras lost at once are one event, a full disk is told; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from config.event import HealthReport
from edge.health.camera_health import CameraHealth

TOGETHER_S = 15.0
"""Cameras lost within this time were lost by one cause: a switch, a cable, the power."""
_MANY = 0.5
_DISK_FREE = 0.05
_DISK_FREE_AGAIN = 0.08
_QUEUE = 2000
_HOT_C = 85.0
_COOL_C = 75.0
"""Most boards slow down at 85 to 95 °C, and then pictures are lost."""

NodeCondition = Literal["offline", "disk_full", "queue_depth", "temperature"]
Report = tuple[str | None, HealthReport]
"""Camera (None: the node itself) and what is told of it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Bytes free and in all on the disk of events and evidence, and events without a receipt.

    ``denied`` says in words that the broker refuses them from this node; empty when it does not;
    ``temperature_c`` is that of the machine's hottest part, None where it does not tell.
    """

    free: int
    total: int
    waiting: int
    denied: str = ""
    temperature_c: float | None = None


@dataclass(slots=True)
class NodeHealth:
    """Ticks the cameras' health and decides what is told of them and what of their node."""

    _told: set[NodeCondition] = field(default_factory=set)

    def tick(self, cameras: Mapping[str, CameraHealth], now_s: float) -> list[Report]:
        """Time has passed (monotonic seconds)."""
        reports = self._network(cameras, now_s)
        for name, health in cameras.items():
            reports += [(name, report) for report in health.tick(now_s)]
        return reports

    def _network(self, cameras: Mapping[str, CameraHealth], now_s: float) -> list[Report]:
        lost = {
            name: health
            for name, health in cameras.items()
            if health.lost_at_s is not None and not health.by_us
        }
        due = [health for health in lost.values() if health.is_lost(now_s)]
        many = len(lost) >= 2 and len(lost) >= _MANY * len(cameras)
        if "offline" in self._told:
            if many:
                return self._excuse(lost)
            for health in lost.values():
                # One that stays away although the others are back has a reason of its own.
                health.excused, health.lost_at_s = False, now_s
            return self._set("offline", None)
        if not many or not due:
            return []
        # One that was lost long before has nothing to do with it: the middle one counts.
        middle = median(health.lost_at_s for health in due if health.lost_at_s is not None)
        together = [
            name
            for name, health in lost.items()
            if health.lost_at_s is not None and abs(health.lost_at_s - middle) <= TOGETHER_S
        ]
        if len(together) < 2 or len(together) < _MANY * len(cameras):
            return []
        detail = (
            f"{len(together)} of {len(cameras)} cameras lost at once "
            f"({', '.join(together)[:300]}): check the switch, its power and the cable to it"
        )
        return self._set("offline", detail) + self._excuse(lost)

    def _excuse(self, lost: Mapping[str, CameraHealth]) -> list[Report]:
        return [
            (name, report)
            for name, health in lost.items()
            if not health.excused
            for report in health.excuse()
        ]

    def resources(self, found: Resources) -> list[Report]:
        """Look at the disk, at the outbox and at the machine's heat."""
        return self._disk(found) + self._queue(found) + self._temperature(found.temperature_c)

    def _disk(self, found: Resources) -> list[Report]:
        share = found.free / found.total if found.total > 0 else 1.0
        limit = _DISK_FREE_AGAIN if "disk_full" in self._told else _DISK_FREE
        if share >= limit:
            return self._set("disk_full", None)
        return self._set(
            "disk_full",
            f"{share:.0%} of the disk is free ({found.free // 2**20} MiB): make room on it",
        )

    def _queue(self, found: Resources) -> list[Report]:
        limit = _QUEUE // 2 if "queue_depth" in self._told else _QUEUE
        if found.waiting and found.denied:
            return self._set("queue_depth", f"{found.waiting} events wait: {found.denied}")
        if found.waiting < limit:
            return self._set("queue_depth", None)
        return self._set(
            "queue_depth",
            f"{found.waiting} events wait for the centre: check the line and the centre",
        )

    def _temperature(self, degrees: float | None) -> list[Report]:
        limit = _COOL_C if "temperature" in self._told else _HOT_C
        if degrees is None or degrees < limit:
            return self._set("temperature", None)
        return self._set(
            "temperature", f"the machine is {degrees:.0f} °C hot: clean its fan, give it air"
        )

    def _set(self, condition: NodeCondition, detail: str | None) -> list[Report]:
        active = detail is not None
        if active == (condition in self._told):
            return []
        self._told ^= {condition}
        report = HealthReport(condition=condition, active=active, detail=(detail or "")[:500])
        return [(None, report)]
