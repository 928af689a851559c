"""County map: cameras and open alerts drawn in the site's own coordinates, without tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, radians

from fastapi import APIRouter, Request
from fastapi.responses import Response

from alerts.seeing.service import AlertView
from alerts.web.base.render import page
from alerts.web.camera.cameras import cameras_of
from alerts.web.people.auth import MapReader, WebParts
from config.site import Camera

router = APIRouter(include_in_schema=False)
WIDTH, HEIGHT, EDGE = 1000.0, 620.0, 70.0
METRES_PER_DEGREE = 111_320.0
"""Along a meridian (WGS 84, mean)."""


@dataclass(slots=True)
class Dot:
    """One camera on the map, and the alerts that wait there."""

    camera: Camera
    x: float
    y: float
    alerts: list[AlertView] = field(default_factory=list)

    @property
    def loudest(self) -> AlertView | None:
        """The alert that decides the dot's colour."""
        return max(self.alerts, key=lambda alert: alert.severity.rank, default=None)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The map: dots, and a scale bar of ``bar_m`` metres that is ``bar`` units long."""

    dots: list[Dot]
    bar: float
    bar_m: int


def draw(cameras: list[Camera], alerts: list[AlertView]) -> Drawn:
    """Project by a plate carrée scaled at the middle latitude: right within a county.

    Cameras without a position are left out; dots that fall together are moved apart a little.
    """
    placed = [camera for camera in cameras if camera.position is not None]
    if not placed:
        return Drawn([], 0.0, 0)
    points = [camera.position or (0.0, 0.0) for camera in placed]
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    narrow = cos(radians((south + north) / 2))
    wide, tall = max((east - west) * narrow, 1e-4), max(north - south, 1e-4)
    scale = min((WIDTH - 2 * EDGE) / wide, (HEIGHT - 2 * EDGE) / tall)
    left, top = (WIDTH - wide * scale) / 2, (HEIGHT - tall * scale) / 2
    dots: list[Dot] = []
    for camera, (longitude, latitude) in zip(placed, points, strict=True):
        x = left + (longitude - west) * narrow * scale
        y = top + (north - latitude) * scale
        crowd = sum(abs(d.x - x) < 16 and abs(d.y - y) < 40 for d in dots)
        dots.append(Dot(camera, round(x, 1), round(y + 44 * crowd, 1)))
    by_camera = {dot.camera.id: dot for dot in dots}
    for alert in alerts:
        if alert.camera_id in by_camera:
            by_camera[alert.camera_id].alerts.append(alert)
    bar_m = _round_length(WIDTH / 4 / scale * METRES_PER_DEGREE)
    return Drawn(dots, round(bar_m / METRES_PER_DEGREE * scale, 1), bar_m)


@router.get("/map")
def map_page(request: Request, web: WebParts, visitor: MapReader) -> Response:
    """The map and, for those who cannot see it, the same as a list."""
    position = web.service.position()
    alerts = web.service.open_alerts(visitor.viewer, 500)
    cameras = cameras_of(web.site, visitor.viewer)
    return page(
        request,
        web,
        visitor,
        "map.html",
        drawn=draw(cameras, alerts),
        alerts=alerts,
        position=position,
        width=WIDTH,
        height=HEIGHT,
    )


def _round_length(metres: float) -> int:
    """The largest of 1, 2, 5 × 10ⁿ not above ``metres``."""
    base = 1
    while base * 10 <= metres:
        base *= 10
    return max(step * base for step in (1, 2, 5) if step * base <= max(metres, 1))
