"""Figures: how quickly alerts were answered and how many were false, per grid and camera."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from alerts.life.state import Outcome
from alerts.precision.cases import cases
from alerts.precision.figures import Precision, precision
from alerts.seeing import reading
from alerts.store.schema import alerts
from alerts.web.base.render import page
from alerts.web.camera.cameras import cameras_of
from alerts.web.context import Web
from alerts.web.people.auth import FiguresReader, Visitor, WebParts

router = APIRouter(include_in_schema=False)
LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """One grid or camera: counts, and seconds to the answer (None where nobody answered)."""

    name: str
    count: int
    answered: int
    median_s: float | None
    p90_s: float | None
    climbed: int
    closed: int
    false_alarms: int

    @property
    def false_share(self) -> float | None:
        """Of the closed ones, the share that were false alarms; None when none is closed."""
        return self.false_alarms / self.closed if self.closed else None


def summarise(name: str, rows: list[dict[str, Any]]) -> Line:
    """Figures over rows of ``alerts``."""
    waits = sorted(
        (row["acked_at"] - row["opened_at"]).total_seconds()
        for row in rows
        if row["acked_at"] is not None
    )
    cuts = quantiles(waits, n=10, method="inclusive") if len(waits) > 1 else waits * 9
    closed = [row for row in rows if row["outcome"] is not None]
    return Line(
        name=name,
        count=len(rows),
        answered=len(waits),
        median_s=cuts[4] if waits else None,
        p90_s=cuts[8] if waits else None,
        climbed=sum(row["step"] > 0 for row in rows),
        closed=len(closed),
        false_alarms=sum(row["outcome"] == str(Outcome.FALSE_ALARM) for row in closed),
    )


def _precision(web: Web, visitor: Visitor, since: datetime) -> list[Precision]:
    """Of the cameras this person may look through; the centre's people: of all but homes."""
    cameras = [camera.id for camera in cameras_of(web.site, visitor.viewer)]
    return precision(cases(web.engine, web.site, since=since, cameras=cameras))


@router.get("/statistics")
def statistics_page(
    request: Request,
    web: WebParts,
    visitor: FiguresReader,
    days: Annotated[int, Query(ge=1, le=90)] = 7,
) -> Response:
    """Figures of the last days over what this person may see."""
    since = web.clock.now() - timedelta(days=days)
    rows = reading.found_rows(web.engine, visitor.viewer, [alerts.c.opened_at >= since], LIMIT)
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {
        "grid": defaultdict(list),
        "camera": defaultdict(list),
    }
    for row in rows:
        for by, group in groups.items():
            group[row[by] or "—"].append(row)
    grid_names = {grid.id: grid.name for grid in web.site.grids}
    camera_names = {camera.id: camera.name for camera in web.site.cameras}
    by_camera = [summarise(camera_names.get(i, i), found) for i, found in groups["camera"].items()]
    return page(
        request,
        web,
        visitor,
        "statistics.html",
        days=days,
        total=summarise("", rows),
        grids=[summarise(grid_names.get(i, i), found) for i, found in groups["grid"].items()],
        cameras=sorted(by_camera, key=lambda line: line.false_alarms, reverse=True)[:20],
        is_cut=len(rows) == LIMIT,
        precision=_precision(web, visitor, since),
    )
