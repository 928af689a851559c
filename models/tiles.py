"""Looks at a large picture piece by piece, so that small plates stay large enough to find."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.plates.candidates import THRESHOLD, PlateDetection
from models.plates.detector import PlateDetector
from models.session import Session
from models.types import Image

OVERLAP: Final = 0.2
"""Share of a tile that its neighbour sees too: a plate narrower than this is whole in one."""
_COVERED: Final = 0.6
"""Share of the smaller of two boxes inside the other above which both are one plate."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, image: Image) -> Image:
        """The tile's pixels, not copied."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def tiles(height: int, width: int, side: int, overlap: float = OVERLAP) -> Iterator[Tile]:
    """Equal tiles, at most ``side`` on a side, that cover a picture row by row.

    Neighbours share at least ``overlap`` (0 to 0.9) of a tile. A picture no larger than
    ``side`` is one tile.

    Raises:
        ValueError: ``side`` is below 32 or ``overlap`` outside 0 to 0.9.
    """
    if side < 32 or not 0 <= overlap <= 0.9:
        raise ValueError(f"tiles of side {side} with overlap {overlap} are not possible")
    tops, tile_height = _spread(height, side, overlap)
    lefts, tile_width = _spread(width, side, overlap)
    for top in tops:
        for left in lefts:
            yield Tile(left, top, tile_width, tile_height)


class TiledPlateDetector(PlateDetector):
    """A plate detector that looks at the whole picture and at its tiles.

    Args:
        session, long_side, threshold: as PlateDetector.
        tile: longest side of a tile in the picture's pixels; a tile as long as ``long_side`` is
            searched without shrinking.
    """

    def __init__(
        self,
        session: Session,
        *,
        tile: int,
        long_side: int = 640,
        threshold: float = THRESHOLD,
    ) -> None:
        super().__init__(session, long_side=long_side, threshold=threshold)
        self._tile = tile

    def detect(self, images: Sequence[Image]) -> list[list[PlateDetection]]:
        """Plates of each picture, best first; each is found once, however many tiles show it.

        Raises UserError when an array is not a picture; it names its index.
        """
        whole = super().detect(images)
        return [self._with_tiles(*pair) for pair in zip(images, whole, strict=True)]

    def _with_tiles(self, image: Image, whole: list[PlateDetection]) -> list[PlateDetection]:
        pieces = list(tiles(image.shape[0], image.shape[1], self._tile))
        if len(pieces) == 1:
            return whole
        found = list(whole)
        answers = super().detect([piece.cut(image) for piece in pieces])
        for piece, plates in zip(pieces, answers, strict=True):
            corner = np.array([piece.left, piece.top], np.float32)
            found += [replace(plate, corners=plate.corners + corner) for plate in plates]
        return merge(found)


def merge(found: Sequence[PlateDetection]) -> list[PlateDetection]:
    """One detection per plate, best first.

    Of detections that cover each other by more than 60 % of the smaller one, the larger in area
    stays unless it is far less sure: a tile's border cuts plates, and half a plate, seen
    sharply, must not win over the whole.
    """
    order = sorted(found, key=lambda plate: -_merit(plate))
    boxes = [_box(plate) for plate in order]
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if all(_covered(box, boxes[other]) <= _COVERED for other in kept):
            kept.append(index)
    return sorted((order[index] for index in kept), key=lambda plate: -plate.score)


def _merit(plate: PlateDetection) -> float:
    left, top, right, bottom = _box(plate)
    return plate.score * math.sqrt(max(0.0, (right - left) * (bottom - top)))


def _box(plate: PlateDetection) -> tuple[float, float, float, float]:
    low: NDArray[np.float32] = plate.corners.min(0)
    high: NDArray[np.float32] = plate.corners.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _covered(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return max(0.0, wide) * max(0.0, high) / max(min(areas), 1e-6)


def _spread(length: int, side: int, overlap: float) -> tuple[list[int], int]:
    """Starts of equal pieces along one axis, and their length."""
    if length <= side:
        return [0], length
    step = side * (1 - overlap)
    count = math.ceil((length - side) / step) + 1
    # Equal pieces: as short as the overlap allows, so that each is shrunk as little as possible.
    piece = min(side, math.ceil(length / (count - (count - 1) * overlap)))
    return [round(index * (length - piece) / (count - 1)) for index in range(count)], piece
