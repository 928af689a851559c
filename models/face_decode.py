"""Turns the raw outputs of face networks into boxes and landmarks, without loops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

STRIDES: Final = (8, 16, 32)
"""Input pixels per cell of the three output grids, of all networks."""
CHANNELS: Final = 15
"""Of each cell of our own network: score (a logit), left, top, right, bottom, five landmarks."""
SPAN: Final = 4.0
"""It gives sides and landmarks as offsets from a cell's centre in units of so many strides."""
SCRFD_ANCHORS: Final = 2
"""SCRFD predicts two faces per cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Faces of a batch, in network pixels.

    Attributes:
        image: int (k,), index of the picture in the batch.
        boxes: float32 (k, 4): left, top, width, height.
        landmarks: float32 (k, 5, 2): x, y.
        scores: float32 (k,), 0 to 1.
    """

    image: NDArray[np.intp]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    def take(self, index: NDArray[np.intp]) -> Candidates:
        """The candidates at ``index``, in that order."""
        return Candidates(
            self.image[index], self.boxes[index], self.landmarks[index], self.scores[index]
        )

    def of_image(self, image: int) -> Candidates:
        """Those of one picture of the batch."""
        return self.take(np.flatnonzero(self.image == image))


NOTHING: Final = Candidates(
    np.zeros(0, np.intp),
    np.zeros((0, 4), np.float32),
    np.zeros((0, 5, 2), np.float32),
    np.zeros(0, np.float32),
)


def decode_maps(outputs: Mapping[str, NDArray[np.float32]], threshold: float) -> Candidates:
    """Faces scoring at least ``threshold`` in our own network's outputs.

    Args:
        outputs: ``face_8``, ``face_16`` and ``face_32``, float32 (n, 15, h, w).
        threshold: lowest score, 0 to 1.
    """
    floor = math.log(threshold / (1.0 - threshold)) if 0.0 < threshold < 1.0 else -math.inf
    owners, parts, grids = [], [], []
    for stride in STRIDES:
        level = outputs[f"face_{stride}"]
        owner, y, x = (level[:, 0] >= floor).nonzero()
        if len(owner) == 0:
            continue
        owners.append(owner)
        parts.append(level[owner, :, y, x])
        grids.append(np.array([x, y, np.ones_like(x)], np.float32) * stride)
    if not owners:
        return NOTHING
    raw, grid = np.concatenate(parts), np.concatenate(grids, axis=1).T
    centre, reach = grid[:, None, :2] + 0.5 * grid[:, 2:, None], SPAN * grid[:, 2:, None]
    points = raw[:, 1:].reshape(-1, 7, 2) * reach + centre
    low, high = points[:, 0], points[:, 1]
    scores = 1.0 / (1.0 + np.exp(-np.clip(raw[:, 0], -60.0, 60.0)))
    boxes = np.concatenate([low, np.maximum(high - low, np.float32(0))], axis=1)
    return Candidates(np.concatenate(owners), boxes, points[:, 2:], scores.astype(np.float32))


def decode_yunet(
    outputs: Mapping[str, NDArray[np.float32]], width: int, threshold: float
) -> Candidates:
    """Faces scoring at least ``threshold`` in YuNet's outputs.

    Args:
        outputs: ``cls_s``, ``obj_s`` (n, cells, 1), ``bbox_s`` (n, cells, 4) and ``kps_s``
            (n, cells, 10) for every stride s, as in libfacedetection.train's ONNX export:
            a centre offset in cells and log sizes, landmarks as offsets in cells; the score
            is the geometric mean of class and objectness.
        width: of the network's input, in pixels.
        threshold: lowest score, 0 to 1.
    """
    floor = threshold * threshold
    products, raws, points, images, grids = [], [], [], [], []
    for stride in STRIDES:
        product = outputs[f"cls_{stride}"][..., 0] * outputs[f"obj_{stride}"][..., 0]
        image, cell = (product >= floor).nonzero()
        if len(cell) == 0:
            continue
        products.append(product[image, cell])
        raws.append(outputs[f"bbox_{stride}"][image, cell])
        points.append(outputs[f"kps_{stride}"][image, cell])
        images.append(image)
        y, x = np.divmod(cell, width // stride)
        grids.append(np.array([x, y, np.full_like(x, stride)], np.float32))
    if not products:
        return NOTHING
    # From here on all strides are one array: a few calls instead of a few per stride.
    raw, grid = np.concatenate(raws), np.concatenate(grids, axis=1).T
    origin, unit = grid[:, :2], grid[:, 2:]
    size = np.exp(np.minimum(raw[:, 2:], 10.0))
    boxes = np.concatenate([origin + raw[:, :2] - size / 2, size], axis=1) * unit
    landmarks = (np.concatenate(points).reshape(-1, 5, 2) + origin[:, None]) * unit[:, None]
    scores = np.sqrt(np.clip(np.concatenate(products), 0.0, 1.0))
    return Candidates(np.concatenate(images), boxes, landmarks, scores)


def decode_scrfd(
    outputs: Sequence[NDArray[np.float32]], width: int, threshold: float
) -> Candidates:
    """Faces scoring at least ``threshold`` in SCRFD's outputs of one picture.

    Args:
        outputs: nine arrays in the file's own order: scores (cells * 2, 1) for strides 8, 16,
            32, then distances from the anchor to the four sides (cells * 2, 4), then landmarks
            (cells * 2, 10), both in units of the stride (insightface's ONNX export).
        width: of the network's input, in pixels.
        threshold: lowest score, 0 to 1.
    """
    parts = []
    for level, stride in enumerate(STRIDES):
        scores, distances, points = (outputs[level + 3 * kind] for kind in range(3))
        anchor = np.flatnonzero(scores[:, 0] >= threshold)
        origin = _cell_origin(anchor // SCRFD_ANCHORS, width // stride)
        sides = distances[anchor]
        left_top = origin - sides[:, :2]
        size = sides[:, :2] + sides[:, 2:]
        boxes = np.concatenate([left_top, size], axis=1) * stride
        landmarks = (points[anchor].reshape(-1, 5, 2) + origin[:, None]) * stride
        image = np.zeros(len(anchor), np.intp)
        parts.append(Candidates(image, boxes, landmarks, scores[anchor, 0]))
    return _joined(parts)


def suppress(candidates: Candidates, overlap: float) -> Candidates:
    """The best of every heap of candidates that overlap by more than ``overlap`` (IoU).

    Ordered by score, best first; pictures of a batch do not touch each other.
    """
    if len(candidates.scores) == 0:
        return candidates
    # OpenCV takes arrays and is fastest with them; its type stubs know only sequences.
    boxes: Any = candidates.boxes.astype(np.float64)
    scores: Any = candidates.scores
    image: Any = candidates.image.astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(boxes, scores, image, 0.0, overlap)
    index = np.asarray(kept, np.intp).reshape(-1)
    return candidates.take(index[np.argsort(-candidates.scores[index], kind="stable")])


def _cell_origin(cell: NDArray[np.intp], columns: int) -> NDArray[np.float32]:
    return np.stack([cell % columns, cell // columns], axis=1).astype(np.float32)


def _joined(parts: Sequence[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
