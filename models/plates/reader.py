"""Reads plates: corners in a picture in, text with per-character probabilities out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.planes import Picture
from models.plates.candidates import PlateDetection
from models.plates.decode import Decoded, decode
from models.plates.fuse import fuse_reads
from models.plates.grammar import PlateColour, choose_kind
from models.plates.reading import PlateRead
from models.plates.rectify import (
    STRIP_HEIGHT,
    STRIP_WIDTH,
    moved_corners,
    plate_height,
    rectify_each,
)
from models.session import CPU, Session, Signature, open_session
from models.types import Image

LARGEST_BATCH: Final = 16
SECOND_LOOK: Final = 0.95
"""A read less confident than this is repeated from the corners that the network itself proposes,
and, where the shape allows, with the other number of rows and as high as a plate of two rows; the
most confident read counts."""
LOOSENED: Final = (0.02, 0.04)
"""Shares of width and height by which detected corners are moved outwards before reading: a little
too much background costs less than a character cut off."""
EITHER_ROWS: Final = 2.7
"""Plates less wide than this many times their height may have one row or two."""
DOUBLE_SHAPE: Final = 2.0
"""Width over height of plates of two rows, 440x220 mm. A flatter one is often found without the
top of its upper row, and in doubt is read from that height too."""
DOUBLE_ASPECT: Final = 2.4
"""Crops narrower than this many times their height hold two rows: 440x220 mm against 440x140."""
_OUTWARDS: Final = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
_COLOURS: Final = tuple(PlateColour)
SIGNATURE: Final = Signature(
    {"plates": (None, STRIP_HEIGHT, STRIP_WIDTH, 3)},
    {
        "characters": (None, None, None),
        "colours": (None, len(PlateColour)),
        "offsets": (None, 8),
    },
)

__all__ = ["PlateRead", "PlateReader", "fuse_reads"]


class PlateReader:
    """The plate reader network, ready to run. For one thread at a time.

    Args:
        session: a network with the input and outputs of ``SIGNATURE`` whose metadata holds
            ``alphabet`` (the character of class 1 and on) and ``colours`` (comma-separated).
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.alphabet = session.metadata.get("alphabet", "")
        colours = tuple(session.metadata.get("colours", "").split(","))
        classes = session.output_shapes["characters"][2]
        if classes not in (None, len(self.alphabet) + 1) or colours != tuple(PlateColour):
            raise UserError(
                where=str(session.path),
                field="metadata",
                problem="its alphabet or colours are not those its outputs need",
                remedy="restore models/weights from the repository",
            )

    @classmethod
    def open(
        cls, path: Path | str, *, threads: int = 1, providers: Sequence[str] = (CPU,)
    ) -> PlateReader:
        """Loads the network of a file.

        Raises UserError when the file is not a plate reader.
        """
        return cls(open_session(path, threads=threads, providers=providers, signature=SIGNATURE))

    def read(self, image: Picture, detections: Sequence[PlateDetection]) -> list[PlateRead]:
        """What is written on each detected plate of one picture, in their order.

        Args:
            image: uint8 (H, W, 3) BGR, or the decoder's planes, in which the plates were detected.
            detections: where they are.
        """
        return self.read_all([image], [detections])[0]

    def read_all(
        self, images: Sequence[Picture], detections: Sequence[Sequence[PlateDetection]]
    ) -> list[list[PlateRead]]:
        """What is written on the plates of several pictures, read in common batches.

        Args:
            images: uint8 (H, W, 3) BGR pictures, or the decoder's planes.
            detections: of each picture.
        """
        owners = [images[i] for i, found in enumerate(detections) for _ in found]
        plates = [plate for found in detections for plate in found]
        reads = iter(self._read_plates(owners, plates, loosened=LOOSENED))
        return [[next(reads) for _ in found] for found in detections]

    def read_crops(self, crops: Sequence[Image]) -> list[PlateRead]:
        """What is written on pictures that each are one plate from edge to edge.

        Args:
            crops: uint8 (H, W, 3) BGR; one less than 2.4 times as wide as high has two rows.
        """
        return self._read_plates(crops, [_whole(crop) for crop in crops])

    def read_strips(
        self, strips: NDArray[np.uint8], rows: Sequence[int] | None = None
    ) -> list[PlateRead]:
        """What is written on rectified plates, each looked at once.

        Args:
            strips: uint8 (N, 48, 160, 3) BGR from ``rectify``.
            rows: lines of characters of each plate; all 1 when absent.
        """
        return self._look(strips, rows if rows is not None else [1] * len(strips))[0]

    def _read_plates(
        self,
        images: Sequence[Picture],
        plates: Sequence[PlateDetection],
        *,
        loosened: tuple[float, float] = (0.0, 0.0),
    ) -> list[PlateRead]:
        """Reads one plate of each picture; the doubtful ones twice."""
        if not plates:
            return []
        rows = [int(plate.rows) for plate in plates]
        corners = np.stack([plate.corners for plate in plates])
        if any(loosened):
            outwards = np.broadcast_to(_OUTWARDS * np.array(loosened, np.float32), corners.shape)
            corners = moved_corners(corners, outwards)
        reads, offsets = self._look(rectify_each(images, corners, rows), rows)
        doubtful = [i for i, read in enumerate(reads) if read.text and read.standing < SECOND_LOOK]
        single = [i for i in doubtful if rows[i] == 1]
        square = [i for i in doubtful if _aspect(corners[i]) < EITHER_ROWS]
        if not doubtful:
            return reads
        flat = [i for i in square if _aspect(corners[i]) > DOUBLE_SHAPE]
        better = moved_corners(corners[single], offsets[single])
        quads = np.concatenate([better, corners[square], _raised(corners[flat])])
        owners = single + square + flat
        tried = [1] * len(single) + [3 - rows[i] for i in square] + [2] * len(flat)
        again, _ = self._look(rectify_each([images[i] for i in owners], quads, tried), tried)
        for i, second in zip(owners, again, strict=True):
            reads[i] = max(reads[i], second, key=attrgetter("standing"))
        return reads

    def _look(
        self, strips: NDArray[np.uint8], rows: Sequence[int]
    ) -> tuple[list[PlateRead], NDArray[np.float32]]:
        """Reads, and offsets (N, 4, 2) of the true corners in shares of the plate."""
        reads: list[PlateRead] = []
        offsets = np.zeros((len(strips), 4, 2), np.float32)
        for start in range(0, len(strips), LARGEST_BATCH):
            part = np.ascontiguousarray(strips[start : start + LARGEST_BATCH])
            outputs = self.session.run({"plates": part})
            offsets[start : start + len(part)] = outputs["offsets"].reshape(-1, 4, 2)
            colours = outputs["colours"]
            texts = decode(outputs["characters"], colours, self.alphabet)
            seen = colours.argmax(1).tolist()
            reads += map(_read, texts, seen, rows[start : start + len(part)])
        return reads, offsets

    def close(self) -> None:
        """Frees the network."""
        self.session.close()


