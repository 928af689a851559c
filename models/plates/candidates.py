"""Turns what the plate detector says of its cells into one detection per plate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

STRIDES: Final = (8, 16, 32)
REACH: Final = 4.0
"""The network gives corners as offsets from a cell's centre in units of so many strides."""
CHANNELS: Final = 10
"""Of each cell: score, eight offsets, double-row; score and double-row are logits."""
THRESHOLD: Final = 0.3
"""Lowest score that is worth reading: a legal text makes even a weak candidate a plate."""
OVERLAP: Final = 0.3
"""Intersection over union of upright boxes above which two candidates are one plate."""
NESTED: Final = 0.6
"""Share of the smaller box inside the other above which two candidates are one plate: one row of
a double plate looks like a plate too, but real plates never lie in each other."""
AGREEMENT: Final = 0.7
"""Candidates overlapping the winner more than this lend their corners to a weighted mean."""
MOST_CANDIDATES: Final = 256
_LEAST_PIXELS: Final = 4.0


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


def cells_above(
    maps: Mapping[str, NDArray[np.float32]], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The few cells of a batch that score enough, of all strides.

    Args:
        maps: the network's outputs, ``map_8``, ``map_16``, ``map_32``: float32 (N, 10, h, w).
        threshold: lowest score that counts, 0 to 1.

    Returns:
        picture: intp (K,), the index in the batch.
        cells: float32 (K, 10): score 0 to 1, corners as x and y in network pixels, probability
            of two rows.
    """
    floor = _logit(threshold)
    owners, parts, grids = [], [], []
    for stride in STRIDES:
        level = maps[f"map_{stride}"]
        hits = np.flatnonzero(level[:, 0] >= floor)
        if len(hits) == 0:
            continue
        height, width = level.shape[2:]
        owner, cell = np.divmod(hits, height * width)
        y, x = np.divmod(cell, width)
        owners.append(owner)
        parts.append(level[owner, :, y, x])
        grids.append(np.stack([x, y, np.full_like(x, stride)], 1))
    if not owners:
        return np.zeros(0, np.intp), np.zeros((0, CHANNELS), np.float32)
    # From here on all strides are one array: a few calls instead of a few per stride.
    raw, grid = np.concatenate(parts), np.concatenate(grids).astype(np.float32)
    stride_of = grid[:, 2:]
    centres = (grid[:, :2] + 0.5) * stride_of
    raw[:, 1:9] = raw[:, 1:9] * (REACH * stride_of) + np.tile(centres, 4)
    raw[:, ::9] = 1.0 / (1.0 + np.exp(-np.clip(raw[:, ::9], -60.0, 60.0)))
    return np.concatenate(owners), raw


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


def _logit(probability: float) -> float:
    if probability <= 0.0:
        return -math.inf
    return math.log(probability / (1.0 - probability)) if probability < 1.0 else math.inf
