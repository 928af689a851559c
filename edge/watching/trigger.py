"""Whether a camera's big pictures are wanted now: shared by its sub and main stream threads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from edge.events.geometry import Box
from edge.watching.motion import Motion

LINGER_S = 1.4
"""Watching goes on this long after the last thing was there, so that it is seen to be gone."""
STANDING_S = 0.2
"""And this long after what is there has come to rest: it is looked at on key frames."""
PRE_ROLL_S = 0.7
"""Pictures from this long before the trigger are looked at too."""
FIRST_LOOK_S = 3.0
"""After connecting we look around for so long: what stands there already does not move."""
_BOXES_VALID_S = 0.7


@dataclass(frozen=True, slots=True)
class Wanted:
    """``since_s``: the first moment (monotonic seconds) of which pictures are wanted."""

    since_s: float


class Trigger:
    """Motion as seen on one stream, asked for on another. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_s: float | None = None
        self._until_s = 0.0
        self._looking_until_s = 0.0
        self._present_until_s = 0.0
        self._boxes: deque[tuple[float, tuple[Box, ...]]] = deque(maxlen=64)

    def look_around(self, at_s: float) -> None:
        """Want pictures for a few seconds although nothing has moved yet."""
        with self._lock:
            if self._started_s is None or at_s > self._until_s:
                self._started_s = at_s
            self._looking_until_s = at_s + FIRST_LOOK_S
            self._until_s = max(self._until_s, self._looking_until_s)

    def saw(self, motion: Motion, *, at_s: float, utc_s: float) -> None:
        """Note what moved in a picture that arrived at ``at_s`` and was taken at ``utc_s``."""
        with self._lock:
            # Looks that found nothing too: what came after one was not there before it.
            self._boxes.append((utc_s, motion.boxes))
            if motion.boxes:
                self._present_until_s = at_s + LINGER_S
            if motion.active:
                if self._started_s is None or at_s > self._until_s:
                    self._started_s = at_s
                    self._until_s = at_s
                if motion.boxes:
                    self._until_s = max(self._until_s, at_s + LINGER_S)
            elif motion.boxes and at_s >= self._looking_until_s:
                self._until_s = min(self._until_s, at_s + STANDING_S)

    def wanted(self, now_s: float) -> Wanted | None:
        """Since when pictures are wanted, or None when nothing moves."""
        with self._lock:
            if self._started_s is None or now_s > self._until_s:
                return None
            return Wanted(self._started_s - PRE_ROLL_S)

    def present(self, now_s: float) -> bool:
        """Whether something is there that need not move: worth a look at key frames."""
        with self._lock:
            return self._started_s is not None and now_s <= self._present_until_s

    def boxes_at(self, utc_s: float) -> tuple[Box, ...]:
        """What was there at about that moment (shares of the picture)."""
        with self._lock:
            best = min(self._boxes, key=lambda item: abs(item[0] - utc_s), default=None)
        if best is None or abs(best[0] - utc_s) > _BOXES_VALID_S:
            return ()
        return best[1]
