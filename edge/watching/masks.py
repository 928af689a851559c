"""Privacy masks: polygons burnt in black before anything else sees the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.planes import PlanarFrame

Polygon = tuple[tuple[float, float], ...]
"""Corners x, y as shares (0..1) of the picture's width and height."""

_BLACK, _COLOURLESS = 16, 128
"""Luma and colour of black in studio range (ITU-T H.273, video_full_range_flag 0)."""


class MaskBurner:
    """Blackens the polygons of one camera in pictures of any size (main or sub-stream)."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._scale = _Scale(tuple(polygons))

    @property
    def any(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._scale.polygons)

    def change(self, polygons: Sequence[Polygon]) -> None:
        """Hide this from the next picture on. For any thread."""
        self._scale = _Scale(tuple(polygons))

    def burn(self, picture: npt.NDArray[Any]) -> None:
        """Blacken in place; ``picture`` is uint8 (H,W) luma or grey, or (H,W,3) BGR."""
        scale = self._scale  # one at a time, though another thread may change it
        if not scale.polygons:
            return
        height, width = picture.shape[:2]
        cv2.fillPoly(picture, scale.to(width, height), (0, 0, 0))

    def burn_planes(self, frame: PlanarFrame) -> None:
        """Blacken in place the planes of a picture."""
        scale = self._scale
        if not scale.polygons:
            return
        height, width = frame.luma.shape
        cv2.fillPoly(frame.luma, scale.to(width, height), (_BLACK,))
        corners = scale.to(width // 2, height // 2)
        for plane in (frame.blue, frame.red):
            # With its border: a pixel of colour belongs to four of luma, and one may be masked.
            cv2.fillPoly(plane, corners, (_COLOURLESS,))
            cv2.polylines(plane, corners, True, (_COLOURLESS,))


class _Scale:
    """Polygons, and their corners in pixels for each size of picture that has come."""

    def __init__(self, polygons: tuple[Polygon, ...]) -> None:
        self.polygons = polygons
        self._corners: dict[tuple[int, int], list[npt.NDArray[np.int32]]] = {}

    def to(self, width: int, height: int) -> list[npt.NDArray[np.int32]]:
        """Corners in a picture of this size."""
        corners = self._corners.get((width, height))
        if corners is None:
            # A resolution change in mid-stream rescales; a camera has two or three sizes.
            corners = [
                np.asarray(
                    [(round(x * width), round(y * height)) for x, y in polygon], dtype=np.int32
                )
                for polygon in self.polygons
            ]
            self._corners[(width, height)] = corners
        return corners
