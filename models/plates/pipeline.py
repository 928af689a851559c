"""Pictures in, located and read plates out: the detector and the reader as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.plates.detector import PlateDetector
from models.plates.reader import PlateReader
from models.session import CPU
from models.types import Image, PlateSighting


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

    def read(self, images: Sequence[Image]) -> list[list[PlateSighting]]:
        """Plates of each picture, best first.

        A candidate on which the reader finds not one character is no plate and is left out.

        Args:
            images: uint8 (H, W, 3) BGR pictures of any and different sizes.

        Raises UserError when an array is not such a picture.
        """
        sightings = []
        for image, detections in zip(images, self.detector.detect(images), strict=True):
            reads = self.reader.read(image, detections)
            sightings.append(
                [
                    PlateSighting(d.corners, d.score, d.rows, read)
                    for d, read in zip(detections, reads, strict=True)
                    if read.text
                ]
            )
        return sightings

    def close(self) -> None:
        """Frees both networks."""
        self.detector.close()
        self.reader.close()
