"""Motion on a small grey picture: something that is there, and neither noise nor light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.events.geometry import Box
from edge.watching.background import Background, BackgroundSettings
from edge.watching.differences import Grey, joined_boxes, spread

WIDTH = 320
"""Pictures are shrunk to this width in pixels; a readable plate is then 15 pixels or more."""
MAX_BOXES = 12
_LONGEST_GAP_S = 60.0
"""After a longer gap between pictures a view is learned anew."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Areas are shares of the picture."""

    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    suspect_area: float = 0.2
    """When more than this differs from what is known, the light may have changed."""
    light_change_area: float = 0.6
    """It has when more than this does from one picture to the next,"""
    blind_spread: float = 12.0
    """or when bright and dark are fewer grey levels apart, and a third of what they were: cameras
    go black or white for a moment as they turn to infrared and back."""
    settling_s: float = 3.0
    """So long exposure may go on changing"""
    settling_area: float = 0.08
    """this much of the picture or more."""
    remember_s: float = 60.0
    """So long the view from before is remembered: what changed may have been a lorry."""
    start_frames: int = 2
    stop_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Motion:
    """What is in one picture that the background has not.

    ``boxes`` (shares): all of it, moving or standing; ``active``: something moves, after
    hysteresis.
    """

    active: bool
    boxes: tuple[Box, ...]

    @property
    def present(self) -> bool:
        """Something is there, even if it stands still."""
        return bool(self.boxes)


class MotionDetector:
    """Watches one camera; feed it pictures of the same view at 2 to 15 per second.

    All whole-picture work is OpenCV on bytes, because this runs for every camera at all times.
    """

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._view: Background | None = None
        self._earlier: Background | None = None
        """What light, or a lorry, has changed."""
        self._earlier_until_s = 0.0
        self._settled_at_s = 0.0
        self._at_s = 0.0
        self._share = 0.0
        self._streak = 0
        self._moved_at_s: float | None = None
        self._active = False

    def update(self, grey: npt.NDArray[Any], at_s: float) -> Motion:
        """Look at the next picture.

        Args:
            grey: uint8 (H,W), any size; privacy masks already burnt in.
            at_s: its time in seconds, on any clock; a step back starts learning anew.
        """
        small = self._small(grey)
        elapsed_s = at_s - self._at_s
        self._at_s = at_s
        same_view = self._view is not None and self._view.pixels.shape == small.shape
        if not same_view or not 0 <= elapsed_s <= _LONGEST_GAP_S:
            self._earlier = None
            self._begin(Background(small, at_s, self._settings.background))
            return self._state((), moving=False)
        boxes, moving = self._compare(small, elapsed_s)
        return self._state(boxes, moving=moving)

    def _small(self, grey: npt.NDArray[Any]) -> Grey:
        height, width = grey.shape
        if width > WIDTH:
            size = (WIDTH, max(1, round(height * WIDTH / width)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), dtype=np.uint8)

    def _begin(self, view: Background) -> None:
        self._view = view
        self._share = 0.0
        self._streak = 0

    def _compare(self, small: Grey, elapsed_s: float) -> tuple[tuple[Box, ...], bool]:
        """Boxes of what is there, and whether any of it moves."""
        settings = self._settings
        assert self._view is not None
        deviation, there = self._view.differing(small)
        share = cv2.countNonZero(there) / there.size
        if share > settings.background.things.min_area and self._is_back(small, share):
            return self._compare(small, elapsed_s)
        if self._is_light(small, share):
            self._remember()
            self._begin(self._view.relit(small, self._at_s))
            return (), False
        self._share = share
        self._view.learn(
            small, deviation=deviation, there=there, at_s=self._at_s, elapsed_s=elapsed_s
        )
        if share < settings.background.things.min_area / 2:
            return (), False
        things = self._view.things(small, there, self._at_s)
        boxes = joined_boxes([thing.box(there.shape) for thing in things[: 2 * MAX_BOXES]])
        return boxes[:MAX_BOXES], any(thing.moves for thing in things)

    def _is_light(self, small: Grey, share: float) -> bool:
        """Whether what differs so much is the light, or the camera's own exposure."""
        assert self._view is not None
        settings = self._settings
        if self._at_s < self._settled_at_s:
            return share > settings.settling_area
        if share <= settings.suspect_area:
            return False
        sudden = share > settings.light_change_area > 2 * self._share
        if not sudden:
            left = spread(small)
            if left > settings.blind_spread or left > spread(self._view.pixels) / 3:
                return False
        self._settled_at_s = self._at_s + settings.settling_s
        return True

    def _remember(self) -> None:
        """Keep the view that light seems to have changed, or the one before that."""
        if self._earlier is None or self._at_s > self._earlier_until_s:
            self._earlier = self._view
            self._earlier_until_s = self._at_s + self._settings.remember_s

    def _is_back(self, small: Grey, share: float) -> bool:
        """Go back to the earlier view if the picture is far more like it than like what is known.

        What fills the picture from one to the next is taken for light; that it was a lorry shows
        when it leaves. As long as nothing has settled, being like it is enough.
        """
        if self._earlier is None or self._at_s > self._earlier_until_s:
            return False
        _, there = self._earlier.differing(small)
        alike = self._settings.suspect_area if self._at_s < self._settled_at_s else 0.0
        if cv2.countNonZero(there) / there.size > max(share / 2, alike):
            return False
        self._view, self._earlier, self._settled_at_s = self._earlier, None, self._at_s
        self._view.resume(small, self._at_s)
        return True

    def _state(self, boxes: tuple[Box, ...], *, moving: bool) -> Motion:
        if moving:
            self._streak += 1
            if self._active or self._streak >= self._settings.start_frames:
                self._active = True
                self._moved_at_s = self._at_s
        else:
            self._streak = 0
            last = self._moved_at_s
            if last is None or not 0 <= self._at_s - last < self._settings.stop_s:
                self._active = False
        return Motion(active=self._active, boxes=boxes)
