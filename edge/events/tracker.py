"""Follows objects from picture to picture by overlap and distance; pure, one per camera."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from edge.events.geometry import Box, Point, centre, iou
from models.plates.reading import characters_apart

PATH_POINTS = 64
_TEXT_SURE = 0.6
_TEXT_CERTAIN = 0.9
"""How sure two reads must be to be of two plates although both lie where one would."""


class ObjectClass(StrEnum):
    """What is followed; objects of different classes never match."""

    PLATE = "plate"
    FACE = "face"
    MOVER = "mover"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object in one picture.

    ``box`` in shares; ``score`` 0..1; ``text`` a plate's reading and ``text_confidence`` its
    weakest character, both of which help to tell two near plates apart; ``item`` whatever the
    caller wants back.
    """

    object_class: ObjectClass
    box: Box
    score: float
    text: str = ""
    text_confidence: float = 0.0
    item: object | None = None


@dataclass(slots=True)
class Track:
    """One object over time. ``unseen_s`` counts only time that was looked at."""

    number: int
    object_class: ObjectClass
    box: Box
    first_seen: datetime
    last_seen: datetime
    text: str = ""
    text_confidence: float = 0.0
    hits: int = 1
    unseen_s: float = 0.0
    velocity: Point = (0.0, 0.0)
    path: list[Point] = field(default_factory=list)

    def expected(self, seconds: float) -> Box:
        """Where the object should be ``seconds`` after it was last seen."""
        ahead = min(seconds, 1.0)
        x, y, width, height = self.box
        return x + self.velocity[0] * ahead, y + self.velocity[1] * ahead, width, height


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """``reach`` is in box sizes; an unseen object is lost after ``lost_after_s``."""

    min_iou: float = 0.1
    reach: float = 2.0
    plate_reach: float = 4.0
    """A plate is small beside the car that carries it: it moves several widths per picture."""
    lost_after_s: float = 1.2
    in_place_iou: float = 0.3
    in_place_s: float = 0.3
    """So soon nothing else can be where something is expected, whatever a small plate reads as."""
    face_gap_s: float = 30.0
    """A face where one was longer ago, with no picture since, may be another's: no text tells."""
    longest_gap_s: float = 0.6
    """A longer gap between pictures was not looked at: it makes nobody unseen."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one picture changed: pairs that matched or began, and tracks that were lost."""

    seen: tuple[tuple[Track, Sighting], ...]
    lost: tuple[Track, ...]


