"""Turns tracks into visits, and decides when a visit is told, told better, and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.event import FaceShot
from config.ids import uuid7
from config.site import Line, Zone
from edge.areas import AreaWatch
from edge.drafts import Draft, Visit, worth_telling
from edge.geometry import Box, centre, foot, holds
from edge.pictures import Scene
from edge.tracker import ObjectClass, Sighting, Track, Tracker
from models.plates.reading import PlateRead


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """All in seconds, except ``sure``, ``better`` (confidence) and ``grown`` (score ratio)."""

    sure: float = 0.9
    settle_s: float = 1.2
    """A plate or face is told this long after it came, or as soon as it is sure."""
    mover_settle_s: float = 4.0
    """Something moving is told this late, because its plate or face may still turn up."""
    rejoin_s: float = 4.0
    """The same plate seen again within this time has not left."""
    still_s: float = 2.5
    """Something that has not moved for so long has stopped moving."""
    revise_s: float = 2.0
    better: float = 0.1
    grown: float = 1.5


@dataclass(frozen=True, slots=True)
class PlateItem:
    """What a plate sighting carries: its read, and its width in pixels."""

    read: PlateRead | None
    width_px: float


class Visits:
    """The visits of one camera. All times are frame time (UTC); nothing here reads a clock."""

    def __init__(
        self,
        *,
        zones: Sequence[Zone] = (),
        lines: Sequence[Line] = (),
        settings: VisitSettings | None = None,
    ) -> None:
        self._zones = zones
        self._lines = lines
        self._settings = settings or VisitSettings()
        self._tracker = Tracker()
        self._visits: dict[int, Visit] = {}
        self._waiting: list[Visit] = []

    @property
    def open(self) -> tuple[Visit, ...]:
        """Visits that have not ended."""
        return (*self._visits.values(), *self._waiting)

    def see(self, scene: Scene, sightings: Sequence[Sighting]) -> list[Draft]:
        """Take in one analysed picture; returns what is to be told now."""
        step = self._tracker.update(scene.at, sightings)
        drafts: list[Draft] = []
        seen: list[tuple[Visit, Box]] = []
        for track, sighting in step.seen:
            visit = self._visit_of(track, sighting, scene.at)
            self._take_in(visit, track, sighting, scene)
            drafts.extend(self._area_drafts(visit, sighting, scene))
            seen.append((visit, sighting.box))
        _link(seen)
        for track in step.lost:
            self._lose(track)
        return drafts + self.tick(scene.at)

    def tick(self, now: datetime) -> list[Draft]:
        """What is to be told because time has passed; call it also while nothing moves."""
        self._stop_movers(now)
        drafts: list[Draft] = []
        for visit in self._visits.values():
            if self._due(visit, now):
                drafts.append(visit.draft(now, ended=False))
        for visit in list(self._waiting):
            if self._over(visit, now):
                self._waiting.remove(visit)
                drafts.extend(_close(visit, now))
        return drafts

    def finish(self, now: datetime) -> list[Draft]:
        """The camera or the node stops: end every visit that is open."""
        ending = sorted(self.open, key=lambda visit: visit.object_class is ObjectClass.MOVER)
        self._visits.clear()
        self._waiting.clear()
        return [draft for visit in ending for draft in _close(visit, now)]

    def _visit_of(self, track: Track, sighting: Sighting, at: datetime) -> Visit:
        visit = self._visits.get(track.number)
        if visit is None:
            is_mover = sighting.object_class is ObjectClass.MOVER
            visit = Visit(
                id=uuid7(at),
                object_class=sighting.object_class,
                track=track.number,
                started_at=track.first_seen,
                last_seen=at,
                areas=AreaWatch(self._zones, self._lines) if is_mover else None,
            )
            self._visits[track.number] = visit
        if visit.told is None and visit.object_class is ObjectClass.PLATE and track.text:
            return self._rejoined(visit, track, at)
        return visit

    def _rejoined(self, visit: Visit, track: Track, at: datetime) -> Visit:
        """The visit this plate was on a moment ago under another track, or ``visit``."""
        for earlier in self.open:
            if (
                earlier is visit
                or earlier.object_class is not ObjectClass.PLATE
                or earlier.last_seen >= at
                or (at - earlier.last_seen).total_seconds() > self._settings.rejoin_s
            ):
                continue
            plate = earlier.plate()
            if plate is None or not _same_text(plate.text, track.text):
                continue
            self._visits.pop(earlier.track, None)
            if earlier in self._waiting:
                self._waiting.remove(earlier)
            for read in visit.reads:
                earlier.add_read(read)
            earlier.hits += visit.hits
            earlier.track, earlier.gone = track.number, False
            visit.closed = True
            self._visits[track.number] = earlier
            return earlier
        return visit

    def _take_in(self, visit: Visit, track: Track, sighting: Sighting, scene: Scene) -> None:
        visit.hits += 1
        visit.last_seen = scene.at
        visit.path = tuple(track.path)
        score = _score(sighting)
        item = sighting.item
        if isinstance(item, PlateItem) and item.read is not None and item.read.text:
            visit.add_read(item.read)
        better = visit.shot is None or score > visit.shot.score * 1.1
        if better:
            visit.shot = scene.shot(sighting.box, sighting.object_class, score)
            if isinstance(item, FaceShot):
                visit.face = item

    def _area_drafts(self, visit: Visit, sighting: Sighting, scene: Scene) -> list[Draft]:
        if visit.areas is None:
            return []
        return [
            Draft(
                visit=uuid7(scene.at),
                revision=0,
                kind=hit.kind,
                started_at=visit.started_at,
                ended_at=None,
                shot=scene.shot(sighting.box, sighting.object_class, 1.0),
                path=visit.path,
                zone=hit.area,
            )
            for hit in visit.areas.moved(foot(sighting.box), scene.at)
        ]

    def _lose(self, track: Track) -> None:
        visit = self._visits.pop(track.number, None)
        if visit is not None:
            visit.gone = True
            self._waiting.append(visit)

    def _stop_movers(self, now: datetime) -> None:
        stopped = [
            track
            for track in self._tracker.tracks
            if track.object_class is ObjectClass.MOVER
            and (now - track.last_seen).total_seconds() > self._settings.still_s
        ]
        self._tracker.drop(stopped)
        for track in stopped:
            self._lose(track)

    def _due(self, visit: Visit, now: datetime) -> bool:
        """Whether a visit that goes on is to be told, or told better, now."""
        settings = self._settings
        if visit.object_class is ObjectClass.MOVER:
            return (
                visit.told is None
                and visit.stay_s() >= settings.mover_settle_s
                and not visit.undecided()
                and worth_telling(visit)
            )
        if not worth_telling(visit):
            return False
        plate = visit.plate()
        if visit.told is None:
            sure = plate is not None and plate.confidence >= settings.sure and visit.hits >= 3
            return sure or visit.age_s(now) >= settings.settle_s
        if (now - visit.told.at).total_seconds() < settings.revise_s or visit.shot is None:
            return False
        if plate is not None and plate.text != visit.told.text:
            return True
        if plate is not None and plate.confidence > visit.told.confidence + settings.better:
            return True
        return visit.shot.score > visit.told.score * settings.grown

    def _over(self, visit: Visit, now: datetime) -> bool:
        """Whether a visit without a track has ended for good."""
        if visit.object_class is ObjectClass.PLATE:
            return (now - visit.last_seen).total_seconds() > self._settings.rejoin_s
        return not visit.undecided()


def _close(visit: Visit, now: datetime) -> list[Draft]:
    visit.closed = True
    if visit.told is None and not worth_telling(visit):
        return []
    return [visit.draft(now, ended=True)]


def _score(sighting: Sighting) -> float:
    """How good a picture this sighting would be, higher is better; 0 for a poor one.

    Plate: sure and large. Face: its quality. Something moving: large, and whole in the picture.
    """
    item = sighting.item
    if isinstance(item, PlateItem):
        confidence = item.read.confidence if item.read is not None else 0.0
        return (0.05 + confidence) * min(1.0, item.width_px / 160)
    if isinstance(item, FaceShot):
        return item.quality
    x, y, width, height = sighting.box
    cut_off = x <= 0.005 or y <= 0.005 or x + width >= 0.995 or y + height >= 0.995
    return width * height * (0.5 if cut_off else 1.0)


def _same_text(first: str, second: str) -> bool:
    differing = sum(a != b for a, b in zip(first, second, strict=False))
    return len(first) == len(second) and differing <= 1


def _link(seen: Sequence[tuple[Visit, Box]]) -> None:
    """Tie plates and faces to the moving thing they are on."""
    for mover, box in seen:
        if mover.object_class is not ObjectClass.MOVER:
            continue
        for visit, inner in seen:
            on_it = visit.object_class is not ObjectClass.MOVER and holds(box, centre(inner))
            if on_it and visit not in mover.carries:
                mover.carries.append(visit)
