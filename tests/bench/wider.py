"""Average precision of face boxes by the rules of WIDER FACE (Yang et al., CVPR 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["easy", "medium", "hard"]
LEVELS: Final[tuple[Level, ...]] = ("easy", "medium", "hard")
_COUNTED: Final[dict[Level, frozenset[str]]] = {
    "easy": frozenset({"easy"}),
    "medium": frozenset({"easy", "medium"}),
    "hard": frozenset({"easy", "medium", "hard"}),
}
_THRESHOLDS: Final = 1000
_IOU: Final = 0.5


@dataclass(frozen=True, eq=False)
class Picture:
    """Labels and answers of one picture.

    ``truth`` (g, 4) and ``found`` (d, 4) are left, top, width, height; ``levels`` holds g level
    names, of which ``ignore`` never counts; ``scores`` (d,).
    """

    truth: NDArray[np.float64]
    levels: tuple[str, ...]
    found: NDArray[np.float64]
    scores: NDArray[np.float64]


def average_precision(pictures: Sequence[Picture], level: Level) -> float:
    """AP at IoU 0.5 over all pictures, 0 to 1.

    The rules: scores are stretched to 0..1 over the whole set; a found box belongs to the label
    it overlaps most; on a label of another level it is neither right nor wrong; a second box on
    one label is wrong; precision and recall are taken at 1,000 thresholds and the precision is
    made monotonous before it is integrated.
    """
    scores = [picture.scores for picture in pictures if len(picture.scores)]
    if not scores:
        return 0.0
    low, high = min(s.min() for s in scores), max(s.max() for s in scores)
    span = max(high - low, 1e-12)
    answers, right, labels = np.zeros(_THRESHOLDS), np.zeros(_THRESHOLDS), 0
    for picture in pictures:
        counts = np.array([name in _COUNTED[level] for name in picture.levels], bool)
        labels += int(counts.sum())
        if len(picture.scores) == 0:
            continue
        order = np.argsort(-picture.scores, kind="stable")
        answered, hit = _walk(picture, counts, order)
        # How many answers lie at or above each threshold, thresholds falling from 1 to 0.
        normal = (picture.scores[order] - low) / span
        steps = 1 - np.arange(1, _THRESHOLDS + 1) / _THRESHOLDS
        kept = np.searchsorted(-normal, -steps, side="right")
        answers += np.concatenate([[0], np.cumsum(answered)])[kept]
        right += np.concatenate([[0], np.cumsum(hit)])[kept]
    if labels == 0:
        return 0.0
    precision = np.divide(right, answers, out=np.zeros(_THRESHOLDS), where=answers > 0)
    return _area(right / labels, precision)


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (m, n) of boxes (m, 4) and (n, 4): left, top, width, height."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    union = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def _walk(
    picture: Picture, counts: NDArray[np.bool_], order: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every answer, best first: does it count as an answer, and is it a first hit."""
    answered = np.ones(len(order), np.int64)
    hit = np.zeros(len(order), np.int64)
    if len(picture.truth) == 0:
        return answered, hit
    matrix = overlaps(picture.found[order], picture.truth)
    best = matrix.argmax(axis=1)
    taken = np.zeros(len(picture.truth), bool)
    for rank in np.flatnonzero(matrix.max(axis=1) >= _IOU):
        label = best[rank]
        if not counts[label]:
            answered[rank] = 0
        elif not taken[label]:
            taken[label] = True
            hit[rank] = 1
    return answered, hit


def _area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    moved = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[moved + 1] - recall[moved]) * precision[moved + 1]).sum())
