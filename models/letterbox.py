"""Fits pictures into a network's input without making a copy per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, PlanarFrame, shrink_into
from models.types import Image

_MOST_KEPT: Final = 64
"""Small pictures whose memory is kept: cameras in one batch times their shapes."""
MULTIPLE: Final = 32
"""Detectors halve their input five times, so both sides must divide by 2**5."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How pixel values become network input: ``(value - mean) * scale``, per channel alike."""

    mean: float = 0.0
    scale: float = 1.0
    red_first: bool = False


def input_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width, multiples of 32, that hold a picture whose long side is ``long_side``.

    A picture is never enlarged by more than the rounding up.
    """
    scale = min(1.0, long_side / max(height, width))
    return _round_up(height * scale), _round_up(width * scale)


def _round_up(length: float) -> int:
    return max(MULTIPLE, -(-round(length) // MULTIPLE) * MULTIPLE)


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A picture made small, to be searched by several networks.

    Attributes:
        image: uint8 (h, w, 3) BGR; valid until its Shrinker is used again.
        scale: float32 (2,): pixels of the original per small pixel, in x and y.
    """

    image: Image
    scale: NDArray[np.float32]


class Shrinker:
    """Makes pictures small once for all networks, in memory that is used again and again.

    Args:
        long_side: pixels of the longer side afterwards; smaller pictures pass unchanged.
    """

    def __init__(self, long_side: int) -> None:
        self._long_side = long_side
        self._kept: dict[tuple[int, int, int], Image] = {}

    def shrink(
        self, pictures: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Shrunk]:
        """Each picture, or planes, small and blue-green-red.

        Args:
            whole_px: the longer side of the picture that each is a part of, where it is one: it
                is then made as small as it would be inside the whole.
        """
        sides = whole_px or [max(picture.shape[:2]) for picture in pictures]
        pairs = zip(pictures, sides, strict=True)
        return [self._one(slot, picture, side) for slot, (picture, side) in enumerate(pairs)]

    def _one(self, slot: int, picture: Picture, side: int) -> Shrunk:
        height, width = picture.shape[:2]
        factor = min(1.0, self._long_side / side)
        size = max(1, round(height * factor)), max(1, round(width * factor))
        scale = np.array([width / size[1], height / size[0]], np.float32)
        if isinstance(picture, PlanarFrame):
            small = self._memory(slot, size)
            picture.shrink_into(small)
        elif size == (height, width):
            small = picture
        else:
            small = self._memory(slot, size)
            shrink_into(picture, small)
        return Shrunk(small, scale)

    def _memory(self, slot: int, size: tuple[int, int]) -> Image:
        key = (slot, *size)
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = np.zeros((*size, 3), np.uint8)
        return self._kept[key]


class Letterbox:
    """A preallocated input of one size, filled in place.

    Pictures keep their aspect, lie in the left top corner, and are never enlarged; the rest is
    black. Not safe for use by two threads at once.

    Args:
        size: height and width of the network's input.
        capacity: how many pictures one batch may hold.
        normalisation: what the network was trained on.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        capacity: int = 1,
        normalisation: Normalisation = Normalisation(),
    ) -> None:
        height, width = size
        self.size = size
        self.capacity = capacity
        self._normalisation = normalisation
        self._canvas = np.zeros((height, width, 3), np.uint8)
        self._filled = (height, width)
        self._planes = np.zeros((3, height, width), np.uint8)
        order = (2, 1, 0) if normalisation.red_first else (0, 1, 2)
        self._targets = [self._planes[index] for index in order]
        self._batch = np.zeros((capacity, 3, height, width), np.float32)

    def fill(self, images: Sequence[Picture]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Put ``images`` (at most ``capacity``), pixels or planes, into the batch.

        Returns:
            float32 (n, 3, height, width), a view that the next call overwrites; and float32
            (n,), the factors that lead from network pixels back to the pictures' own.
        """
        if not 0 < len(images) <= self.capacity:
            raise ValueError(f"{len(images)} pictures for a batch of 1 to {self.capacity}")
        factors = np.ones(len(images), np.float32)
        for index, image in enumerate(images):
            factors[index] = self._place(image, self._batch[index])
        return self._batch[: len(images)], factors

    def _place(self, image: Picture, target: NDArray[np.float32]) -> float:
        height, width = image.shape[:2]
        scale = min(1.0, self.size[0] / height, self.size[1] / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        source = self._canvas
        region = source[: inner[0], : inner[1]]
        if isinstance(image, PlanarFrame):
            self._blacken(inner)
            image.shrink_into(region)
        elif inner == self.size and inner == (height, width):
            source = image
        else:
            self._blacken(inner)
            shrink_into(image, region)
        # Splitting bytes and widening whole planes is four times faster than one strided copy.
        cv2.split(source, self._targets)
        np.copyto(target, self._planes)
        if self._normalisation.mean:
            target -= self._normalisation.mean
        if self._normalisation.scale != 1.0:
            target *= self._normalisation.scale
        return float(1.0 / scale)

    def _blacken(self, inner: tuple[int, int]) -> None:
        if self._filled[0] > inner[0]:
            self._canvas[inner[0] : self._filled[0]] = 0
        if self._filled[1] > inner[1]:
            self._canvas[:, inner[1] : self._filled[1]] = 0
        self._filled = inner
