"""Pictures in, located and read plates out: the detector and the reader as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from models.letterbox import Shrunk
from models.planes import Picture, PlanarFrame
from models.plates.detector import PlateDetection, PlateDetector
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

    def read(
        self, images: Sequence[Picture], *, shrunk: Sequence[Shrunk] | None = None
    ) -> list[list[PlateSighting]]:
        """Plates of each picture, best first.

        A candidate on which the reader finds not one character is no plate and is left out.

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
        sightings = []
        for image, detections in zip(images, located, strict=True):
            reads = self.reader.read(_in_colour(image), detections) if detections else []
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


def _enlarged(found: list[PlateDetection], shrunk: Shrunk) -> list[PlateDetection]:
    # Pixel centres, not pixel corners, keep their place when a picture is resized.
    return [replace(d, corners=(d.corners + 0.5) * shrunk.scale - 0.5) for d in found]


def _in_colour(image: Picture) -> Image:
    return image.bgr() if isinstance(image, PlanarFrame) else image
