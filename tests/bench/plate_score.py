"""Holds found and read plates against labels: recall, corners, exact texts, false reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.types import PlateSighting
from tests.bench.plate_data import PlateLabel
from tests.bench.wider import overlaps

IOU: Final = 0.5


@dataclass(frozen=True, eq=False)
class Match:
    """One labelled plate and what was made of it; ``found`` is None when it was missed."""

    label: PlateLabel
    found: PlateSighting | None

    @property
    def exact(self) -> bool:
        """Every character right."""
        return self.found is not None and _text(self.found) == self.label.text


def match_plates(
    labels: Sequence[PlateLabel], found: Sequence[PlateSighting]
) -> tuple[list[Match], int]:
    """Pair labels with sightings, best sighting first, and count the sightings left over.

    A sighting belongs to the label whose upright box it overlaps most, at IoU 0.5 or more; the
    labels may be loose boxes. A sighting that lies on an already paired label is no new plate
    and no false one.
    """
    partners: list[PlateSighting | None] = [None] * len(labels)
    false = 0
    truth = np.array([upright(label.corners) for label in labels]).reshape(-1, 4)
    for sighting in sorted(found, key=lambda one: -one.score):
        box = upright(sighting.corners.astype(np.float64))[None]
        fit = overlaps(box, truth)[0] if len(truth) else np.zeros(0)
        if len(fit) == 0 or fit.max() < IOU:
            false += 1
        elif partners[int(fit.argmax())] is None:
            partners[int(fit.argmax())] = sighting
    return [Match(*pair) for pair in zip(labels, partners, strict=True)], false


def upright(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top, width, height of the upright box around corners (4, 2)."""
    low, high = corners.min(0), corners.max(0)
    return np.concatenate([low, high - low])


def corner_error(label: NDArray[np.float64], found: NDArray[np.float32]) -> float:
    """Mean distance of the four corners in pixels, under the order of labels that fits best."""
    turns = [np.roll(order, turn, axis=0) for order in (label, label[::-1]) for turn in range(4)]
    return float(min(np.linalg.norm(turn - found, axis=1).mean() for turn in turns))


def characters_right(read: str, truth: str) -> float:
    """Share of the truth's characters that were read right: 1 minus edit distance, at least 0."""
    return max(0.0, 1.0 - _edits(read, truth) / max(len(truth), 1))


def _edits(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, right in enumerate(b, start=1):
            previous, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, previous + (left != right)),
            )
    return row[-1]


def _text(found: PlateSighting) -> str:
    return found.read.text if found.read is not None else ""
