"""Zones entered, loitering and lines crossed by one moving object, each told once per visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from config.event import EventKind
from config.site import Line, Zone
from edge.events.geometry import Point, crossing, inside


@dataclass(frozen=True, slots=True)
class AreaHit:
    """What happened, and in which zone or at which line (its id)."""

    kind: EventKind
    area: str


@dataclass(slots=True)
class AreaWatch:
    """Follows where one object stands against a camera's zones and lines."""

    zones: Sequence[Zone]
    lines: Sequence[Line]
    _last: Point | None = None
    _entered: dict[str, datetime] = field(default_factory=dict)
    _told: set[tuple[EventKind, str]] = field(default_factory=set)

    def for_part(self) -> AreaWatch:
        """A watch for a piece that split off: what was told of the whole is not told again."""
        return AreaWatch(self.zones, self.lines, _told=self._told)

    def change(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        """Watch other zones and lines; what was told of one of the same name stays told."""
        self.zones, self.lines = zones, lines
        names = {zone.id for zone in zones}
        self._entered = {name: at for name, at in self._entered.items() if name in names}

    def moved(self, point: Point, at: datetime) -> list[AreaHit]:
        """The object stands at ``point`` (shares of the picture) at ``at``; what that means."""
        hits = [hit for hit in self._hits(point, at) if (hit.kind, hit.area) not in self._told]
        self._told.update((hit.kind, hit.area) for hit in hits)
        self._last = point
        return hits

    def _hits(self, point: Point, at: datetime) -> list[AreaHit]:
        hits: list[AreaHit] = []
        for zone in self.zones:
            if not inside(point, zone.polygon):
                self._entered.pop(zone.id, None)
                continue
            since = self._entered.setdefault(zone.id, at)
            if zone.loiter_seconds is None:
                hits.append(AreaHit(EventKind.ZONE, zone.id))
            elif (at - since).total_seconds() >= zone.loiter_seconds:
                hits.append(AreaHit(EventKind.LOITER, zone.id))
        for line in self.lines:
            if self._last is None:
                break
            direction = crossing(line.start, line.end, self._last, point)
            if direction is not None and line.direction in ("both", direction):
                hits.append(AreaHit(EventKind.LINE, line.id))
        return hits
