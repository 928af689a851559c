"""Runs a detector's network on pictures of any sizes: batches in, what it says of each out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.letterbox import (
    Letterbox,
    Memory,
    Normalisation,
    Shrunk,
    batches,
    input_size,
    most_together,
    put,
)
from models.planes import Picture
from models.session import CPU, Session

LARGEST_BATCH: Final = 8
_BOTH_WAYS: Final = np.ones(2, np.float32)
"""A letterbox shrinks x and y alike."""
_Item = TypeVar("_Item")
_Loaded = tuple[NDArray[Any], list[NDArray[np.float32]]]
"""A batch, and of each picture its own pixels per pixel there, in x and y."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a network says of one batch, not worked out yet.

    Attributes:
        places: of the batch's pictures, among all that were searched.
        scales: float32 (2,) of each: its own pixels per pixel of the batch, in x and y.
        width: of the batch, in pixels.
        outputs: by name, in the file's order.
    """

    places: list[int]
    scales: list[NDArray[np.float32]]
    width: int
    outputs: Mapping[str, NDArray[np.float32]]


class Search(Protocol):
    """A network that looks at pictures. For one thread at a time."""

    def pictures(self, images: Sequence[Picture], long_side: int) -> list[Seen]:
        """On pictures, or planes, whose longer side is shrunk to ``long_side`` pixels first."""

    def shrunk(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """On pictures made small before."""


class _Batches:
    """What both kinds of search share: the network on each item, in batches of one size."""

    def __init__(self, session: Session, batch: int | None = None) -> None:
        self._session, self._most_at_once = session, batch
        self._name = next(iter(session.input_shapes))

    def _run(
        self,
        items: Sequence[_Item],
        sizes: Sequence[tuple[int, int]],
        load: Callable[[list[_Item], tuple[int, int]], _Loaded],
    ) -> list[Seen]:
        """``load`` makes the input of a batch."""
        seen = []
        for size, places in batches(sizes, self._most):
            pixels, scales = load([items[place] for place in places], size)
            seen.append(Seen(places, scales, size[1], self._session.run({self._name: pixels})))
        return seen

    def _most(self, size: tuple[int, int]) -> int:
        on_cpu = self._session.providers[0] == CPU
        return self._most_at_once or most_together(size, LARGEST_BATCH, on_cpu=on_cpu)


class PixelSearch(_Batches):
    """For a network that takes bytes (N, H, W, 3) blue-green-red as they are.

    Args:
        session: its only input takes such pictures, of any size in multiples of 32.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._memory = Memory(np.uint8)

    def pictures(self, images: Sequence[Picture], long_side: int) -> list[Seen]:
        """As ``Search.pictures``; pictures whose shrunk sizes agree share a batch."""
        return self._run(images, _sizes(images, long_side), self._shrink)

    def shrunk(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """As ``Search.shrunk``; of a single one not a byte is copied."""
        return self._run(shrunk, [one.size for one in shrunk], self._gather)

    def _shrink(self, images: list[Picture], size: tuple[int, int]) -> _Loaded:
        batch = self._memory.array(len(images), *size, 3)
        return batch, [_place(image, slot) for image, slot in zip(images, batch, strict=True)]

    def _gather(self, shrunk: list[Shrunk], size: tuple[int, int]) -> _Loaded:
        scales = [one.scale for one in shrunk]
        if len(shrunk) == 1:
            return shrunk[0].padded[None], scales
        batch = self._memory.array(len(shrunk), *size, 3)
        for slot, one in zip(batch, shrunk, strict=True):
            slot[:] = one.padded
        return batch, scales


class PlaneSearch(_Batches):
    """For a network that takes float planes (N, 3, H, W).

    Args:
        session: its first input takes such planes, of any size in multiples of 32 or of one.
        normalisation: what the network was trained on.
        batch: most pictures given to it at once; by default as many as a CPU's caches hold, and
            8 elsewhere.
    """

    def __init__(
        self, session: Session, normalisation: Normalisation, *, batch: int | None = None
    ) -> None:
        super().__init__(session, batch)
        shape = session.input_shapes[self._name]
        self._fixed = (shape[2], shape[3]) if shape[2] and shape[3] else None
        self._letterbox = Letterbox(normalisation)

    def pictures(self, images: Sequence[Picture], long_side: int) -> list[Seen]:
        """As ``Search.pictures``; a network of one size has its own."""
        return self._run(images, self._own(_sizes(images, long_side)), self._fill)

    def shrunk(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """As ``Search.shrunk``."""
        return self._run(shrunk, self._own([one.size for one in shrunk]), self._fill_shrunk)

    def _own(self, sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [self._fixed or size for size in sizes]

    def _fill(self, images: list[Picture], size: tuple[int, int]) -> _Loaded:
        pixels, factors = self._letterbox.fill(images, size)
        return pixels, [factor * _BOTH_WAYS for factor in factors]

    def _fill_shrunk(self, shrunk: list[Shrunk], size: tuple[int, int]) -> _Loaded:
        pixels, factors = self._letterbox.fill([one.padded for one in shrunk], size)
        return pixels, [one.scale * factor for one, factor in zip(shrunk, factors, strict=True)]


def _sizes(images: Sequence[Picture], long_side: int) -> list[tuple[int, int]]:
    return [input_size(one.shape[0], one.shape[1], long_side) for one in images]


def _place(image: Picture, slot: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrinks a picture into the slot's left-top corner; gives picture pixels per slot pixel."""
    height, width = image.shape[:2]
    factor = min(1.0, slot.shape[0] / height, slot.shape[1] / width)
    inner = max(1, round(height * factor)), max(1, round(width * factor))
    put(image, inner, slot)
    return np.array([width / inner[1], height / inner[0]], np.float32)
