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
        owner, y, x = (level[:, 0] >= floor).nonzero()
        if len(owner) == 0:
            continue
        owners.append(owner)
        parts.append(level[owner, :, y, x])
        grids.append(np.array([x * stride, y * stride, np.full_like(x, stride)], np.float32))
    if not owners:
        return np.zeros(0, np.intp), np.zeros((0, CHANNELS), np.float32)
    # From here on all strides are one array: a few calls instead of a few per stride.
    raw, (x, y, stride_of) = np.concatenate(parts), np.concatenate(grids, axis=1)
    corners = raw[:, 1:9]
    corners *= (REACH * stride_of)[:, None]
    corners[:, ::2] += (x + 0.5 * stride_of)[:, None]
    corners[:, 1::2] += (y + 0.5 * stride_of)[:, None]
    raw[:, ::9] = 1.0 / (1.0 + np.exp(-np.clip(raw[:, ::9], -60.0, 60.0)))
    return np.concatenate(owners), raw


def decode(
    cells: NDArray[np.float32], *, scale: NDArray[np.float32], threshold: float = THRESHOLD
) -> list[PlateDetection]:
    """Plates among the candidates of one picture, best first.

    Args:
        cells: float32 (A, 10): score 0 to 1, corners as x and y in network pixels, probability of
            two rows, as ``cells_above`` gives them.
        scale: float32 (2,), picture pixels per network pixel in x and y.
        threshold: lowest score that counts.
    """
    if len(cells) == 0:
        return []
    plates = _merged(cells, threshold)
    quads = ((plates[:, 1:9].reshape(-1, 4, 2) + 0.5) * scale - 0.5).astype(np.float32)
    rest = zip(quads, plates[:, 0].tolist(), plates[:, 9].tolist(), strict=True)
    return [PlateDetection(quad, score, 2 if double > 0.5 else 1) for quad, score, double in rest]


def _merged(cells: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """One cell for each heap of them, best first: that of the best, with corners and rows averaged
    over those that agree with it, by the square of the score."""
    chosen = cells[cells[:, 0] >= threshold]
    chosen = chosen[np.argsort(-chosen[:, 0], kind="stable")][:MOST_CANDIDATES]
    quads = chosen[:, 1:9].reshape(-1, 4, 2)
    low, high = quads.min(1), quads.max(1)
    sound = np.isfinite(quads).all((1, 2)) & ((high - low) > _LEAST_PIXELS / 2).all(1)
    if not sound.all():
        chosen, low, high = chosen[sound], low[sound], high[sound]
    overlaps, nested = _overlaps(low, high)
    winners = _winners((overlaps <= OVERLAP) & (nested <= NESTED))
    weights = chosen[:, 0] ** 2 * (overlaps[winners] > AGREEMENT)
    weights /= weights.sum(1, keepdims=True)
    plates = weights @ chosen
    plates[:, 0] = chosen[winners, 0]
    return plates


def _winners(apart: NDArray[np.bool_]) -> list[int]:
    """Candidates, best first, that are apart from every better winner; ``apart`` is (K, K)."""
    free, winners = np.ones(len(apart), bool), []
    while free.any():
        winner = int(free.argmax())
        winners.append(winner)
        free &= apart[winner]
    return winners


def _overlaps(
    low: NDArray[np.float32], high: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of every pair of boxes: intersection over union, and over the smaller; both (K, K)."""
    sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    sides = np.maximum(sides, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    area = shared.diagonal()
    union = shared / (area[:, None] + area - shared)
    inside = shared / np.minimum(area[:, None], area)
    return union, inside


def _logit(probability: float) -> float:
    if probability <= 0.0:
        return -math.inf
    return math.log(probability / (1.0 - probability)) if probability < 1.0 else math.inf
