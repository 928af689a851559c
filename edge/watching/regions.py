"""Which part of a picture is worth searching: around what moves and what is followed; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from edge.events.geometry import Box, grown
from models.planes import PlanarFrame
from models.types import Detections

WHOLE_EVERY_S = 1.0
"""At least this often all of the picture is searched: who stands still does not move."""
WORTH_IT = 0.6
"""A part of more than this share of the picture costs as much as the whole."""
_MARGIN = 0.15
_COLUMNS, _ROWS = 5, 4
"""Parts begin and end on this grid: few sizes, and each fills the network's input."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a picture in its pixels, all even."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, picture: PlanarFrame) -> PlanarFrame:
        """The part, not copied."""
        right, bottom = self.left + self.width, self.top + self.height
        rows, columns = slice(self.top // 2, bottom // 2), slice(self.left // 2, right // 2)
        return PlanarFrame(
            picture.luma[self.top : bottom, self.left : right],
            picture.blue[rows, columns],
            picture.red[rows, columns],
        )

    def back(self, found: Detections) -> Detections:
        """What was found in the part, as it lies in the whole picture."""
        if not (self.left or self.top):
            return found
        corner = np.array([self.left, self.top], np.float32)
        box = np.array([self.left, self.top, 0, 0], np.float32)
        return Detections(
            tuple(replace(plate, corners=plate.corners + corner) for plate in found.plates),
            tuple(
                replace(face, box=face.box + box, landmarks=face.landmarks + corner)
                for face in found.faces
            ),
        )


class RegionPlan:
    """Chooses for one camera, picture by picture in order of time."""

    def __init__(self) -> None:
        self._whole_at: datetime | None = None

    def region(self, picture: PlanarFrame, at: datetime, worth: Iterable[Box]) -> Region:
        """Where to search a picture taken at ``at``.

        Args:
            worth: what moves and what is followed, in shares of the picture; none: all of it.
        """
        height, width, _ = picture.shape
        boxes = [grown(box, sideways=_MARGIN, up_down=_MARGIN) for box in worth]
        whole_at = self._whole_at
        if boxes and whole_at is not None and 0 <= (at - whole_at).total_seconds() < WHOLE_EVERY_S:
            left, right = _span([(box[0], box[2]) for box in boxes], _COLUMNS, width)
            top, bottom = _span([(box[1], box[3]) for box in boxes], _ROWS, height)
            part = Region(left, top, right - left, bottom - top)
            if 0 < part.width * part.height <= WORTH_IT * width * height:
                return part
        self._whole_at = at
        return Region(0, 0, width, height)


def parts_of(picture: PlanarFrame) -> Iterator[Region]:
    """One part of each size that can come."""
    height, width, _ = picture.shape
    for right in range(1, _COLUMNS + 1):
        for bottom in range(1, _ROWS + 1):
            columns = _span([(0.0, right / _COLUMNS)], _COLUMNS, width)
            rows = _span([(0.0, bottom / _ROWS)], _ROWS, height)
            yield Region(0, 0, columns[1], rows[1])


def _span(extents: list[tuple[float, float]], steps: int, size: int) -> tuple[int, int]:
    """From the first to the last of some stretches, outwards to the grid, in even pixels."""
    first = math.floor(min(start for start, _ in extents) * steps)
    last = math.ceil(max(start + length for start, length in extents) * steps)
    return first * size // (2 * steps) * 2, min(size, -(-last * size // (2 * steps)) * 2)
