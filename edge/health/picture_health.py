"""Tells from a camera's pictures that it is frozen, black, covered, blurred or was moved; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

Trouble = Literal["frozen", "black", "covered", "blurred", "moved"]

INTERVAL_S = 2.0
"""Pictures are looked at this often; all thresholds below count such looks."""
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Thresholds; grey levels are luma 0 to 255, the rest are shares of what is usual here."""

    black_mean: float = 28.0
    """Black is 16 in a camera's luma (studio range), and a sensor in the dark adds some noise."""
    black_spread: float = 6.0
    covered_sharpness: float = 0.1
    covered_spread: float = 0.4
    blurred_sharpness: float = 0.3
    moved_likeness: float = 0.3
    """Correlation of the edges with the usual ones, -1 to 1."""
    looks: int = 4
    """A trouble must show in so many looks one after another."""
    frozen_looks: int = 30
    learn_looks: int = 5
    adopt_looks: int = 90
    """After so long a moved camera is where it belongs now."""


@dataclass(frozen=True, slots=True)
class _Look:
    mean: float
    spread: float
    sharpness: float
    edges: npt.NDArray[np.float32]


class PictureHealth:
    """Watches one camera; ``trouble`` is what is wrong now, the root cause only."""

    def __init__(self, limits: PictureLimits | None = None) -> None:
        self._limits = limits or PictureLimits()
        self.trouble: Trouble | None = None
        self._at_s: float | None = None
        self._last: npt.NDArray[np.uint8] | None = None
        self._same = 0
        self._seen: deque[Trouble | None] = deque(maxlen=self._limits.looks)
        self._usual: _Look | None = None
        self._learned = 0
        self._moved_for = 0

    def update(self, grey: npt.NDArray[Any], at_s: float) -> Trouble | None:
        """Look at a grey picture uint8 (H,W) when one is due; returns what is wrong now."""
        if self._at_s is not None and 0 <= at_s - self._at_s < INTERVAL_S:
            return self.trouble
        self._at_s = at_s
        height = max(1, round(grey.shape[0] * _WIDTH / grey.shape[1]))
        small = np.asarray(
            cv2.resize(grey, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8
        )
        found = self._judge(small)
        self._seen.append(found)
        if len(self._seen) == self._limits.looks and len(set(self._seen)) == 1:
            self.trouble = found
        elif found is None and self.trouble == "frozen":
            self.trouble = None
        return self.trouble

    def _judge(self, small: npt.NDArray[np.uint8]) -> Trouble | None:
        limits, look = self._limits, _look(small)
        last, self._last = self._last, small
        alike = last is not None and last.shape == small.shape and np.array_equal(last, small)
        self._same = self._same + 1 if alike else 0
        if look.mean < limits.black_mean and look.spread < limits.black_spread:
            return "black"
        if self._same >= limits.frozen_looks:
            return "frozen"
        usual = self._usual
        if usual is None or usual.edges.shape != look.edges.shape:
            self._usual, self._learned = look, 1
            return None
        if self._learned < limits.learn_looks:
            self._learn(look)
            return None
        sharp = look.sharpness / max(usual.sharpness, 1e-3)
        if sharp < limits.covered_sharpness and look.spread < limits.covered_spread * usual.spread:
            return "covered"
        if sharp < limits.blurred_sharpness:
            return "blurred"
        if _likeness(look.edges, usual.edges) < limits.moved_likeness:
            self._moved_for += 1
            if self._moved_for > limits.adopt_looks:
                self._usual, self._learned = look, 1
            return "moved"
        self._moved_for = 0
        self._learn(look)
        return None

    def _learn(self, look: _Look) -> None:
        usual = self._usual
        assert usual is not None
        self._learned += 1
        share = max(0.02, 1 / self._learned)
        self._usual = _Look(
            mean=usual.mean + share * (look.mean - usual.mean),
            spread=usual.spread + share * (look.spread - usual.spread),
            sharpness=usual.sharpness + share * (look.sharpness - usual.sharpness),
            edges=np.asarray(usual.edges + share * (look.edges - usual.edges), np.float32),
        )


def _look(small: npt.NDArray[np.uint8]) -> _Look:
    mean, spread = cv2.meanStdDev(small)
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1)
    edges = np.asarray(cv2.magnitude(across, down), np.float32)
    laplace = cv2.Laplacian(small, cv2.CV_32F)
    return _Look(float(mean[0, 0]), float(spread[0, 0]), float(laplace.var()), edges)


def _likeness(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Correlation of two edge pictures: 1 alike, 0 unrelated."""
    a, b = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 0 else 1.0
