"""Finds plates in pictures: four corners, a score and the number of rows each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import check_image
from models.letterbox import input_size
from models.session import CPU, Session, Signature, open_session
from models.types import Image

THRESHOLD: Final = 0.4
"""Lowest score that counts as a plate."""
OVERLAP: Final = 0.3
"""Intersection over union of upright boxes above which two candidates are one plate."""
NESTED: Final = 0.6
"""Share of the smaller box inside the other above which two candidates are one plate: one row of
a double plate looks like a plate too, but real plates never lie in each other."""
AGREEMENT: Final = 0.7
"""Candidates overlapping the winner more than this lend their corners to a weighted mean."""
MOST_CANDIDATES: Final = 256
LARGEST_BATCH: Final = 8
_LEAST_PIXELS: Final = 4.0

SIGNATURE: Final = Signature(
    {"images": (None, None, None, 3)},
    {"scores": (None, None), "corners": (None, None, 8), "rows": (None, None)},
)


@dataclass(frozen=True, slots=True, eq=False)
class PlateDetection:
    """Where one plate is.

    Attributes:
        corners: float32 (4, 2): left-top, right-top, right-bottom, left-bottom, x and y in pixels
            of the picture; may reach a little outside it.
        score: how sure the detector is, 0 to 1.
        rows: lines of characters, 1 or 2.
    """

    corners: NDArray[np.float32]
    score: float
    rows: Literal[1, 2]


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
        self._long_side = long_side

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
        found: list[list[PlateDetection]] = [[] for _ in images]
        by_size: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            check_image(image, where=f"picture {index} of {len(images)}")
            by_size[input_size(image.shape[0], image.shape[1], self._long_side)].append(index)
        for size, indices in by_size.items():
            for start in range(0, len(indices), LARGEST_BATCH):
                part = indices[start : start + LARGEST_BATCH]
                answers = self._run([images[i] for i in part], size)
                for index, answer in zip(part, answers, strict=True):
                    found[index] = answer
        return found

    def close(self) -> None:
        """Frees the network."""
        self.session.close()

    def _run(self, images: list[Image], size: tuple[int, int]) -> list[list[PlateDetection]]:
        batch = np.zeros((len(images), *size, 3), np.uint8)
        scales = [_place(image, slot) for image, slot in zip(images, batch, strict=True)]
        outputs = self.session.run({"images": batch})
        return [
            decode(
                outputs["scores"][i], outputs["corners"][i], outputs["rows"][i],
                scale=scales[i], threshold=self.threshold,
            )
            for i in range(len(images))
        ]  # fmt: skip


def decode(
    scores: NDArray[np.float32],
    corners: NDArray[np.float32],
    rows: NDArray[np.float32],
    *,
    scale: NDArray[np.float32],
    threshold: float = THRESHOLD,
) -> list[PlateDetection]:
    """Plates among the candidates of one picture, best first.

    Args:
        scores: float32 (A,), 0 to 1.
        corners: float32 (A, 8), x and y of four corners in network pixels.
        rows: float32 (A,), probability of two rows.
        scale: float32 (2,), picture pixels per network pixel in x and y.
        threshold: lowest score that counts.
    """
    chosen = np.flatnonzero(scores >= threshold)
    if len(chosen) == 0:
        return []
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][:MOST_CANDIDATES]
    quads = corners[chosen].reshape(-1, 4, 2)
    boxes = np.concatenate([quads.min(1), quads.max(1)], 1)
    sound = np.isfinite(boxes).all(1) & ((boxes[:, 2:] - boxes[:, :2]) > _LEAST_PIXELS / 2).all(1)
    chosen, quads, boxes = chosen[sound], quads[sound], boxes[sound]
    overlaps, nested = _overlaps(boxes)
    free = np.ones(len(chosen), bool)
    plates = []
    while free.any():
        winner = int(free.argmax())
        friends = overlaps[winner] > AGREEMENT
        weight = scores[chosen] ** 2 * friends
        mean = (quads * weight[:, None, None]).sum(0) / weight.sum()
        double = float((rows[chosen] * weight).sum() / weight.sum())
        plates.append(
            PlateDetection(
                corners=((mean + 0.5) * scale - 0.5).astype(np.float32),
                score=float(scores[chosen[winner]]),
                rows=2 if double > 0.5 else 1,
            )
        )
        free &= (overlaps[winner] <= OVERLAP) & (nested[winner] <= NESTED)
    return plates


def _place(image: Image, slot: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrinks a picture into the slot's left-top corner; gives picture pixels per slot pixel."""
    height, width = image.shape[:2]
    factor = min(1.0, slot.shape[0] / height, slot.shape[1] / width)
    inner = max(1, round(height * factor)), max(1, round(width * factor))
    if inner == (height, width):
        slot[:height, :width] = image
    else:
        # Averaging keeps thin strokes that point sampling would drop; below half size it matters.
        way = cv2.INTER_AREA if factor < 0.6 else cv2.INTER_LINEAR
        slot[: inner[0], : inner[1]] = cv2.resize(image, inner[::-1], interpolation=way)
    return np.array([width / inner[1], height / inner[0]], np.float32)


def _overlaps(boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of every pair: intersection over union, and over the smaller; both (K, K), 1 with itself."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    one, other = area[:, None], area[None]
    union = shared / (one + other - shared)
    inside = shared / np.minimum(one, other)
    return np.asarray(union, dtype=np.float32), np.asarray(inside, dtype=np.float32)
