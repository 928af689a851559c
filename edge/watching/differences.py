"""Where a small grey picture differs from a background, and the things that stand there: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.events.geometry import Box, touches

Grey = npt.NDArray[np.uint8]
Known = npt.NDArray[np.float32]
"""What a background shows, (H, W) in grey levels."""

_LARGE_SHIFT: Final = 8
"""Grey levels by which light seldom changes the middle of a picture."""
_KERNEL: Final = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class ThingSettings:
    """Areas are shares of the picture."""

    min_area: float = 0.0012
    whole_share: float = 0.5
    """A thing has a piece of so much of the least area: flakes that meet have none."""
    fresh_s: float = 1.0
    """What changed within this time moves; the rest of a thing only stands there."""
    fresh_share: float = 0.03
    """Share of a thing that must be fresh for it to count as moving."""
    ghost_s: float = 0.4
    """What changed as a whole and has been as it is for so long may be the place where something
    stood: a ghost, and background at once"""
    ghost_edges: float = 1.5
    """if along its outline the background has so many times the edges that the picture has."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is there, in small pixels.

    ``moves``: part of it changed lately; ``rests``: nothing of it did, for a moment at least.
    """

    area: int
    rows: slice
    columns: slice
    moves: bool
    rests: bool

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns, as an index."""
        return self.rows, self.columns

    def box(self, shape: tuple[int, ...]) -> Box:
        """Where it is, in shares of the picture."""
        height, width = shape
        return (
            self.columns.start / width,
            self.rows.start / height,
            (self.columns.stop - self.columns.start) / width,
            (self.rows.stop - self.rows.start) / height,
        )


def spread(picture: Grey | Known) -> float:
    """How far the dark and the bright of a picture (H, W) are apart, in grey levels."""
    # A camera's own writing is neither: a twentieth is left out at each end.
    values = np.sort(picture[::8, ::8], axis=None)
    left_out = len(values) // 20
    return float(values[-1 - left_out]) - float(values[left_out])


def differing(small: Grey, background: Known, limit: Grey) -> tuple[Grey, Grey]:
    """How much each pixel differs from a background, and 255 where it is more than its limit.

    Args:
        small, background, limit: (H, W), grey levels 0 to 255.
    """
    known = np.asarray(cv2.convertScaleAbs(background), np.uint8)
    # A lamp or a cloud shifts all of the picture: take the middle shift out first.
    sparse = small[::8, ::8].astype(np.int16) - known[::8, ::8]
    shift = round(float(np.median(sparse)))
    shifts = (shift, 0) if abs(shift) > _LARGE_SHIFT else (shift,)
    ways = []
    for beta in shifts:
        lit = cv2.convertScaleAbs(background, beta=beta) if beta else known
        deviation = np.asarray(cv2.absdiff(small, np.asarray(lit, np.uint8)), np.uint8)
        ways.append((deviation, np.asarray(cv2.compare(deviation, limit, cv2.CMP_GT), np.uint8)))
    # What fills half the picture shifts its middle as a lamp does: fewer differences tell which.
    return min(ways, key=lambda way: cv2.countNonZero(way[1]))


def things_in(
    there: Grey, age: npt.NDArray[np.float32], settings: ThingSettings, *, least_area: float
) -> tuple[list[Thing], int]:
    """What is there, largest first, and how many specks there are, which are too small.

    Args:
        there: 255 where the picture differs, else 0.
        age: for how many seconds each pixel has been as it is.
        least_area: share of the picture.
    """
    cleaned = cv2.morphologyEx(there, cv2.MORPH_OPEN, _KERNEL)
    joined = cv2.dilate(cleaned, _KERNEL, iterations=4)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    least = least_area * there.size
    found, specks = [], 0
    for x, y, w, h, _ in stats[1:count].tolist():
        place = slice(y, y + h), slice(x, x + w)
        inner = cleaned[place]
        area = cv2.countNonZero(inner)
        if area < least:
            specks += 1
            continue
        pieces = cv2.connectedComponentsWithStats(inner, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
        if pieces.max() < settings.whole_share * least:
            specks += len(pieces)
            continue
        ages = age[place][inner > 0]
        enough = max(least / 2, settings.fresh_share * area)
        moves, changes = (
            int(np.count_nonzero(ages < limit)) >= enough
            for limit in (settings.fresh_s, settings.ghost_s)
        )
        found.append(Thing(area, *place, moves, rests=not changes))
    return sorted(found, key=lambda thing: thing.area, reverse=True), specks


def is_ghost(
    thing: Thing, *, small: Grey, background: Known, there: Grey, settings: ThingSettings
) -> bool:
    """Whether what differs at a place is what the background shows and the picture does not.

    Whatever stands there has an outline; where something has gone the background has it.
    """
    if not thing.rests:
        return False
    known = np.asarray(cv2.convertScaleAbs(background[thing.place]), np.uint8)
    outline = cv2.morphologyEx(there[thing.place], cv2.MORPH_GRADIENT, _KERNEL, iterations=2)
    now, before = (
        cv2.mean(cv2.morphologyEx(part, cv2.MORPH_GRADIENT, _KERNEL), outline)[0]
        for part in (small[thing.place], known)
    )
    return before > settings.ghost_edges * now


def joined_boxes(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Boxes that overlap as one: a windscreen and the car around it are one thing."""
    left = list(boxes)
    merged = True
    while merged:
        merged = False
        for i in range(len(left)):
            for j in range(i + 1, len(left)):
                if touches(left[i], left[j]):
                    left[i] = _around(left[i], left.pop(j))
                    merged = True
                    break
            if merged:
                break
    return tuple(left)


def _around(a: Box, b: Box) -> Box:
    x, y = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    return x, y, right - x, bottom - y
