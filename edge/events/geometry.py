"""Plane geometry of boxes, zones and lines in shares of the picture (0..1, y downwards)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""left, top, width, height."""

Direction = Literal["left_to_right", "right_to_left"]


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0..1; 0 when either has no area."""
    shared = overlap(first, second)
    total = first[2] * first[3] + second[2] * second[3] - shared
    return min(1.0, shared / total) if total > 0 else 0.0


def overlap(first: Box, second: Box) -> float:
    """Area that two boxes share."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def centre(box: Box) -> Point:
    """The middle of a box."""
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def foot(box: Box) -> Point:
    """The middle of a box's lower edge: where the object stands."""
    return box[0] + box[2] / 2, box[1] + box[3]


def holds(box: Box, point: Point) -> bool:
    """True when ``point`` is inside ``box`` or on its edge."""
    return box[0] <= point[0] <= box[0] + box[2] and box[1] <= point[1] <= box[1] + box[3]


def clip(box: Box) -> Box:
    """The part of ``box`` inside the picture; finite for any finite input."""
    left, top = min(max(box[0], 0.0), 1.0), min(max(box[1], 0.0), 1.0)
    right = min(max(box[0] + box[2], left), 1.0)
    bottom = min(max(box[1] + box[3], top), 1.0)
    return left, top, right - left, bottom - top


def grown(box: Box, *, sideways: float, up_down: float) -> Box:
    """``box`` grown on each side by shares of its own width and height, clipped."""
    x, y, width, height = box
    return clip(
        (
            x - sideways * width,
            y - up_down * height,
            width * (1 + 2 * sideways),
            height * (1 + 2 * up_down),
        )
    )


def touches(first: Box, second: Box, *, reach: float = 0.0) -> bool:
    """True when two boxes overlap after ``first`` was grown by ``reach`` on each side."""
    x, y, width, height = first
    return overlap((x - reach, y - reach, width + 2 * reach, height + 2 * reach), second) > 0


def car_around(plate: Box) -> Box:
    """Where the car is that carries a plate at ``plate``, seen from the front or the back.

    A plate is 0.44 m wide and 0.14 m high (GA 36-2018), a car 1.8 m and 1.5 m, a lorry 2.5 m
    and 3 m; the plate sits low and in the middle.
    """
    x, y, width, height = plate
    tall = max(height, width * 0.3)
    return clip((x - 2.2 * width, y - 9 * tall, 5.4 * width, 13 * tall))


def is_cut_off(box: Box, *, margin: float = 0.005) -> bool:
    """True when ``box`` reaches the border of the picture, so that part of it may be outside."""
    x, y, width, height = box
    return x <= margin or y <= margin or x + width >= 1 - margin or y + height >= 1 - margin


def inside(point: Point, polygon: Sequence[Point]) -> bool:
    """True when ``point`` is inside ``polygon`` (even-odd rule; edges may go either way)."""
    x, y = point
    within = False
    previous = polygon[-1]
    for corner in polygon:
        (x1, y1), (x2, y2) = previous, corner
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            within = not within
        previous = corner
    return within


def crossing(start: Point, end: Point, a: Point, b: Point) -> Direction | None:
    """How a step from ``a`` to ``b`` crosses the line from ``start`` to ``end``, if it does.

    Left and right are as seen by somebody who walks from ``start`` to ``end`` and looks at the
    picture from above. A step that only touches the line does not cross it until it goes on.
    """
    side_a, side_b = _side(start, end, a), _side(start, end, b)
    if (side_a < 0) == (side_b < 0):
        return None
    first, second = sorted((a, b))  # so that there and back agree to the last bit
    if _side(first, second, start) * _side(first, second, end) > 0:
        return None
    # y points downwards: a negative cross product is on the walker's left hand.
    return "left_to_right" if side_a < 0 else "right_to_left"


def _side(start: Point, end: Point, point: Point) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def distance(a: Point, b: Point) -> float:
    """Straight distance of two points."""
    return math.hypot(a[0] - b[0], a[1] - b[1])
