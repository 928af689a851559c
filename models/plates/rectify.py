"""Cuts plates out of a picture as the flat 160x48 strips the reader network takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, part_of
from models.plates.homography import Homography

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
    return rectify_each([image] * len(corners), corners, rows)


def rectify_each(
    images: Sequence[Picture], corners: NDArray[np.float32], rows: Sequence[int]
) -> NDArray[np.uint8]:
    """As ``rectify``, each plate from a picture of its own: N pictures for N plates."""
    # OpenCV warps four channels in half the time of three, to the same values.
    strips = np.zeros((len(corners), STRIP_HEIGHT, STRIP_WIDTH, 4), np.uint8)
    for strip, image, quad, row_count in zip(strips, images, corners, rows, strict=True):
        if Homography.of(quad) is None:
            continue
        patch, local = _shrunk(image, quad)
        plate = Homography.of(local)
        if plate is None:
            continue
        patch = np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2BGRA), np.uint8)
        if row_count == 2:
            _cut(patch, plate, _UPPER, strip[:, :UPPER_WIDTH])
            _cut(patch, plate, _LOWER, strip[:, UPPER_WIDTH:])
        else:
            _cut(patch, plate, _WHOLE, strip)
    return _without_alpha(strips)


def _without_alpha(strips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if len(strips) == 0:
        return strips[..., :3]
    flat = cv2.cvtColor(strips.reshape(-1, STRIP_WIDTH, 4), cv2.COLOR_BGRA2BGR)
    return np.asarray(flat, np.uint8).reshape(len(strips), STRIP_HEIGHT, STRIP_WIDTH, 3)


def moved_corners(
    corners: NDArray[np.float32], offsets: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Corners (N, 4, 2) moved by offsets (N, 4, 2) in shares of each plate's own width and height.

    Corners without area stay where they are.
    """
    moved = corners.astype(np.float32)
    for quad, offset in zip(moved, offsets.tolist(), strict=True):
        plate = Homography.of(quad)
        if plate is not None:
            (u0, v0), (u1, v1), (u2, v2), (u3, v3) = offset
            quad[:] = (
                plate.at(u0, v0),
                plate.at(1.0 + u1, v1),
                plate.at(1.0 + u2, 1.0 + v2),
                plate.at(u3, 1.0 + v3),
            )
    return moved


def plate_height(quad: NDArray[np.float32]) -> float:
    """Mean length of the left and right edges of corners (4, 2), in pixels."""
    left_top, right_top, right_bottom, left_bottom = quad.tolist()
    return (math.dist(left_bottom, left_top) + math.dist(right_bottom, right_top)) / 2


def _shrunk(
    image: Picture, quad: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """What surrounds a plate, no finer than the strip needs it, and the corners in it."""
    height, width = image.shape[:2]
    xs, ys = quad[:, 0].tolist(), quad[:, 1].tolist()
    left, right = _span(min(xs), max(xs), width)
    top, bottom = _span(min(ys), max(ys), height)
    patch = part_of(image, left, top, right, bottom)
    local = quad - np.array([left, top], np.float32)
    factor = plate_height(quad) / STRIP_HEIGHT
    if factor <= _FINEST:
        return patch, local
    size = (max(1, round(patch.shape[1] / factor)), max(1, round(patch.shape[0] / factor)))
    scale = np.array([size[0] / patch.shape[1], size[1] / patch.shape[0]], np.float32)
    # Pixel centres, not pixel corners, keep their place when a picture is resized.
    shrunk = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return shrunk, (local + 0.5) * scale - 0.5


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """First pixel and the one after the last of what is cut out, a quarter more at each end."""
    margin = 0.25 * (high - low) + 2
    first = int(min(max(low - margin, 0), length - 1))
    return first, int(min(max(high + margin + 1, first + 1), length))


def _cut(
    patch: NDArray[np.uint8],
    plate: Homography,
    part: tuple[float, float, float, float],
    target: NDArray[np.uint8],
) -> None:
    height, width = target.shape[:2]
    cv2.warpPerspective(
        patch,
        plate.of_part(*part, width=width, height=height),
        (width, height),
        dst=target,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
