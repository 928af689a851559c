"""Decoded pictures as planes: where they lie in memory, and never without their masks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.watching.masks import MaskBurner
from models.planes import PlanarFrame


def planar_bytes(height: int, width: int) -> int:
    """Bytes of a picture of YUV 4:2:0 (I420); both sides are even."""
    return height * width * 3 // 2


def planes_in(memory: npt.NDArray[np.uint8], height: int, width: int) -> PlanarFrame:
    """The three planes of a picture that lies in ``memory``, uint8 (bytes,), one after another.

    Raises:
        ValueError: a side is odd, or the memory is too small.
    """
    pixels, quarter = height * width, height * width // 4
    if height % 2 or width % 2 or memory.size < planar_bytes(height, width):
        raise ValueError(f"{width}x{height} does not fit {memory.size} bytes of YUV 4:2:0")
    half = (height // 2, width // 2)
    return PlanarFrame(
        memory[:pixels].reshape(height, width),
        memory[pixels : pixels + quarter].reshape(half),
        memory[pixels + quarter : pixels + 2 * quarter].reshape(half),
    )


class MaskedPicture:
    """A decoded picture that can only be had with its masks burnt in.

    Args:
        planes: as the decoder has them; the decoder refers to them for later pictures, so they
            are never changed.
        masks: what is to be hidden.
        limit_px: a picture of a larger area is shrunk to it.
    """

    def __init__(self, planes: PlanarFrame, masks: MaskBurner, *, limit_px: int) -> None:
        self._planes = planes
        self._masks = masks
        height, width = planes.luma.shape
        scale = min(1.0, (limit_px / (height * width)) ** 0.5)
        self.height, self.width = int(height * scale) // 2 * 2, int(width * scale) // 2 * 2

    def write(self, target: PlanarFrame) -> None:
        """Copy it into planes of ``height`` and ``width``."""
        source = self._planes
        for mine, theirs in (
            (source.luma, target.luma),
            (source.blue, target.blue),
            (source.red, target.red),
        ):
            if mine.shape == theirs.shape:
                np.copyto(theirs, mine)
            else:
                size = (theirs.shape[1], theirs.shape[0])
                cv2.resize(mine, size, dst=theirs, interpolation=cv2.INTER_AREA)
        self._masks.burn_planes(target)

    def written(self) -> PlanarFrame:
        """A copy of its own."""
        memory = np.empty(planar_bytes(self.height, self.width), np.uint8)
        planes = planes_in(memory, self.height, self.width)
        self.write(planes)
        return planes
