"""Finds the corners of small plates again where the picture has more pixels than were searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, part_of
from models.plates.candidates import PlateDetection
from models.plates.detector import PlateDetector
from models.types import Image

SMALL: Final = 56.0
"""Plates narrower than this in the searched picture have corners a good part of a character off."""
SHRUNK: Final = 1.2
"""Pixels of the picture per searched pixel from which a closer look shows more."""
WIDTH: Final = 96.0
"""Width that the plate gets in the closer look, in pixels."""
_AROUND: Final = np.array([1.25, 0.65], np.float32)
"""What is looked at, from the plate's centre, in plate widths: car around it helps to find it."""
_NEAR: Final = 0.35
"""How far the centre may move, in plate widths."""


def is_small(plate: PlateDetection, per_pixel: float) -> bool:
    """Whether a closer look may help; ``per_pixel`` picture pixels were one searched pixel."""
    return per_pixel >= SHRUNK and 0 < _width(plate.corners) / per_pixel < SMALL


def closer(
    detector: PlateDetector, pictures: Sequence[Picture], plates: Sequence[PlateDetection]
) -> list[PlateDetection | None]:
    """Each plate as a search around it in its picture finds it; None where that finds none.

    Args:
        detector: what found the plates.
        pictures: uint8 (H, W, 3) BGR, or the decoder's planes, one for each plate.
        plates: with corners in the pictures' pixels.
    """
    views = [_view(*pair) for pair in zip(pictures, plates, strict=True)]
    found = detector.detect([image for image, _, _ in views])
    return [
        _nearest(plate, [_back(one, *view[1:]) for one in seen])
        for plate, view, seen in zip(plates, views, found, strict=True)
    ]


def _view(
    picture: Picture, plate: PlateDetection
) -> tuple[Image, NDArray[np.float32], NDArray[np.float32]]:
    """The surroundings enlarged or shrunk, where they begin, and picture pixels per view pixel."""
    width = _width(plate.corners)
    centre, reach = plate.corners.mean(0), _AROUND * width
    size = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(centre - reach), 0, size - 2).astype(int)
    high = np.clip(np.ceil(centre + reach), low + 2, size).astype(int)
    part = part_of(picture, int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    factor = WIDTH / width
    shape = np.maximum(np.round((high - low) * factor), 2).astype(int)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    view = cv2.resize(part, (int(shape[0]), int(shape[1])), interpolation=method)
    scale = ((high - low) / shape).astype(np.float32)
    return np.asarray(view, np.uint8), low.astype(np.float32), scale


def _back(
    seen: PlateDetection, low: NDArray[np.float32], scale: NDArray[np.float32]
) -> PlateDetection:
    # Pixel centres, not pixel corners, keep their place when a picture is resized.
    return replace(seen, corners=(seen.corners + 0.5) * scale - 0.5 + low)


def _nearest(plate: PlateDetection, found: Sequence[PlateDetection]) -> PlateDetection | None:
    centre, reach = plate.corners.mean(0), _NEAR * _width(plate.corners)
    near = [one for one in found if float(np.linalg.norm(one.corners.mean(0) - centre)) <= reach]
    return max(near, key=lambda one: one.score, default=None)


def _width(corners: NDArray[np.float32]) -> float:
    upper, lower = corners[1] - corners[0], corners[2] - corners[3]
    return float(np.linalg.norm(upper) + np.linalg.norm(lower)) / 2
