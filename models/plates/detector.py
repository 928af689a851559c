"""Finds plates in pictures: four corners, a score and the number of rows each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.images import check_image
from models.letterbox import Shrunk
from models.plates.candidates import (
    CHANNELS,
    STRIDES,
    THRESHOLD,
    PlateDetection,
    cells_above,
    decode,
)
from models.search import PixelSearch, Seen
from models.session import CPU, Session, Signature, open_session
from models.types import Image

SIGNATURE: Final = Signature(
    {"images": (None, None, None, 3)},
    {f"map_{stride}": (None, CHANNELS, None, None) for stride in STRIDES},
)


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
        self._search = PixelSearch(session)

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
            images: uint8 (H, W, 3) BGR pictures of any and different sizes.

        Raises UserError when an array is not such a picture; it names its index.
        """
        for index, image in enumerate(images):
            check_image(image, where=f"picture {index} of {len(images)}")
        return self.locate(self._search.pictures(images, self.long_side))

    def search(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """Runs the network on pictures made small before; ``locate`` works out what it says."""
        return self._search.shrunk(shrunk)

    def locate(self, seen: Sequence[Seen]) -> list[list[PlateDetection]]:
        """Plates of each picture that was searched, in its own pixels, best first."""
        found: dict[int, list[PlateDetection]] = {}
        for batch in seen:
            owner, cells = cells_above(batch.outputs, self.threshold)
            for index, (place, scale) in enumerate(zip(batch.places, batch.scales, strict=True)):
                own = cells if len(batch.places) == 1 else cells[owner == index]
                found[place] = decode(own, scale=scale, threshold=self.threshold)
        return [found[place] for place in range(len(found))]

    def close(self) -> None:
        """Frees the network."""
        self.session.close()
