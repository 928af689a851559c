"""Whether a camera's big pictures are wanted now: shared by its sub and main stream threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

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
_MOST_SPANS = 16
MOST_GLANCES = 16
_WORTH_GOING_BACK_S = 1.0
_REST_S = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """From and to which moment (monotonic seconds) pictures are wanted."""

    since_s: float
    until_s: float

    def has(self, at_s: float) -> bool:
        """Whether a picture of that moment is."""
        return self.since_s <= at_s <= self.until_s


@dataclass(frozen=True, slots=True)
class Glance:
    """What moved (shares of the picture) in a picture taken at ``utc_s``, seen small only."""

    utc_s: float
    boxes: tuple[Box, ...]


@dataclass(slots=True)
class _Span:
    """Something moved from ``started_s`` on, and is looked at until ``until_s``."""

    started_s: float
    until_s: float


class Trigger:
    """Motion as seen on one stream, asked for on another. Thread-safe.

    Either stream may be read seconds behind the other, so what was wanted stays wanted until it
    is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: deque[_Span] = deque(maxlen=_MOST_SPANS)
        self._looked_at_s = 0.0
        self._looking_until_s = 0.0
        self._present_until_s = 0.0
        self._glances: deque[Glance] = deque(maxlen=128)

    def look_around(self, at_s: float) -> None:
        """Want pictures for a few seconds although nothing has moved yet."""
        with self._lock:
            self._looking_until_s = at_s + FIRST_LOOK_S
            span = self._span(at_s)
            span.until_s = max(span.until_s, self._looking_until_s)

    def saw(self, motion: Motion, *, at_s: float, utc_s: float) -> None:
        """Note what moved in a picture sent at ``at_s`` and taken at ``utc_s``."""
        with self._lock:
            # Looks that found nothing too: what came after one was not there before it.
            self._glances.append(Glance(utc_s, motion.boxes))
            self._looked_at_s = at_s
            if motion.boxes:
                self._present_until_s = at_s + LINGER_S
            if motion.active:
                span = self._span(at_s)
                if motion.boxes:
                    span.until_s = max(span.until_s, at_s + LINGER_S)
            elif motion.boxes and self._spans and at_s >= self._looking_until_s:
                span = self._spans[-1]
                span.until_s = min(span.until_s, at_s + STANDING_S)

    def _span(self, at_s: float) -> _Span:
        """What goes on at that moment; a new span where the last has ended."""
        if not self._spans or at_s > self._spans[-1].until_s:
            self._spans.append(_Span(at_s, at_s))
        return self._spans[-1]

    def wanted(self, now_s: float, done_s: float = -inf) -> Wanted | None:
        """The first stretch of which pictures are wanted that were sent before now, or None.

        It is one that goes on, or an earlier one of which we heard late.

        Args:
            now_s: the moment of the latest picture that there is.
            done_s: pictures up to this moment were looked at, and are not wanted again.
        """
        with self._lock:
            for span in self._spans:
                wanted = Wanted(max(span.started_s - PRE_ROLL_S, done_s), span.until_s)
                if wanted.has(now_s) or (span.until_s < now_s and self._is_missed(wanted)):
                    return wanted
        return None

    def _is_missed(self, past: Wanted) -> bool:
        """Whether there is enough left of it, which will not grow, to go back for it."""
        left_s = past.until_s - past.since_s
        return left_s > (_REST_S if self._looked_at_s > past.until_s else _WORTH_GOING_BACK_S)

    def present(self, now_s: float) -> bool:
        """Whether something is there that need not move: worth a look at key frames."""
        with self._lock:
            return bool(self._spans) and self._spans[0].started_s <= now_s <= self._present_until_s

    def boxes_at(self, utc_s: float) -> tuple[Box, ...]:
        """What was there at about that moment (shares of the picture)."""
        with self._lock:
            best = min(self._glances, key=lambda one: abs(one.utc_s - utc_s), default=None)
        if best is None or abs(best.utc_s - utc_s) > _BOXES_VALID_S:
            return ()
        return best.boxes

    def glances(self, after_s: float, before_s: float, *, apart_s: float) -> list[Glance]:
        """What was seen moving between two moments (Unix seconds) that are further apart.

        The newest ``MOST_GLANCES``, each ``apart_s`` from the one before it and from both ends.
        """
        with self._lock:
            between = [one for one in self._glances if after_s < one.utc_s <= before_s - apart_s]
        chosen: list[Glance] = []
        for one in between:
            if one.utc_s - (chosen[-1].utc_s if chosen else after_s) >= apart_s:
                chosen.append(one)
        return chosen[-MOST_GLANCES:]


def most_of(glances: Sequence[Glance]) -> Glance:
    """The one that shows most things, of such the largest, of such the last; one is given."""
    return max(
        reversed(glances), key=lambda one: (len(one.boxes), sum(w * h for _, _, w, h in one.boxes))
    )
