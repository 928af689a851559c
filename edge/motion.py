"""Motion on a small grey picture: a background that learns noise and slow light, hysteresis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.geometry import Box

WIDTH = 320
"""Pictures are shrunk to this width in pixels; a readable plate is then 15 pixels or more."""

MAX_BOXES = 12


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Thresholds; areas are shares of the picture, rates are per second."""

    min_contrast: float = 14.0
    """Grey levels (0..255) that a pixel must differ by, however quiet its place is."""
    noise_factor: float = 5.0
    """And how many times the usual deviation of its place."""
    min_area: float = 0.0012
    light_change_area: float = 0.6
    """When more than this share changes at once, it is the light and not an object."""
    learn_per_s: float = 0.35
    """How fast unmoving places follow slow light."""
    absorb_per_s: float = 0.06
    """How fast a thing that stopped becomes background (about 10 s)."""
    start_frames: int = 2
    stop_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What moves in one picture: ``boxes`` (shares), and the state after hysteresis."""

    active: bool
    boxes: tuple[Box, ...]


class MotionDetector:
    """Watches one camera; feed it pictures of the same view at 2 to 15 per second."""

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._background: npt.NDArray[np.float32] | None = None
        self._noise: npt.NDArray[np.float32] = np.empty(0, np.float32)
        self._at_s = 0.0
        self._streak = 0
        self._moved_at_s: float | None = None
        self._active = False
        self._kernel = np.ones((3, 3), np.uint8)

    def update(self, grey: npt.NDArray[Any], at_s: float) -> Motion:
        """Look at the next picture.

        Args:
            grey: uint8 (H,W), any size; privacy masks already burnt in.
            at_s: its time in seconds, on any clock; a step back starts learning anew.
        """
        small = self._small(grey)
        elapsed = at_s - self._at_s
        self._at_s = at_s
        if (
            self._background is None
            or self._background.shape != small.shape
            or elapsed < 0
            or elapsed > 60
        ):
            self._learn_anew(small)
            return self._state((), at_s)
        boxes = self._compare(small, min(elapsed, 2.0))
        return self._state(boxes, at_s)

    def _small(self, grey: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        height, width = grey.shape
        if width > WIDTH:
            size = (WIDTH, max(1, round(height * WIDTH / width)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), dtype=np.float32)

    def _learn_anew(self, small: npt.NDArray[np.float32]) -> None:
        self._background = small.copy()
        self._noise = np.full_like(small, 2.0)
        self._streak = 0

    def _compare(self, small: npt.NDArray[np.float32], elapsed: float) -> tuple[Box, ...]:
        background, settings = self._background, self._settings
        assert background is not None
        difference = small - background
        # A lamp or a cloud shifts all of the picture: take the middle shift out first.
        shift = float(np.median(difference[::4, ::4]))
        deviation = np.abs(difference - shift)
        limit = np.maximum(settings.min_contrast, settings.noise_factor * self._noise)
        moving = np.asarray(deviation > limit, dtype=np.uint8)
        if moving.mean() > settings.light_change_area:
            self._learn_anew(small)
            return ()
        self._learn(difference, deviation, moving, elapsed)
        return self._boxes(moving)

    def _learn(
        self,
        difference: npt.NDArray[np.float32],
        deviation: npt.NDArray[np.float32],
        moving: npt.NDArray[np.uint8],
        elapsed: float,
    ) -> None:
        settings = self._settings
        slow = 1.0 - (1.0 - settings.absorb_per_s) ** elapsed
        fast = 1.0 - (1.0 - settings.learn_per_s) ** elapsed
        rate = np.where(moving > 0, np.float32(slow), np.float32(fast))
        assert self._background is not None
        self._background += rate * difference
        # Deviation that is not motion is the noise of that place: grain, leaves, a flag.
        quiet = np.where(moving > 0, np.float32(slow * 0.5), np.float32(fast))
        self._noise += quiet * (np.minimum(deviation, 40.0) - self._noise)

    def _boxes(self, moving: npt.NDArray[np.uint8]) -> tuple[Box, ...]:
        cleaned = cv2.morphologyEx(moving, cv2.MORPH_OPEN, self._kernel)
        joined = cv2.dilate(cleaned, self._kernel, iterations=3)
        count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        height, width = moving.shape
        found: list[tuple[int, Box]] = []
        for x, y, w, h, _ in stats[1:count].tolist():
            area = int(np.count_nonzero(cleaned[y : y + h, x : x + w]))
            if area >= self._settings.min_area * width * height:
                found.append((area, (x / width, y / height, w / width, h / height)))
        found.sort(reverse=True)
        return tuple(box for _, box in found[:MAX_BOXES])

    def _state(self, boxes: tuple[Box, ...], at_s: float) -> Motion:
        if boxes:
            self._streak += 1
            if self._active or self._streak >= self._settings.start_frames:
                self._active = True
                self._moved_at_s = at_s
        else:
            self._streak = 0
            if self._moved_at_s is None or not 0 <= at_s - self._moved_at_s < self._settings.stop_s:
                self._active = False
        return Motion(active=self._active, boxes=boxes)
