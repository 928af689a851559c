"""What one view looks like with nothing in it: learned slowly, with how restless each place is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from edge.watching.differences import (
    Grey,
    Thing,
    ThingSettings,
    differing,
    is_ghost,
    things_in,
)

_LIMITS_EVERY_S = 0.45


@dataclass(frozen=True, slots=True)
class BackgroundSettings:
    """Grey levels are 0 to 255, rates are per second."""

    min_contrast: float = 14.0
    """Grey levels that a pixel must differ by, however quiet its place is."""
    noise_factor: float = 5.0
    """And how many times the usual deviation of its place."""
    learn_per_s: float = 0.35
    """How fast unmoving places follow slow light."""
    hold_s: float = 60.0
    """A thing that stands still becomes background after so long, and then all at once."""
    first_hold_s: float = 3.0
    first_s: float = 20.0
    """In the first ``first_s``, ``first_hold_s`` holds instead: what was learned may have been
    anything."""
    restless_per_s: float = 0.03
    """How fast a place that keeps changing (leaves, a flag) is taken for noisy."""
    specks_per_s: float = 0.2
    """How fast the usual number of specks follows that of a picture."""
    calm_specks: float = 3.0
    """Usually more of them are weather: rain has 3 to 13, thick snow 40, a street 3 at most."""
    specks_twice: float = 8.0
    """So many more double what counts as a thing, for flakes that meet make none;"""
    largest_factor: float = 4.0
    """and at most it becomes so many times as large."""
    things: ThingSettings = field(default_factory=ThingSettings)


class Background:
    """One view, begun from a small picture; show it the next ones in order of time.

    A pixel that differs from it never changes it while it goes on changing: a slow lorry leaves
    no ghost. Only what stayed the same for long is taken over, at once.

    Args:
        small: uint8 (H, W), slightly blurred.
        at_s: its time in seconds.
    """

    def __init__(self, small: Grey, at_s: float, settings: BackgroundSettings) -> None:
        self._settings = settings
        self.pixels: npt.NDArray[np.float32] = small.astype(np.float32)
        self._noise = np.full(small.shape, 2.0, np.float32)
        self._limit = np.full(small.shape, settings.min_contrast, np.uint8)
        self._candidate = small.copy()
        self._since_s = np.zeros(small.shape, np.float32)
        self._origin_s = self._limit_at_s = self._specks_at_s = at_s
        self._specks = 0.0

    def relit(self, small: Grey, at_s: float) -> Background:
        """The same place in another light: all to be learned but where leaves and clocks are."""
        view = Background(small, at_s, self._settings)
        view._noise, view._limit = self._noise.copy(), self._limit
        view._specks = self._specks
        return view

    def differing(self, small: Grey) -> tuple[Grey, Grey]:
        """How much each pixel of a picture differs, and 255 where that is more than noise."""
        return differing(small, self.pixels, self._limit)

    def resume(self, small: Grey, at_s: float) -> None:
        """Go on from a picture after others were shown elsewhere."""
        self._candidate = small.copy()
        self._since_s = np.full(small.shape, at_s - self._origin_s, np.float32)

    def learn(
        self, small: Grey, *, deviation: Grey, there: Grey, at_s: float, elapsed_s: float
    ) -> None:
        """Let places without anything on them follow the light, and measure their noise.

        Args:
            deviation, there: of this picture, by ``differing``.
            elapsed_s: since the picture before.
        """
        settings = self._settings
        free = cv2.bitwise_not(there)
        cv2.accumulateWeighted(small, self.pixels, _rate(settings.learn_per_s, elapsed_s), free)
        since_s = at_s - self._limit_at_s
        if since_s < _LIMITS_EVERY_S:
            return
        self._limit_at_s = at_s
        calm = _rate(settings.learn_per_s, since_s)
        cv2.accumulateWeighted(deviation, self._noise, calm, free)
        if cv2.countNonZero(there):
            restless = cv2.bitwise_and(there, self._fresh(small))
            slow = _rate(settings.restless_per_s, since_s)
            cv2.accumulateWeighted(np.minimum(deviation, 40), self._noise, slow, restless)
        limit = cv2.convertScaleAbs(self._noise, alpha=settings.noise_factor)
        self._limit = np.maximum(limit, np.uint8(settings.min_contrast))

    def things(self, small: Grey, there: Grey, at_s: float) -> list[Thing]:
        """What is there in a picture, largest first; what has settled is taken over."""
        age, settings = self._age(small, at_s), self._settings.things
        things, specks = things_in(there, age, settings, least_area=self._least_area())
        self._count(specks, at_s)
        self._take_over(small, there, age=age, things=things, at_s=at_s)
        return things

    def _least_area(self) -> float:
        """Share of the picture that makes a thing, in the weather as it is."""
        settings = self._settings
        more = max(0.0, self._specks - settings.calm_specks) / settings.specks_twice
        return settings.things.min_area * min(settings.largest_factor, 1.0 + more)

    def _count(self, specks: int, at_s: float) -> None:
        """Let the usual number of specks follow; pictures without any change had none."""
        elapsed_s = at_s - self._specks_at_s
        self._specks_at_s = at_s
        rate = self._settings.specks_per_s
        self._specks *= float((1.0 - rate) ** elapsed_s)
        self._specks += specks * _rate(rate, min(elapsed_s, _LIMITS_EVERY_S))

    def _fresh(self, small: Grey) -> Grey:
        """Where the picture differs from what it last settled to: 255, else 0."""
        change = cv2.absdiff(small, self._candidate)
        return np.asarray(cv2.compare(change, self._limit, cv2.CMP_GT), np.uint8)

    def _age(self, small: Grey, at_s: float) -> npt.NDArray[np.float32]:
        """For how many seconds each pixel has been as it is."""
        now = np.float32(at_s - self._origin_s)
        changed = self._fresh(small) > 0
        self._candidate[changed] = small[changed]
        self._since_s[changed] = now
        return np.asarray(now - self._since_s, np.float32)

    def _take_over(
        self,
        small: Grey,
        there: Grey,
        *,
        age: npt.NDArray[np.float32],
        things: Sequence[Thing],
        at_s: float,
    ) -> None:
        """Let what has been there unchanged for ``hold_s`` become background, and ghosts at once.

        Of something large and plain that comes nearer no pixel changes for seconds: while little
        time is given, whatever moves keeps all of itself.
        """
        settings = self._settings
        new = at_s - self._origin_s < settings.first_s
        settled = (age >= (settings.first_hold_s if new else settings.hold_s)) & (there > 0)
        for thing in things:
            if is_ghost(
                thing, small=small, background=self.pixels, there=there, settings=settings.things
            ):
                settled[thing.place] |= there[thing.place] > 0
            elif thing.moves and new:
                settled[thing.place] = False
        if settled.any():
            self.pixels[settled] = small[settled]


def _rate(per_s: float, seconds: float) -> float:
    """The share to learn after so many seconds, at most those of two."""
    return 1.0 - float((1.0 - per_s) ** min(seconds, 2.0))