def _read(decoded: Decoded, seen: int, rows: int) -> PlateRead:
    """A reading from a text and the index of the colour that was seen."""
    colour = _COLOURS[seen]
    return PlateRead(
        text=decoded.text,
        raw=decoded.raw,
        confidence=min(decoded.probabilities, default=0.0),
        characters=tuple(zip(decoded.text, decoded.probabilities, strict=True)),
        colour=colour,
        kind=choose_kind(decoded.text, colour, rows),
        rows=rows,
    )


def _aspect(corners: NDArray[np.float32]) -> float:
    """Width of a plate over its height."""
    left_top, right_top, right_bottom, left_bottom = corners.tolist()
    width = math.dist(right_top, left_top) + math.dist(right_bottom, left_bottom)
    return width / 2 / max(plate_height(corners), 1e-6)


def _raised(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners (N, 4, 2) with the upper edges moved up until each is high enough for two rows."""
    offsets = np.zeros_like(corners)
    for offset, quad in zip(offsets, corners, strict=True):
        offset[:2, 1] = 1.0 - _aspect(quad) / DOUBLE_SHAPE
    return moved_corners(corners, offsets)


def _whole(crop: Image) -> PlateDetection:
    height, width = crop.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    return PlateDetection(corners, 1.0, 2 if width < DOUBLE_ASPECT * height else 1)
