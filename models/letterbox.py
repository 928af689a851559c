"""Fits pictures into a network's input, in memory that is used again."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.planes import Picture, PlanarFrame, shrink_into
from models.types import Image

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


class Memory:
    """Room for an array that is made again and again, in changing shapes; for one at a time."""

    def __init__(self, kind: type[np.uint8 | np.float32]) -> None:
        self._kind = kind
        self._room: NDArray[Any] = np.empty(0, kind)

    def array(self, *shape: int) -> NDArray[Any]:
        """An array of that shape; it holds what was left there."""
        length = math.prod(shape)
        if len(self._room) < length:
            self._room = np.empty(length, self._kind)
        return self._room[:length].reshape(shape)


def put(picture: Picture, size: tuple[int, int], canvas: Image) -> None:
    """Shrink a picture, or planes, to ``size`` into the left top corner of ``canvas``.

    Args:
        canvas: uint8 (H, W, 3) BGR, as large or larger; the rest of it becomes black.
    """
    height, width = size
    canvas[height:] = 0
    canvas[:height, width:] = 0
    part = canvas[:height, :width]
    if isinstance(picture, PlanarFrame):
        picture.shrink_into(part)
    elif picture.shape[:2] == size:
        part[:] = picture
    else:
        shrink_into(picture, part)


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A picture made small, to be searched by several networks; valid until the next is.

    Attributes:
        padded: uint8 (H, W, 3) BGR, black up to multiples of 32: what networks take.
        scale: float32 (2,): pixels of the original per small pixel, in x and y.
    """

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
        self._memories: list[Memory] = []

    def shrink(
        self, pictures: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Shrunk]:
        """Each picture, or planes, small and blue-green-red.

        Args:
            whole_px: the longer side of the picture that each is a part of, where it is one: it
                is then made as small as it would be inside the whole.
        """
        sides = whole_px or [max(picture.shape[:2]) for picture in pictures]
        while len(self._memories) < len(pictures):
            self._memories.append(Memory(np.uint8))
        rows = zip(pictures, sides, self._memories[: len(pictures)], strict=True)
        return [self._one(picture, side, memory) for picture, side, memory in rows]

    def _one(self, picture: Picture, side: int, memory: Memory) -> Shrunk:
        height, width = picture.shape[:2]
        factor = min(1.0, self._long_side / side)
        size = max(1, round(height * factor)), max(1, round(width * factor))
        canvas = memory.array(_round_up(size[0]), _round_up(size[1]), 3)
        scale = np.array([width / size[1], height / size[0]], np.float32)
        put(picture, size, canvas)
        return Shrunk(canvas, scale)


class Letterbox:
    """Makes the input of a network that takes float planes, in memory that is used again.

    Pictures keep their aspect, lie in the left top corner, and are never enlarged; the rest is
    black. Not safe for use by two threads at once.

    Args:
        normalisation: what the network was trained on.
    """

    def __init__(self, normalisation: Normalisation = Normalisation()) -> None:
        self._normalisation = normalisation
        self._canvas, self._planes = Memory(np.uint8), Memory(np.uint8)
        self._batch = Memory(np.float32)

    def fill(
        self, images: Sequence[Picture], size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Put ``images``, pixels or planes, into a batch of a height and width.

        Returns:
            float32 (n, 3, height, width), a view that the next call overwrites; and float32
            (n,), the factors that lead from network pixels back to the pictures' own.
        """
        batch = self._batch.array(len(images), 3, *size)
        factors = [self._place(image, target) for image, target in zip(images, batch, strict=True)]
        return batch, np.array(factors, np.float32)

    def _place(self, image: Picture, target: NDArray[np.float32]) -> float:
        height, width = image.shape[:2]
        size: tuple[int, int] = target.shape[1:]
        scale: float = min(1.0, size[0] / height, size[1] / width)
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        # A picture that fits needs no copy.
        if isinstance(image, PlanarFrame) or (height, width) != size:
            source = self._canvas.array(*size, 3)
            put(image, inner, source)
        else:
            source = image
        # Splitting bytes and widening whole planes is four times faster than one strided copy.
        planes = self._planes.array(*target.shape)
        cv2.split(source, list(planes[::-1] if self._normalisation.red_first else planes))
        np.copyto(target, planes)
        if self._normalisation.mean:
            target -= self._normalisation.mean
        if self._normalisation.scale != 1.0:
            target *= self._normalisation.scale
        return 1.0 / scale