class Tracker:
    """Feed it the sightings of each picture, in order of time."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._tracks: list[Track] = []
        self._next = 1
        self._at: dict[ObjectClass, datetime] = {}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Everything followed now."""
        return tuple(self._tracks)

    def update(
        self,
        at: datetime,
        sightings: Sequence[Sighting],
        *,
        looked_for: Collection[ObjectClass] = frozenset(ObjectClass),
    ) -> Step:
        """Match one picture taken at ``at``; a time before the last picture's is taken as it.

        ``looked_for``: what was; nothing else can have gone unseen.
        """
        at = max([at, *self._at.values()])
        elapsed = {one: (at - self._at.get(one, at)).total_seconds() for one in looked_for}
        self._at |= dict.fromkeys(looked_for, at)
        seen = self._match(at, sightings)
        matched = {track.number for track, _ in seen}
        for track in self._tracks:
            if track.number not in matched:
                unseen_s = elapsed.get(track.object_class, 0.0)
                track.unseen_s += min(unseen_s, self._settings.longest_gap_s)
        lost = tuple(t for t in self._tracks if t.unseen_s > self._settings.lost_after_s)
        self._tracks = [t for t in self._tracks if t.unseen_s <= self._settings.lost_after_s]
        return Step(seen=tuple(seen), lost=lost)

    def drop(self, tracks: Sequence[Track]) -> None:
        """Stop following these."""
        numbers = {track.number for track in tracks}
        self._tracks = [track for track in self._tracks if track.number not in numbers]

    def _match(self, at: datetime, sightings: Sequence[Sighting]) -> list[tuple[Track, Sighting]]:
        pairs = sorted(
            (
                (cost, t, s)
                for t, track in enumerate(self._tracks)
                for s, sighting in enumerate(sightings)
                if (cost := self._cost(track, sighting, at)) is not None
            ),
        )
        taken_tracks: set[int] = set()
        taken: dict[int, Track] = {}
        for _, t, s in pairs:
            if t not in taken_tracks and s not in taken:
                taken_tracks.add(t)
                taken[s] = self._tracks[t]
        seen: list[tuple[Track, Sighting]] = []
        for s, sighting in enumerate(sightings):
            track = taken.get(s)
            if track is None:
                track = self._begin(at, sighting)
            else:
                _continue(track, sighting, at)
            seen.append((track, sighting))
        return seen

    def _begin(self, at: datetime, sighting: Sighting) -> Track:
        track = Track(
            number=self._next,
            object_class=sighting.object_class,
            box=sighting.box,
            first_seen=at,
            last_seen=at,
            text=sighting.text,
            text_confidence=sighting.text_confidence,
            path=[centre(sighting.box)],
        )
        self._next += 1
        self._tracks.append(track)
        return track

    def _cost(self, track: Track, sighting: Sighting, at: datetime) -> float | None:
        """Smaller is better; None when they cannot be the same object."""
        if track.object_class is not sighting.object_class:
            return None
        settings = self._settings
        elapsed_s = (at - track.last_seen).total_seconds()
        if track.object_class is ObjectClass.FACE and elapsed_s > settings.face_gap_s:
            return None
        expected = track.expected(elapsed_s)
        where = iou(expected, sighting.box)
        in_place = where >= settings.in_place_iou and elapsed_s <= settings.in_place_s
        alike = _text_alike(track, sighting, sure=_TEXT_CERTAIN if in_place else _TEXT_SURE)
        if alike is False:
            return None
        overlap = max(where, iou(track.box, sighting.box))
        reach = settings.reach
        if track.object_class is ObjectClass.PLATE:
            reach = settings.plate_reach * (1.5 if alike else 1.0)
        away = min(_steps(expected, sighting.box), _steps(track.box, sighting.box))
        if overlap < settings.min_iou and away > reach:
            return None
        return (1.0 - overlap) + away / reach - (0.5 if alike else 0.0)


def _steps(first: Box, second: Box) -> float:
    """Distance of two boxes' centres, in units of their mean size on each axis.

    Height counts as at least half of the width, or a plate could move sideways only.
    """
    (x1, y1), (x2, y2) = centre(first), centre(second)
    width = max((first[2] + second[2]) / 2, 1e-6)
    height = max((first[3] + second[3]) / 2, width / 2)
    return float((((x1 - x2) / width) ** 2 + ((y1 - y2) / height) ** 2) ** 0.5)


def _text_alike(track: Track, sighting: Sighting, *, sure: float) -> bool | None:
    """True: reads as the same plate; False: both are so sure, and another; None: cannot tell."""
    ours, theirs = track.text, sighting.text
    if not ours or not theirs:
        return None
    differing = characters_apart(ours, theirs)
    if differing <= 1:
        return True
    both_sure = min(track.text_confidence, sighting.text_confidence) >= sure
    return False if differing >= 3 and both_sure else None


def _continue(track: Track, sighting: Sighting, at: datetime) -> None:
    seconds = (at - track.last_seen).total_seconds()
    old, new = centre(track.box), centre(sighting.box)
    if 0 < seconds <= 1.5:
        velocity = ((new[0] - old[0]) / seconds, (new[1] - old[1]) / seconds)
        keep = 0.0 if track.hits == 1 else 0.4
        track.velocity = (
            keep * track.velocity[0] + (1 - keep) * velocity[0],
            keep * track.velocity[1] + (1 - keep) * velocity[1],
        )
    elif seconds > 1.5:
        track.velocity = (0.0, 0.0)
    track.box = sighting.box
    track.last_seen = at
    track.hits += 1
    track.unseen_s = 0.0
    if sighting.text_confidence >= track.text_confidence and sighting.text:
        track.text, track.text_confidence = sighting.text, sighting.text_confidence
    track.path.append(new)
    if len(track.path) > PATH_POINTS:
        # Keep the whole way, at half the detail; the last point stays.
        track.path[:] = [*track.path[:-1:2], track.path[-1]]
