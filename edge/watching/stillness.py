"""Tells from the sizes of coded pictures whether the next look at a still scene may wait."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt
from statistics import median

UNPROVED_WAIT_S = 1.05
"""At most so long until something that moved has shown in the sizes of this camera."""
LONGEST_WAIT_S = 2.4
"""At most so long at all: most cameras send a key frame every two seconds."""
CALM_S = 3.0
"""Where something was a moment ago, nothing waits for so long."""

_GROUPS = 6
_FEWEST_GROUPS = 3
_LONGEST_GROUP = 300
_ALLOWANCE = 1.0
_ALARM = 6.0
"""Page's cumulative sum (1954), in deviations of this camera: what exceeds the ordinary by more
than the allowance adds up, and so much in all is no accident."""
_LEAST_DEVIATION = 0.001
"""Share of a key frame: no camera is steadier than its next change of light."""
_SHOWS_AT = 5.0
"""A thing shows when its place costs so many deviations in a key frame, which describes all of
the picture anew. As it moves it costs about half of that, so five pictures raise the alarm."""
_SAYS_NOTHING = 0.5
"""Where only what fills half of the picture would show, sizes say nothing."""
_ASPECT = 0.6
_LENGTHS_PER_S = 3.1
"""A car from the side, at 50 km/h: its area as share of the picture is so many times the square
of its width, and it moves so many times its own length in a second. Few things are faster."""
_PROOF_PICTURES = 10
_BLIND = 2
"""After so many movements in a row that should have shown and did not, nothing waits."""


@dataclass(frozen=True, slots=True)
class _Ordinary:
    """A group of pictures while nothing moves; sizes in bytes.

    ``expected``: of each picture after the key frame. ``shows``: the smallest share of the
    picture that a thing must have so that it shows.
    """

    expected: tuple[float, ...]
    deviation: float
    shows: float
    seconds: float

    @classmethod
    def of(cls, groups: deque[_Group]) -> _Ordinary | None:
        """What a few groups have in common; None when they have too little."""
        length = max(len(group.sizes) for group in groups)
        places = [[g.sizes[i] for g in groups if i < len(g.sizes)] for i in range(length)]
        places = [place for place in places if len(place) >= _FEWEST_GROUPS]
        # From one group to the next, so that what changes slowly is no noise.
        steps = sorted(abs(a - b) / sqrt(2) for place in places for a, b in pairwise(place))
        if not steps:
            return None
        key = max(1.0, median(group.key for group in groups))
        # The usual and the rare ones, as deviations of a normal distribution.
        usual, rare = steps[len(steps) // 2] / 0.6745, steps[len(steps) * 9 // 10] / 1.645
        deviation = max(1.0, usual, rare, _LEAST_DEVIATION * key)
        return cls(
            expected=tuple(median(place) for place in places),
            deviation=deviation,
            shows=min(1.0, _SHOWS_AT * deviation / key),
            seconds=median(group.seconds for group in groups),
        )

    def stride(self, longest_s: float) -> int:
        """After how many pictures to look again, the looks of a group evenly apart.

        At most ``longest_s``, and before whatever is too small to show has crossed the picture. 0:
        nothing may wait.
        """
        if self.shows > _SAYS_NOTHING:
            return 0
        width = sqrt(self.shows / _ASPECT)
        crossing_s = (1 + width) / (_LENGTHS_PER_S * width)
        looks = ceil(self.seconds / min(longest_s, crossing_s))
        return ceil((1 + len(self.expected)) / max(1, looks))


@dataclass(slots=True)
class _Group:
    """The sizes of a key frame and of the pictures up to the next, in bytes."""

    key: int
    at_s: float
    sizes: list[int]
    seconds: float = 0.0
    is_clean: bool = True
    """Every look at it found nothing."""


class Stillness:
    """The sizes of one stream's pictures: what is ordinary while nothing moves, and what is not.

    A picture is compared with those in the same place of earlier groups (key frame to key frame)
    in which every look found nothing. How much these differ by themselves says how small a
    thing would show, and so how soon it could be out of sight again: looks may be as far apart
    as that. Smaller things stay longer in view and are found at the next look.

    Rate control that hides motion in the quality instead is found out: what moves and is large
    enough must show within ten pictures, or nothing waits any more. Until it has shown once,
    waits are short.
    """

    def __init__(self) -> None:
        self._proved = False
        self._missed = 0
        self.forget()

    def forget(self) -> None:
        """Another connection: what was ordinary may be so no more; what was proved is kept."""
        self._groups: deque[_Group] = deque(maxlen=_GROUPS)
        self._group: _Group | None = None
        self._before: _Group | None = None
        self._ordinary: _Ordinary | None = None
        self._stride = 0
        self._sum = 0.0
        self._since_look = 0
        self._looked_at_s = 0.0
        self._present_at_s: float | None = None
        self._judged = False
        self._proving: int | None = None

    def packet(self, at_s: float, size: int, *, is_key: bool) -> None:
        """The next picture of the stream: its time in seconds, its size in bytes."""
        self._since_look += 1
        if is_key:
            self._before, self._group = self._group, _Group(size, at_s, [])
            if self._before is not None:
                self._before.seconds = at_s - self._before.at_s
        elif self._group is not None:
            self._compare(size, len(self._group.sizes))
            if len(self._group.sizes) < _LONGEST_GROUP:
                self._group.sizes.append(size)
            else:
                self._group.is_clean = False

    def _compare(self, size: int, place: int) -> None:
        ordinary = self._ordinary
        if ordinary is None:
            return
        if place >= len(ordinary.expected):
            self._sum = 2 * _ALARM  # nobody knows what is ordinary there
        else:
            excess = (size - ordinary.expected[place]) / ordinary.deviation - _ALLOWANCE
            # What is saved after a large picture must not hide it.
            self._sum = max(0.0, self._sum + max(-1.0, excess))
        if self._proving is not None:
            self._proving += 1
            self._prove()

    @property
    def is_alarmed(self) -> bool:
        """More has come since the last look than a still scene needs, or something unknown."""
        return self._sum > _ALARM

    def may_wait(self, at_s: float, *, is_key: bool) -> bool:
        """Whether a look at the packet that came last would tell nothing new yet.

        Key frames never wait: they cost no other picture.
        """
        if is_key or self._stride == 0 or self.is_alarmed or self._missed >= _BLIND:
            return False
        if not 0 <= at_s - self._looked_at_s < LONGEST_WAIT_S:
            return False
        if self._present_at_s is not None and 0 <= at_s - self._present_at_s < CALM_S:
            return False
        return self._since_look < self._stride

    def looked(self, at_s: float, *, area: float, moves: bool) -> None:
        """What the packet that came last showed.

        Args:
            at_s: its time in seconds.
            area: the share of the picture that is not background, 0 to 1.
            moves: whether something of it moves.
        """
        self._since_look, self._looked_at_s = 0, at_s
        if area > 0:
            self._saw(at_s, area=area, moves=moves)
            return
        self._proving = None
        self._sum = 0.0
        if self._group is not None and not self._group.sizes:
            self._learn()

    def _saw(self, at_s: float, *, area: float, moves: bool) -> None:
        if self._present_at_s is None or not 0 <= at_s - self._present_at_s < CALM_S:
            self._judged = False
        self._present_at_s = at_s
        self._before = None
        if self._group is not None:
            self._group.is_clean = False
        ordinary = self._ordinary
        if moves and not self._judged and ordinary is not None and area > 2 * ordinary.shows:
            self._judged, self._proving = True, 0
            self._prove()

    def _prove(self) -> None:
        assert self._proving is not None
        if self.is_alarmed:
            self._proved, self._missed, self._proving = True, 0, None
        elif self._proving > _PROOF_PICTURES:
            self._missed, self._proving = self._missed + 1, None

    def _learn(self) -> None:
        """The group before this key frame is one of a still scene if nothing was seen in it."""
        group, self._before = self._before, None
        if group is None or not group.is_clean or group.seconds <= 0:
            return
        self._groups.append(group)
        if len(self._groups) >= _FEWEST_GROUPS:
            self._ordinary = _Ordinary.of(self._groups)
            longest_s = LONGEST_WAIT_S if self._proved else UNPROVED_WAIT_S
            self._stride = 0 if self._ordinary is None else self._ordinary.stride(longest_s)
