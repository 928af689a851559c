"""Shows plates as the upright box around a tilted one does; many labels cut them out like that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Background = Callable[[tuple[int, int], np.random.Generator], NDArray[np.uint8]]
"""Draws what may lie around a plate, uint8 (H, W, 3), of a width and height."""
SMALL: Final = (94, 24)
"""Width and height that public readers of plates take; many collections have crops of that size."""
SMALL_SHARE: Final = 0.6
_RESIZED: Final = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)


def tilted_crop(
    picture: NDArray[np.uint8],
    corners: NDArray[np.float32],
    background: Background,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Turns and slants a plate, cuts it out by the upright box around it and often shrinks that.

    Args:
        picture: uint8 (H, W, 3) BGR; not changed.
        corners: float32 (4, 2), the plate in it.
        background: fills what the tilted picture leaves empty.
        rng: draws tilt, cut and size.

    Returns the crop, uint8 BGR; its own corners, float32 (4, 2); and the plate's corners in it.
    """
    quad = _tilted(corners, rng)
    extent = np.ptp(quad, axis=0)
    low = quad.min(0) - rng.normal(0.01, 0.02, 2) * extent
    high = quad.max(0) + rng.normal(0.01, 0.02, 2) * extent
    size = (max(8, round(float(high[0] - low[0]))), max(8, round(float(high[1] - low[1]))))
    quad = (quad - low).astype(np.float32)
    move = cv2.getPerspectiveTransform(corners.astype(np.float32), quad)
    seen = cv2.warpPerspective(picture, move, size, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.6:
        whole = np.full(picture.shape[:2], 255, np.uint8)
        share = cv2.warpPerspective(whole, move, size)[..., None].astype(np.float32) / 255
        around = background(size, rng)
        seen = np.asarray(seen * share + around * (1 - share), np.uint8)
    target = SMALL
    if rng.random() >= SMALL_SHARE:
        factor = min(1.0, float(np.exp(rng.uniform(np.log(16), np.log(64)))) / size[1])
        target = (max(8, round(size[0] * factor)), max(8, round(size[1] * factor)))
    crop = cv2.resize(seen, target, interpolation=_RESIZED[int(rng.integers(len(_RESIZED)))])
    scale = np.array(target, np.float32) / np.array(size, np.float32)
    right, bottom = target
    box = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32) - 0.5
    return np.asarray(crop, np.uint8), box, np.asarray((quad + 0.5) * scale - 0.5, np.float32)


def _tilted(corners: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Corners turned by some degrees, slanted and seen from a little nearer one end."""
    centre = corners.mean(0)
    angle = np.deg2rad(rng.normal(0, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slant = np.array([[1.0, rng.normal(0, 0.16)], [rng.normal(0, 0.04), 1.0]])
    moved = (corners - centre) @ (turn @ slant).T
    extent = np.ptp(moved, axis=0)
    moved = moved + rng.normal(0, 1, (4, 2)) * np.array([0.01, 0.03]) * extent
    return np.asarray(moved + centre, dtype=np.float32)
