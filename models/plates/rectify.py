"""Cuts plates out of a picture as the flat 160x48 strips the reader network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, part_of

STRIP_WIDTH: Final = 160
STRIP_HEIGHT: Final = 48
MARGIN_X: Final = 0.05
MARGIN_Y: Final = 0.12
"""Share of the plate kept around the corners, so that a corner a little inside loses no ink."""

UPPER_WIDTH: Final = 56
_UPPER: Final = (0.16, -MARGIN_Y, 0.84, 0.41)
_LOWER: Final = (-MARGIN_X, 0.36, 1.0 + MARGIN_X, 1.0 + MARGIN_Y)
"""Left, top, right, bottom of a double plate's rows (GA 36-2018: the upper row ends at 75 mm of
220, the lower begins at 90 mm), in shares of the plate."""

_WHOLE: Final = (-MARGIN_X, -MARGIN_Y, 1.0 + MARGIN_X, 1.0 + MARGIN_Y)
_UNIT: Final = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
_FINEST: Final = 2.0
"""Source pixels per strip pixel above which the source is shrunk first, against aliasing."""


def rectify(image: Picture, corners: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.uint8]:
    """Perspective-corrected strips of plates, uint8 (N, 48, 160, 3) BGR.

    Args:
        image: uint8 (H, W, 3) BGR, or the decoder's planes, of which only what is cut out is
            converted.
        corners: float32 (N, 4, 2): left-top, right-top, right-bottom, left-bottom as x, y in
            pixels; may lie outside the picture. Corners without area give a black strip.
        rows: N numbers; 2 puts the plate's two rows side by side, anything else takes it whole.
    """
    strips = np.zeros((len(corners), STRIP_HEIGHT, STRIP_WIDTH, 3), np.uint8)
    for strip, quad, row_count in zip(strips, corners, rows, strict=True):
        if not _has_area(quad):
            continue
        patch, local = _shrunk(image, quad)
        if row_count == 2:
            strip[:, :UPPER_WIDTH] = _cut(patch, local, _UPPER, UPPER_WIDTH)
            strip[:, UPPER_WIDTH:] = _cut(patch, local, _LOWER, STRIP_WIDTH - UPPER_WIDTH)
        else:
            strip[:] = _cut(patch, local, _WHOLE, STRIP_WIDTH)
    return strips


def moved_corners(
    corners: NDArray[np.float32], offsets: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Corners (N, 4, 2) moved by offsets (N, 4, 2) in shares of each plate's own width and height.

    Corners without area stay where they are.
    """
    moved = corners.astype(np.float32).copy()
    for quad, offset in zip(moved, offsets, strict=True):
        if _has_area(quad):
            to_picture = cv2.getPerspectiveTransform(_UNIT, quad)
            quad[:] = cv2.perspectiveTransform((_UNIT + offset)[None], to_picture)[0]
    return moved


def plate_height(quad: NDArray[np.float32]) -> float:
    """Mean length of the left and right edges of corners (4, 2), in pixels."""
    return float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2


def _has_area(quad: NDArray[np.float32]) -> bool:
    if not np.isfinite(quad).all():
        return False
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.tolist()
    # Half the cross product of the diagonals.
    if abs((x2 - x0) * (y3 - y1) - (x3 - x1) * (y2 - y0)) < 8.0:
        return False
    # Crossed or collapsed corners have no perspective transform.
    return abs(float(np.linalg.det(cv2.getPerspectiveTransform(_UNIT, quad)))) > 1e-6


def _shrunk(
    image: Picture, quad: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    height, width = image.shape[:2]
    margin = 0.25 * (quad.max(0) - quad.min(0)) + 2
    left, top = np.clip(quad.min(0) - margin, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(quad.max(0) + margin + 1, (left + 1, top + 1), (width, height)).astype(
        int
    )
    patch = part_of(image, int(left), int(top), int(right), int(bottom))
    local = quad - np.array([left, top], np.float32)
    factor = plate_height(quad) / STRIP_HEIGHT
    if factor <= _FINEST:
        return patch, local
    size = (max(1, round(patch.shape[1] / factor)), max(1, round(patch.shape[0] / factor)))
    scale = np.array([size[0] / patch.shape[1], size[1] / patch.shape[0]], np.float32)
    # Pixel centres, not pixel corners, keep their place when a picture is resized.
    shrunk = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return shrunk, (local + 0.5) * scale - 0.5


def _cut(
    patch: NDArray[np.uint8],
    quad: NDArray[np.float32],
    part: tuple[float, float, float, float],
    width: int,
) -> NDArray[np.uint8]:
    left, top, right, bottom = part
    plate = cv2.getPerspectiveTransform(_UNIT, quad.astype(np.float32))
    strip = np.array(
        [[(right - left) / width, 0, left], [0, (bottom - top) / STRIP_HEIGHT, top], [0, 0, 1]]
    )
    # Half a pixel: the centre of the first strip pixel is half a pixel inside the part.
    strip[:2, 2] += 0.5 * strip[(0, 1), (0, 1)]
    cut = cv2.warpPerspective(
        patch,
        plate @ strip,
        (width, STRIP_HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cut, dtype=np.uint8)
