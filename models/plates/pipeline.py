"""Pictures in, located and read plates out: the detector and the reader as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.letterbox import Shrunk
from models.planes import Picture, PlanarFrame
from models.plates.candidates import PlateDetection
from models.plates.detector import PlateDetector
from models.plates.reader import PlateReader
from models.plates.reading import PlateRead
from models.session import CPU
from models.types import Image, PlateSighting

SURE: Final = 0.6
"""A candidate with this detector score is a plate whatever is written on it."""
LEAST_CONFIDENCE: Final = 0.4
"""Confidence from which a legal text makes a weaker candidate a plate."""
_NOTHING: Final[Image] = np.zeros((0, 0, 3), np.uint8)
"""Stands for a picture that nobody will look into."""


def is_plate(detection: PlateDetection, read: PlateRead) -> bool:
    """Whether detector and reader together say that there is a plate.

    Badges, signs and railings get weak scores and yield scraps of text. A text against the
    grammar is kept wherever the detector is sure.
    """
    if not read.text:
        return False
    legal = read.kind is not None and read.confidence >= LEAST_CONFIDENCE
    return detection.score >= SURE or legal


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

    def read(
        self, images: Sequence[Picture], *, shrunk: Sequence[Shrunk] | None = None
    ) -> list[list[PlateSighting]]:
        """Plates of each picture, best first.

        A candidate on which the reader finds not one character is no plate; one of which the
        detector is not sure counts only if what is written on it makes a plate.

        Args:
            images: uint8 (H, W, 3) BGR pictures of any and different sizes, or the decoder's
                planes, which are converted only where there is something to read.
            shrunk: the same pictures made small before, to be searched instead.

        Raises UserError when an array is not such a picture.
        """
        if shrunk is None:
            located = self.detector.detect([_in_colour(image) for image in images])
        else:
            small = self.detector.detect([one.image for one in shrunk])
            located = [_enlarged(*pair) for pair in zip(small, shrunk, strict=True)]
        pictures = [
            _in_colour(image) if found else _NOTHING
            for image, found in zip(images, located, strict=True)
        ]
        reads = self.reader.read_all(pictures, located)
        return [
            [
                PlateSighting(plate.corners, plate.score, 2 if read.rows == 2 else 1, read)
                for plate, read in zip(found, texts, strict=True)
                if is_plate(plate, read)
            ]
            for found, texts in zip(located, reads, strict=True)
        ]

    def close(self) -> None:
        """Frees both networks."""
        self.detector.close()
        self.reader.close()


def _enlarged(found: list[PlateDetection], shrunk: Shrunk) -> list[PlateDetection]:
    # Pixel centres, not pixel corners, keep their place when a picture is resized.
    return [replace(d, corners=(d.corners + 0.5) * shrunk.scale - 0.5) for d in found]


def _in_colour(image: Picture) -> Image:
    return image.bgr() if isinstance(image, PlanarFrame) else image
