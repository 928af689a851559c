"""What the networks found in one picture, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.plates.reading import PlateRead

Image = NDArray[np.uint8]
"""uint8 (height, width, 3), blue-green-red, as the decoder and OpenCV give it."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One face. Where it is and how usable, never whose.

    Attributes:
        box: float32 (4,): left, top, width, height in pixels of the picture; may reach a little
            outside it.
        landmarks: float32 (5, 2): x, y in pixels of the eye on the picture's left, the eye on
            its right, the nose tip, the mouth corner on the left, the one on the right.
        score: the detector's confidence, 0 to 1.
        quality: how well this shot shows the face, 0 to 1 (see models.quality).
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class PlateSighting:
    """One number plate, located and, where possible, read.

    Attributes:
        corners: float32 (4, 2): x, y in pixels of left-top, right-top, right-bottom, left-bottom.
        score: the detector's confidence, 0 to 1.
        rows: lines of characters on the plate.
        read: what is written on it; None when it was not read.
    """

    corners: NDArray[np.float32]
    score: float
    rows: Literal[1, 2]
    read: PlateRead | None

    @property
    def box(self) -> NDArray[np.float32]:
        """float32 (4,): left, top, width, height in pixels of the upright box around it."""
        low, high = self.corners.min(0), self.corners.max(0)
        return np.concatenate([low, high - low]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Detections:
    """Everything found in one picture, most confident first."""

    plates: tuple[PlateSighting, ...] = ()
    faces: tuple[FaceDetection, ...] = ()
