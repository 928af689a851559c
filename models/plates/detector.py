"""Finds plates in pictures: four corners, a score and the number of rows each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.images import check_image
from models.letterbox import Memory, Shrunk, batches, input_size, most_together, put
from models.plates.candidates import (
    CHANNELS,
    STRIDES,
    THRESHOLD,
    PlateDetection,
    cells_above,
    decode,
)
from models.session import CPU, Session, Signature, open_session
from models.types import Image

LARGEST_BATCH: Final = 8

SIGNATURE: Final = Signature(
    {"images": (None, None, None, 3)},
    {f"map_{stride}": (None, CHANNELS, None, None) for stride in STRIDES},
)


_Item = TypeVar("_Item")
_Loaded = tuple[NDArray[np.uint8], list[NDArray[np.float32]]]
"""A batch uint8 (N, H, W, 3), and of each picture its own pixels per pixel there, in x and y."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network says of one batch, not worked out yet.

    Attributes:
        places: of the batch's pictures, among all that were searched.
        scales: of each, its own pixels per pixel of the batch, in x and y.
        maps: float32 (n, 10, h, w) by output name.
    """

    places: list[int]
    scales: list[NDArray[np.float32]]
    maps: Mapping[str, NDArray[np.float32]]


class PlateDetector:
    """The plate detector network, ready to run. For one thread at a time.

    Args:
        session: a network with the input and outputs of ``SIGNATURE``.
        long_side: pixels that the longer side of a picture is shrunk to; smaller pictures are
            not enlarged.
        threshold: lowest score that counts as a plate, 0 to 1.
    """

    def __init__(
        self, session: Session, *, long_side: int = 640, threshold: float = THRESHOLD
    ) -> None:
        self.session = session
        self.threshold = threshold
        self.long_side = long_side
        self._batch = Memory(np.uint8)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
        long_side: int = 640,
        threshold: float = THRESHOLD,
    ) -> PlateDetector:
        """Loads the network of a file.

        Raises UserError when the file is not a plate detector.
        """
        session = open_session(path, threads=threads, providers=providers, signature=SIGNATURE)
        return cls(session, long_side=long_side, threshold=threshold)

    def detect(self, images: Sequence[Image]) -> list[list[PlateDetection]]:
        """Plates of each picture, best first.

        Args:
            images: uint8 (H, W, 3) BGR pictures of any and different sizes; those whose shrunk
                sizes agree share a batch.

        Raises UserError when an array is not such a picture; it names its index.
        """
        for index, image in enumerate(images):
            check_image(image, where=f"picture {index} of {len(images)}")
        sizes = [input_size(image.shape[0], image.shape[1], self.long_side) for image in images]
        return self.locate(self._run(images, sizes, self._shrink))

    def search(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """Runs the network on pictures made small before; ``locate`` works out what it says."""
        return self._run(shrunk, [one.size for one in shrunk], self._gather)

    def locate(self, seen: Sequence[Seen]) -> list[list[PlateDetection]]:
        """Plates of each picture that was searched, in its own pixels, best first."""
        found: dict[int, list[PlateDetection]] = {}
        for batch in seen:
            owner, cells = cells_above(batch.maps, self.threshold)
            for index, (place, scale) in enumerate(zip(batch.places, batch.scales, strict=True)):
                own = cells if len(batch.places) == 1 else cells[owner == index]
                found[place] = decode(
                    own[:, 0], own[:, 1:9], own[:, 9], scale=scale, threshold=self.threshold
                )
        return [found[place] for place in range(len(found))]

    def close(self) -> None:
        """Frees the network."""
        self.session.close()

    def _run(
        self,
        items: Sequence[_Item],
        sizes: Sequence[tuple[int, int]],
        load: Callable[[list[_Item], tuple[int, int]], _Loaded],
    ) -> list[Seen]:
        """The network on each item, in batches of one size; ``load`` makes its input."""
        seen = []
        for size, places in batches(sizes, self._most):
            batch, scales = load([items[place] for place in places], size)
            seen.append(Seen(places, scales, self.session.run({"images": batch})))
        return seen

    def _most(self, size: tuple[int, int]) -> int:
        return most_together(size, LARGEST_BATCH, on_cpu=self.session.providers[0] == CPU)

    def _shrink(self, images: list[Image], size: tuple[int, int]) -> _Loaded:
        batch = self._batch.array(len(images), *size, 3)
        return batch, [_place(image, slot) for image, slot in zip(images, batch, strict=True)]

    def _gather(self, shrunk: list[Shrunk], size: tuple[int, int]) -> _Loaded:
        scales = [one.scale for one in shrunk]
        if len(shrunk) == 1:
            return shrunk[0].padded[None], scales
        batch = self._batch.array(len(shrunk), *size, 3)
        for slot, one in zip(batch, shrunk, strict=True):
            slot[:] = one.padded
        return batch, scales


def _place(image: Image, slot: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrinks a picture into the slot's left-top corner; gives picture pixels per slot pixel."""
    height, width = image.shape[:2]
    factor = min(1.0, slot.shape[0] / height, slot.shape[1] / width)
    inner = max(1, round(height * factor)), max(1, round(width * factor))
    put(image, inner, slot)
    return np.array([width / inner[1], height / inner[0]], np.float32)
