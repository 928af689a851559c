"""Drawings: zones, lines and privacy masks of cameras as drawn, in revisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field
from sqlalchemy import Engine, func, insert, select

from alerts.web.schema import drawings
from config.clock import Clock
from config.event import Frozen
from config.ids import uuid7
from config.site import Camera, Line, Point, Zone
from ingest.engine import reading, writing


class Mask(Frozen):
    """A polygon that is burnt in black before anything else sees the picture."""

    polygon: tuple[Point, ...] = Field(min_length=3, max_length=64)


class Drawing(Frozen):
    """Everything drawn on one camera's picture; points are shares of its width and height."""

    zones: tuple[Zone, ...] = Field(default=(), max_length=16)
    lines: tuple[Line, ...] = Field(default=(), max_length=16)
    masks: tuple[Mask, ...] = Field(default=(), max_length=16)


@dataclass(frozen=True, slots=True)
class Revision:
    """One drawing, and who made it when; revision 0 is the site file's."""

    number: int
    drawing: Drawing
    drawn_by: str | None = None
    drawn_at: datetime | None = None


def of_site(camera: Camera) -> Drawing:
    """What the site file says of a camera."""
    masks = tuple(Mask(polygon=mask) for mask in camera.masks)
    return Drawing(zones=camera.zones, lines=camera.lines, masks=masks)


def with_drawing(camera: Camera, drawing: Drawing) -> Camera:
    """The camera with what was drawn instead of what the site file says."""
    drawn = {
        "zones": drawing.zones,
        "lines": drawing.lines,
        "masks": tuple(mask.polygon for mask in drawing.masks),
    }
    return camera.model_copy(update=drawn)


class Drawings:
    """The drawings of one county's cameras."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def newest(self, camera: str) -> Revision | None:
        """The newest drawing of a camera; None when there is only the site file's."""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(drawings)
                .where(drawings.c.camera == camera)
                .order_by(drawings.c.revision.desc())
                .limit(1)
            ).one_or_none()
        if row is None:
            return None
        drawing = Drawing.model_validate_json(row.body)
        return Revision(row.revision, drawing, row.drawn_by, row.drawn_at)

    def draw(self, camera: str, drawing: Drawing, *, on: int, by: str) -> Revision | None:
        """Store the next revision after ``on``; None when somebody else drew meanwhile."""
        now = self._clock.now()
        with writing(self._engine) as connection:
            newest = connection.execute(
                select(func.coalesce(func.max(drawings.c.revision), 0)).where(
                    drawings.c.camera == camera
                )
            ).scalar_one()
            if newest != on:
                return None
            connection.execute(
                insert(drawings).values(
                    id=uuid7(now),
                    camera=camera,
                    revision=on + 1,
                    body=drawing.model_dump_json(),
                    drawn_by=by,
                    drawn_at=now,
                )
            )
        return Revision(on + 1, drawing, by, now)
