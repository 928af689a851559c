"""Pictures in, located and read plates out: the detector and the reader as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from models.letterbox import Shrunk
from models.planes import Picture, PlanarFrame
from models.plates.candidates import PlateDetection
from models.plates.closer import closer, is_small
from models.plates.detector import PlateDetector
from models.plates.reader import SECOND_LOOK, PlateReader
from models.plates.reading import PlateRead
from models.search import Seen
from models.session import CPU, Session
from models.types import Image, PlateSighting

SURE: Final = 0.6
"""A candidate with this detector score is a plate whatever is written on it, if it is a line."""
CERTAIN: Final = 0.7
"""With this score it is one even if only a scrap can be read."""
SCRAP: Final = 5
"""Texts of fewer characters are scraps: badges and stickers have such, plates seven or eight."""
TOGETHER: Final = 1.0
"""Detector score and confidence of a legal text that add up to this make a weaker candidate one.
Of 2,102 candidates in training scenes that were no plates one did, of 701 plates 697."""
WORTH: Final = 0.45
"""Weaker candidates are not worth a closer look."""


def is_plate(detection: PlateDetection, read: PlateRead) -> bool:
    """Whether detector and reader together say that there is a plate.

    Badges, signs and railings get weak scores and yield scraps of text. A text against the
    grammar is kept wherever the detector is sure.
    """
    if not read.text:
        return False
    if read.kind is not None and detection.score + read.confidence >= TOGETHER:
        return True
    return detection.score >= (SURE if len(read.text) >= SCRAP else CERTAIN)


class PlatePipeline:
    """Detector and reader together. For one thread at a time."""

    def __init__(self, detector: PlateDetector, reader: PlateReader) -> None:
        self.detector = detector
        self.reader = reader

    @classmethod
    def open(
        cls,
        *,
        detector: Path | str,
        reader: Path | str,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
        long_side: int = 640,
    ) -> PlatePipeline:
        """Loads both networks.

        Raises UserError when a file is absent, damaged or another network.
        """
        return cls(
            PlateDetector.open(detector, threads=threads, providers=providers, long_side=long_side),
            PlateReader.open(reader, threads=threads, providers=providers),
        )

    def read(self, images: Sequence[Picture]) -> list[list[PlateSighting]]:
        """Plates of each picture, best first.

        A candidate on which the reader finds not one character is no plate; one of which the
        detector is not sure counts only if what is written on it makes a plate.

        Args:
            images: uint8 (H, W, 3) BGR pictures of any and different sizes, or the decoder's
                planes.

        Raises UserError when an array is not such a picture.
        """
        pictures = [_in_colour(image) for image in images]
        per_pixel = [max(picture.shape[:2]) / self.detector.long_side for picture in pictures]
        return self._read(pictures, self.detector.detect(pictures), per_pixel)

    def shares(self, session: Session) -> bool:
        """Whether its detector runs that network; what it has seen then serves others too."""
        return self.detector.session is session

    def search(self, shrunk: Sequence[Shrunk]) -> list[Seen]:
        """Runs the detector's network on pictures made small before, for ``read_seen``."""
        return self.detector.search(shrunk)

    def read_seen(
        self, images: Sequence[Picture], seen: Sequence[Seen]
    ) -> list[list[PlateSighting]]:
        """As ``read``, of pictures that were searched; planes are converted only around plates."""
        # A part of a picture was shrunk as the whole: its own size does not tell how far.
        scales = {p: s for batch in seen for p, s in zip(batch.places, batch.scales, strict=True)}
        per_pixel = [float(scales[place].max()) for place in range(len(images))]
        return self._read(images, self.detector.locate(seen), per_pixel)

    def _read(
        self,
        images: Sequence[Picture],
        located: list[list[PlateDetection]],
        per_pixel: Sequence[float],
    ) -> list[list[PlateSighting]]:
        reads = self.reader.read_all(images, located)
        self._look_closer(images, located, reads, per_pixel)
        return [
            [
                PlateSighting(plate.corners, plate.score, 2 if read.rows == 2 else 1, read)
                for plate, read in zip(found, texts, strict=True)
                if is_plate(plate, read)
            ]
            for found, texts in zip(located, reads, strict=True)
        ]

    def _look_closer(
        self,
        images: Sequence[Picture],
        located: list[list[PlateDetection]],
        reads: list[list[PlateRead]],
        per_pixel: Sequence[float],
    ) -> None:
        """Finds small plates that were read with doubt again, in all their pixels; in place."""
        doubted = [
            (i, j)
            for i, (found, scale) in enumerate(zip(located, per_pixel, strict=True))
            for j, plate in enumerate(found)
            if plate.score >= WORTH
            and reads[i][j].standing < SECOND_LOOK
            and is_small(plate, scale)
        ]
        if not doubted:
            return
        again = closer(
            self.detector, [images[i] for i, _ in doubted], [located[i][j] for i, j in doubted]
        )
        seen = [(i, j, plate) for (i, j), plate in zip(doubted, again, strict=True) if plate]
        texts = self.reader.read_all([images[i] for i, _, _ in seen], [[p] for _, _, p in seen])
        for (i, j, plate), (read,) in zip(seen, texts, strict=True):
            if read.standing > reads[i][j].standing:
                located[i][j] = replace(plate, score=located[i][j].score)
                reads[i][j] = read

    def close(self) -> None:
        """Frees both networks."""
        self.detector.close()
        self.reader.close()


def _in_colour(image: Picture) -> Image:
    return image.bgr() if isinstance(image, PlanarFrame) else image
