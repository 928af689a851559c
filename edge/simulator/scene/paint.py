"""Brushes of the scene renderer: polygons and textured rectangles in space, light and shade."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulator.scene.camera import Camera, Points

Picture = NDArray[np.uint8]
"""uint8 (H, W, 3) BGR."""
Bgr = tuple[int, int, int]
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Texture:
    """A picture with an opacity mask: uint8 (H, W, 3) and uint8 (H, W)."""

    picture: Picture
    mask: NDArray[np.uint8]

    @cached_property
    def levels(self) -> tuple[tuple[Picture, NDArray[np.uint8]], ...]:
        """The texture at halves of its size, so that it can be shrunk without aliasing."""
        levels = [(self.picture, self.mask)]
        while min(levels[-1][0].shape[:2]) >= 8:
            picture, mask = levels[-1]
            half = (picture.shape[1] // 2, picture.shape[0] // 2)
            levels.append(
                (
                    _u8(cv2.resize(picture, half, interpolation=cv2.INTER_AREA)),
                    _u8(cv2.resize(mask, half, interpolation=cv2.INTER_AREA)),
                )
            )
        return tuple(levels)


@dataclass(frozen=True)
class Polygon:
    """A convex polygon (N, 3) of one colour; ``opacity`` 0..1."""

    corners: Points
    colour: Bgr
    opacity: float = 1.0


@dataclass(frozen=True)
class Panel:
    """A textured rectangle in space: its left top corner and its two sides, each (3,)."""

    origin: Points
    right: Points
    down: Points
    texture: Texture

    @property
    def corners(self) -> Points:
        """The four corners (4, 3), clockwise from the left top."""
        a, b, c = self.origin, self.right, self.down
        return np.array([a, a + b, a + b + c, a + c])


def _u8(values: object) -> NDArray[np.uint8]:
    return np.asarray(values, dtype=np.uint8)


def vec(*values: float) -> Points:
    """A vector or a point."""
    return np.array(values, dtype=np.float64)


def quad(*corners: tuple[float, float, float]) -> Points:
    """Corners as an array (N, 3)."""
    return np.array(corners, dtype=np.float64)


def shade(colour: Bgr, share: float) -> Bgr:
    """``colour`` darker (< 1) or brighter (> 1)."""
    b, g, r = (min(255, max(0, round(c * share))) for c in colour)
    return b, g, r


def draw_polygon(picture: Picture, camera: Camera, polygon: Polygon, offset: Points) -> None:
    """Draw a polygon moved by ``offset`` (3,) into ``picture``."""
    outline = camera.outline(polygon.corners + offset)
    box = _box(outline, picture)
    if box is None:
        return
    x0, y0, x1, y1 = box
    region = picture[y0:y1, x0:x1]
    target = region if polygon.opacity >= 1 else region.copy()
    points = _fixed(outline - (x0, y0))
    cv2.fillConvexPoly(target, points, polygon.colour, cv2.LINE_AA, _SUBPIXEL_BITS)
    if target is not region:
        cv2.addWeighted(target, polygon.opacity, region, 1 - polygon.opacity, 0, dst=region)


def draw_panel(picture: Picture, camera: Camera, panel: Panel, offset: Points) -> None:
    """Draw a textured rectangle moved by ``offset`` (3,) into ``picture``."""
    outline = camera.outline(panel.corners + offset)
    box = _box(outline, picture)
    if box is None:
        return
    x0, y0, x1, y1 = box
    span = float(np.ptp(outline[:, 0]))
    levels = panel.texture.levels
    ratio = panel.texture.picture.shape[1] / max(span, 1.0)
    texture, mask = levels[min(len(levels) - 1, max(0, int(np.log2(max(ratio, 1.0)) + 0.35)))]
    share = camera.plane(panel.origin + offset, panel.right, panel.down)
    shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]])
    move = shift @ share @ np.diag([1 / texture.shape[1], 1 / texture.shape[0], 1.0])
    size = (x1 - x0, y1 - y0)
    warped = cv2.warpPerspective(
        texture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpPerspective(mask, move, size, flags=cv2.INTER_LINEAR)
    window = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(window, _fixed(outline - (x0, y0)), 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    blend(picture[y0:y1, x0:x1], _u8(warped), _u8(cv2.min(alpha, window)))


def blend(region: Picture, picture: Picture, mask: NDArray[np.uint8]) -> None:
    """Lay ``picture`` over ``region`` of the same size, as opaque as ``mask`` (255 is opaque)."""
    front = mask.astype(np.float32) * (1 / 255)
    region[:] = cv2.blendLinear(picture, np.ascontiguousarray(region), front, 1 - front)


def add_light(picture: Picture, centre: Points, radius: float, colour: Bgr) -> None:
    """Add a soft round light of ``radius`` px at the pixel ``centre`` (2,)."""
    outline = np.array([centre - radius, centre + radius])
    box = _box(outline, picture)
    if box is None:
        return
    x0, y0, x1, y1 = box
    ys = (np.arange(y0, y1, dtype=np.float32) - centre[1])[:, None] / radius
    xs = (np.arange(x0, x1, dtype=np.float32) - centre[0])[None] / radius
    glow = np.clip(1 - np.sqrt(xs * xs + ys * ys), 0, 1) ** 2
    light = (glow[..., None] * np.array(colour, np.float32)).astype(np.uint8)
    region = picture[y0:y1, x0:x1]
    region[:] = cv2.add(region, light)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * (1 << _SUBPIXEL_BITS)), dtype=np.int32)


def _box(outline: Points, picture: Picture) -> tuple[int, int, int, int] | None:
    if len(outline) == 0:
        return None
    height, width = picture.shape[:2]
    low = np.clip(np.floor(outline.min(0)) - 1, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(outline.max(0)) + 2, 0, (width, height)).astype(int)
    if high[0] <= low[0] or high[1] <= low[1]:
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
