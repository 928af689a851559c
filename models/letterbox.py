"""Fits pictures into a network's input without making a copy per picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, PlanarFrame, shrink_into
from models.types import Image

_MOST_KEPT: Final = 64
"""Small pictures whose memory is kept: cameras in one batch times their shapes."""
CACHED_PIXELS: Final = 1 << 17
"""Pixels in one batch above which a CPU's caches no longer hold a detector's layers: four inputs
of 640x384 at once take 8 % longer each than one by one, four of 256x128 take 8 % less."""
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


def most_together(size: tuple[int, int], largest: int, *, on_cpu: bool) -> int:
    """How many pictures of a size a network takes at once: on a CPU as its caches hold."""
    return max(1, min(largest, CACHED_PIXELS // (size[0] * size[1]))) if on_cpu else largest


def batches(
    sizes: Sequence[tuple[int, int]], most_of: Callable[[tuple[int, int]], int]
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Each size with the places it has in ``sizes``, at most ``most_of(size)`` at a time."""
    places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place, size in enumerate(sizes):
        places[size].append(place)
    for size, own in places.items():
        most = most_of(size)
        for start in range(0, len(own), most):
            yield size, own[start : start + most]


def _round_up(length: float) -> int:
    return max(MULTIPLE, -(-round(length) // MULTIPLE) * MULTIPLE)


class Canvas:
    """A picture in kept memory that others are put into, one after another; the rest is black.

    Attributes:
        pixels: uint8 (height, width, 3) BGR, all of it.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.pixels: Image = np.zeros((*size, 3), np.uint8)
        self._filled = (0, 0)

    def put(self, picture: Picture, size: tuple[int, int]) -> Image:
        """A picture, or planes, shrunk to ``size`` into the left top corner; gives that part."""
        height, width = size
        if self._filled[0] > height:
            self.pixels[height : self._filled[0]] = 0
        if self._filled[1] > width:
            self.pixels[:height, width : self._filled[1]] = 0
        self._filled = size
        part = self.pixels[:height, :width]
        if isinstance(picture, PlanarFrame):
            picture.shrink_into(part)
        elif picture.shape[:2] == size:
            part[:] = picture
        else:
            shrink_into(picture, part)
        return part


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A picture made small, to be searched by several networks; valid until the next is.

    Attributes:
        image: uint8 (h, w, 3) BGR, the left top part of ``padded``.
        padded: uint8 (H, W, 3), the same in black up to multiples of 32: what networks take.
        scale: float32 (2,): pixels of the original per small pixel, in x and y.
    """

    image: Image
    padded: Image
    scale: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of ``padded``."""
        return self.padded.shape[0], self.padded.shape[1]


class Shrinker:
    """Makes pictures small once for all networks, in memory that is used again and again.

    Args:
        long_side: pixels of the longer side afterwards; smaller pictures keep their size.
    """

    def __init__(self, long_side: int) -> None:
        self._long_side = long_side
        self._kept: dict[tuple[int, int, int], Canvas] = {}

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
        canvas = self._canvas(slot, (_round_up(size[0]), _round_up(size[1])))
        scale = np.array([width / size[1], height / size[0]], np.float32)
        return Shrunk(canvas.put(picture, size), canvas.pixels, scale)

    def _canvas(self, slot: int, size: tuple[int, int]) -> Canvas:
        key = (slot, *size)
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = Canvas(size)
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
        self._canvas = Canvas(size)
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
        # A picture that fits needs no copy.
        if isinstance(image, PlanarFrame) or (height, width) != self.size:
            self._canvas.put(image, inner)
            source = self._canvas.pixels
        else:
            source = image
        # Splitting bytes and widening whole planes is four times faster than one strided copy.
        cv2.split(source, self._targets)
        np.copyto(target, self._planes)
        if self._normalisation.mean:
            target -= self._normalisation.mean
        if self._normalisation.scale != 1.0:
            target *= self._normalisation.scale
        return float(1.0 / scale)
