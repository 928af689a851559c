"""Motion on a small grey picture: a background that objects never smear, noise, hysteresis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.events.geometry import Box

WIDTH = 320
"""Pictures are shrunk to this width in pixels; a readable plate is then 15 pixels or more."""

MAX_BOXES = 12
_LARGE_SHIFT = 8
"""Grey levels by which light seldom changes the middle of a picture."""
Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Thresholds; areas are shares of the picture, rates are per second."""

    min_contrast: float = 14.0
    """Grey levels (0..255) that a pixel must differ by, however quiet its place is."""
    noise_factor: float = 5.0
    """And how many times the usual deviation of its place."""
    min_area: float = 0.0012
    light_change_area: float = 0.6
    """When more than this share changes from one picture to the next, it is the light."""
    remember_s: float = 60.0
    """And so long after it the view from before is remembered: it may have been a lorry."""
    learn_per_s: float = 0.35
    """How fast unmoving places follow slow light."""
    hold_s: float = 60.0
    """A thing that stands still becomes background after so long, and then all at once."""
    fresh_s: float = 1.0
    """What changed within this time moves; the rest of a thing only stands there."""
    fresh_share: float = 0.03
    """Share of a thing that must be fresh for it to count as moving."""
    first_hold_s: float = 3.0
    first_s: float = 20.0
    """In the first ``first_s``, ``first_hold_s`` holds instead: what was learned may have been
    anything."""
    ghost_s: float = 0.4
    """What changed as a whole and has been as it is for so long may be the place where something
    stood: a ghost, and background at once"""
    ghost_edges: float = 1.5
    """if along its outline the background has so many times the edges that the picture has."""
    restless_per_s: float = 0.03
    """How fast a place that keeps changing (leaves, a flag) is taken for noisy."""
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


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something that is there, in small pixels.

    ``moves``: part of it changed lately; ``rests``: nothing of it did, for a moment at least.
    """

    area: int
    rows: slice
    columns: slice
    moves: bool
    rests: bool

    def box(self, shape: tuple[int, ...]) -> Box:
        """Where it is, in shares of the picture."""
        height, width = shape
        return (
            self.columns.start / width,
            self.rows.start / height,
            (self.columns.stop - self.columns.start) / width,
            (self.rows.stop - self.rows.start) / height,
        )


@dataclass(frozen=True, slots=True)
class _View:
    """What the place looks like with nothing in it, as learned until light changed."""

    background: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float32]
    limit: Grey
    origin_s: float
    until_s: float
    """When it is forgotten."""


class MotionDetector:
    """Watches one camera; feed it pictures of the same view at 2 to 15 per second.

    A pixel that differs from the background never changes it while it goes on changing: a slow
    lorry leaves no ghost. Only what stayed the same for ``hold_s`` is taken over, at once. All
    whole-picture work is OpenCV on bytes, because this runs for every camera at all times.
    """

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._background: npt.NDArray[np.float32] | None = None
        self._noise = np.empty((0, 0), np.float32)
        self._limit = np.empty((0, 0), np.uint8)
        self._limit_at_s = 0.0
        self._candidate = np.empty((0, 0), np.uint8)
        self._since_s = np.empty((0, 0), np.float32)
        self._origin_s = 0.0
        self._at_s = 0.0
        self._earlier: _View | None = None
        self._share = 0.0
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
            self._earlier = None
            self._learn_anew(small)
            return self._state((), at_s, moving=False)
        boxes, moving = self._compare(small, min(elapsed, 2.0))
        return self._state(boxes, at_s, moving=moving)

    def _small(self, grey: npt.NDArray[Any]) -> Grey:
        height, width = grey.shape
        if width > WIDTH:
            size = (WIDTH, max(1, round(height * WIDTH / width)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), dtype=np.uint8)

    def _learn_anew(self, small: Grey) -> None:
        self._background = small.astype(np.float32)
        self._noise = np.full(small.shape, 2.0, np.float32)
        self._limit = np.full(small.shape, self._settings.min_contrast, np.uint8)
        self._candidate = small.copy()
        self._origin_s = self._limit_at_s = self._at_s
        self._since_s = np.zeros(small.shape, np.float32)
        self._share = 0.0
        self._streak = 0

    def _compare(self, small: Grey, elapsed: float) -> tuple[tuple[Box, ...], bool]:
        """Boxes of what is there, and whether any of it moves."""
        settings = self._settings
        assert self._background is not None
        deviation, there = _differing(small, self._background, self._limit)
        share, before = cv2.countNonZero(there) / there.size, self._share
        if share > settings.light_change_area / 2 and self._is_back(small, share):
            return self._compare(small, elapsed)
        self._share = share
        if share > settings.light_change_area and before < settings.light_change_area / 2:
            self._remember()
            self._learn_anew(small)
            return (), False
        self._learn(small, deviation, there, elapsed)
        if share < settings.min_area / 2:
            return (), False
        age = self._age(small)
        things = self._things(there, age)
        self._take_over(small, there, age=age, things=things)
        boxes = _joined([thing.box(there.shape) for thing in things[: 2 * MAX_BOXES]])
        return boxes[:MAX_BOXES], any(thing.moves for thing in things)

    def _remember(self) -> None:
        """Keep the view that light seems to have changed, or the one before that."""
        assert self._background is not None
        if self._earlier is None or self._at_s > self._earlier.until_s:
            until_s = self._at_s + self._settings.remember_s
            self._earlier = _View(
                self._background, self._noise, self._limit, self._origin_s, until_s
            )

    def _is_back(self, small: Grey, share: float) -> bool:
        """Go back to the earlier view if the picture is far more like it than like what is known.

        What fills the picture from one to the next is taken for light; that it was a lorry shows
        when it leaves.
        """
        earlier = self._earlier
        if earlier is None or self._at_s > earlier.until_s:
            return False
        _, there = _differing(small, earlier.background, earlier.limit)
        if cv2.countNonZero(there) / there.size > share / 2:
            return False
        self._earlier = None
        self._background, self._noise = earlier.background, earlier.noise
        self._limit, self._origin_s = earlier.limit, earlier.origin_s
        self._candidate = small.copy()
        self._since_s = np.full(small.shape, self._at_s - self._origin_s, np.float32)
        return True

    def _learn(self, small: Grey, deviation: Grey, there: Grey, elapsed: float) -> None:
        """Let places without anything on them follow the light, and measure their noise."""
        settings = self._settings
        rate = 1.0 - (1.0 - settings.learn_per_s) ** elapsed
        assert self._background is not None
        free = cv2.bitwise_not(there)
        cv2.accumulateWeighted(small, self._background, rate, free)
        if self._at_s - self._limit_at_s < 0.45:
            return
        since = self._at_s - self._limit_at_s
        self._limit_at_s = self._at_s
        calm = 1.0 - (1.0 - settings.learn_per_s) ** min(since, 2.0)
        cv2.accumulateWeighted(deviation, self._noise, calm, free)
        if cv2.countNonZero(there):
            restless = cv2.bitwise_and(there, self._fresh(small))
            slow = 1.0 - (1.0 - settings.restless_per_s) ** min(since, 2.0)
            cv2.accumulateWeighted(np.minimum(deviation, 40), self._noise, slow, restless)
        limit = cv2.convertScaleAbs(self._noise, alpha=settings.noise_factor)
        self._limit = np.maximum(limit, np.uint8(settings.min_contrast))

    def _fresh(self, small: Grey) -> Grey:
        """Where the picture differs from what it last settled to: 255, else 0."""
        change = cv2.absdiff(small, self._candidate)
        return np.asarray(cv2.compare(change, self._limit, cv2.CMP_GT), np.uint8)

    def _age(self, small: Grey) -> npt.NDArray[np.float32]:
        """For how many seconds each pixel has been as it is."""
        now = np.float32(self._at_s - self._origin_s)
        changed = self._fresh(small) > 0
        self._candidate[changed] = small[changed]
        self._since_s[changed] = now
        return np.asarray(now - self._since_s, np.float32)

    def _things(self, there: Grey, age: npt.NDArray[np.float32]) -> list[_Thing]:
        """What is there, largest first."""
        cleaned = cv2.morphologyEx(there, cv2.MORPH_OPEN, self._kernel)
        joined = cv2.dilate(cleaned, self._kernel, iterations=4)
        count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        settings = self._settings
        least = settings.min_area * there.size
        found = []
        for x, y, w, h, _ in stats[1:count].tolist():
            place = slice(y, y + h), slice(x, x + w)
            inner = cleaned[place]
            area = cv2.countNonZero(inner)
            if area < least:
                continue
            ages = age[place][inner > 0]
            enough = max(least / 2, settings.fresh_share * area)
            moves, changes = (
                int(np.count_nonzero(ages < limit)) >= enough
                for limit in (settings.fresh_s, settings.ghost_s)
            )
            found.append(_Thing(area, *place, moves, rests=not changes))
        return sorted(found, key=lambda thing: thing.area, reverse=True)

    def _take_over(
        self,
        small: Grey,
        there: Grey,
        *,
        age: npt.NDArray[np.float32],
        things: Sequence[_Thing],
    ) -> None:
        """Let what has been there unchanged for ``hold_s`` become background.

        Of something large and plain that comes nearer no pixel changes for seconds: while little
        time is given, whatever moves keeps all of itself.
        """
        new = self._at_s - self._origin_s < self._settings.first_s
        hold_s = self._settings.first_hold_s if new else self._settings.hold_s
        settled = (age >= hold_s) & (there > 0)
        for thing in things:
            place = thing.rows, thing.columns
            if thing.rests and self._is_ghost(small, there, place):
                settled[place] |= there[place] > 0
            elif thing.moves and new:
                settled[place] = False
        if settled.any():
            assert self._background is not None
            self._background[settled] = small[settled]

    def _is_ghost(self, small: Grey, there: Grey, place: tuple[slice, slice]) -> bool:
        """Whether what differs at a place is what the background shows and the picture does not.

        Whatever stands there has an outline; where something has gone the background has it.
        """
        assert self._background is not None
        known = np.asarray(cv2.convertScaleAbs(self._background[place]), np.uint8)
        outline = cv2.morphologyEx(there[place], cv2.MORPH_GRADIENT, self._kernel, iterations=2)
        now, before = (
            cv2.mean(cv2.morphologyEx(part, cv2.MORPH_GRADIENT, self._kernel), outline)[0]
            for part in (small[place], known)
        )
        return before > self._settings.ghost_edges * now

    def _state(self, boxes: tuple[Box, ...], at_s: float, *, moving: bool) -> Motion:
        if moving:
            self._streak += 1
            if self._active or self._streak >= self._settings.start_frames:
                self._active = True
                self._moved_at_s = at_s
        else:
            self._streak = 0
            if self._moved_at_s is None or not 0 <= at_s - self._moved_at_s < self._settings.stop_s:
                self._active = False
        return Motion(active=self._active, boxes=boxes)


def _differing(small: Grey, background: npt.NDArray[np.float32], limit: Grey) -> tuple[Grey, Grey]:
    """How much each pixel differs from a background, and 255 where it is more than its limit."""
    known = np.asarray(cv2.convertScaleAbs(background), np.uint8)
    # A lamp or a cloud shifts all of the picture: take the middle shift out first.
    sparse = small[::8, ::8].astype(np.int16) - known[::8, ::8]
    shift = round(float(np.median(sparse)))
    shifts = (shift, 0) if abs(shift) > _LARGE_SHIFT else (shift,)
    ways = []
    for beta in shifts:
        lit = cv2.convertScaleAbs(background, beta=beta) if beta else known
        deviation = np.asarray(cv2.absdiff(small, np.asarray(lit, np.uint8)), np.uint8)
        ways.append((deviation, np.asarray(cv2.compare(deviation, limit, cv2.CMP_GT), np.uint8)))
    # What fills half the picture shifts its middle as a lamp does: fewer differences tell which.
    return min(ways, key=lambda way: cv2.countNonZero(way[1]))


def _joined(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Boxes that overlap as one: a windscreen and the car around it are one thing."""
    left = list(boxes)
    merged = True
    while merged:
        merged = False
        for i in range(len(left)):
            for j in range(i + 1, len(left)):
                if _meet(left[i], left[j]):
                    left[i] = _around(left[i], left.pop(j))
                    merged = True
                    break
            if merged:
                break
    return tuple(left)


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _around(a: Box, b: Box) -> Box:
    x, y = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    return x, y, right - x, bottom - y
