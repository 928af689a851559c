"""The plain way to run a face detector: one picture at a time, fresh arrays, a loop per anchor."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.session import Session
from models.types import Image

_STRIDES = (8, 16, 32)
Row = tuple[float, ...]
"""left, top, width, height, score."""


def plain_yunet(
    session: Session, image: Image, *, long_side: int, threshold: float, overlap: float
) -> list[Row]:
    """Boxes of YuNet, decoded with loops. What models.faces is compared with."""
    scale = min(1.0, long_side / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale)
    height = math.ceil(small.shape[0] / 32) * 32
    width = math.ceil(small.shape[1] / 32) * 32
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    pixels = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])
    outputs = session.run({"input": pixels})
    rows: list[Row] = []
    for stride in _STRIDES:
        rows += _one_stride(outputs, stride, width // stride, threshold)
    return [
        (row[0] / scale, row[1] / scale, row[2] / scale, row[3] / scale, row[4])
        for row in _best(rows, overlap)
    ]


def _one_stride(
    outputs: dict[str, NDArray[np.float32]], stride: int, columns: int, threshold: float
) -> list[Row]:
    classes, objects = outputs[f"cls_{stride}"][0], outputs[f"obj_{stride}"][0]
    boxes = outputs[f"bbox_{stride}"][0]
    rows: list[Row] = []
    for anchor in range(len(classes)):
        score = math.sqrt(max(0.0, float(classes[anchor, 0]) * float(objects[anchor, 0])))
        if score < threshold:
            continue
        x = (anchor % columns + float(boxes[anchor, 0])) * stride
        y = (anchor // columns + float(boxes[anchor, 1])) * stride
        width = math.exp(float(boxes[anchor, 2])) * stride
        height = math.exp(float(boxes[anchor, 3])) * stride
        rows.append((x - width / 2, y - height / 2, width, height, score))
    return rows


def _best(rows: list[Row], overlap: float) -> list[Row]:
    kept: list[Row] = []
    for row in sorted(rows, key=lambda one: -one[4]):
        if all(_iou(row, other) <= overlap for other in kept):
            kept.append(row)
    return kept


def _iou(a: Row, b: Row) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared / max(a[2] * a[3] + b[2] * b[3] - shared, 1e-9)
