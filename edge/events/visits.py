"""Turns tracks into visits, and decides when a visit is told, told better, and ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from config.event import FaceShot
from config.ids import uuid7
from config.site import Line, Zone
from edge.events.areas import AreaWatch
from edge.events.drafts import Draft, Visit, worth_telling
from edge.events.geometry import Box, foot, is_cut_off, overlap, touches
from edge.events.tracker import ObjectClass, Sighting, Track, Tracker
from edge.watching.movers import NEAR, largest_part, link, split_off, stay_apart
from edge.watching.pictures import Scene
from models.plates.reading import PlateRead, characters_apart

EAGER_S, USUAL_S, CONTENT_S = 0.12, 0.2, 0.4
"""How often pictures are wanted, see :meth:`Visits.appetite_s`."""
_BARE_S = 2.0
"""Something without a plate or face for so long may still show one, but not at once."""


@dataclass(frozen=True, slots=True)
class VisitSettings:
    """All in seconds, except ``sure``, ``better`` (confidence) and ``grown`` (score ratio)."""

    sure: float = 0.9
    settle_s: float = 1.2
    """A plate or face is told this long after it came, or as soon as it is sure."""
    mover_settle_s: float = 4.0
    """Something moving is told this late, because its plate or face may still turn up,"""
    past_best_s: float = 2.0
    """and not before its best shot is so old: what still comes nearer may yet be read;"""
    mover_latest_s: float = 10.0
    """but never later than this."""
    mover_rejoin_s: float = 1.5
    """Something moving that turns up where another was lost within this time is the same."""
    rejoin_s: float = 4.0
    """The same plate seen again within this time has not left."""
    still_s: float = 6.0
    """Something that nothing was seen of for so long, as no pictures came, has gone."""
    revise_s: float = 2.0
    better: float = 0.1
    grown: float = 1.5


@dataclass(frozen=True, slots=True)
class PlateItem:
    """What a plate sighting carries: its read, and its width in pixels."""

    read: PlateRead | None
    width_px: float


@dataclass(frozen=True, slots=True)
class FaceItem:
    """What a face sighting carries: how well it is seen, and a way to ask whose it is."""

    shot: FaceShot
    who: Callable[[], str | None] | None = None
    """None where the camera's policy allows no identity; asked of the best shots only."""

    def told(self) -> FaceShot:
        """The shot as it is told, with the home's member that it shows."""
        member = self.who() if self.who is not None else None
        return self.shot if member is None else self.shot.model_copy(update={"member": member})


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

    def change_areas(self, zones: Sequence[Zone], lines: Sequence[Line]) -> None:
        """Watch other zones and lines, also for what is in the picture now."""
        self._zones, self._lines = zones, lines
        for visit in self.open:
            if visit.areas is not None:
                visit.areas.change(zones, lines)

    def forget(self, kind: ObjectClass) -> None:
        """End all visits of a kind without a word; what was told of them stays told."""
        for visit in [one for one in self.open if one.object_class is kind]:
            visit.closed = True
            self._visits.pop(visit.track, None)
            if visit in self._waiting:
                self._waiting.remove(visit)
        self._tracker.drop([one for one in self._tracker.tracks if one.object_class is kind])

    def forget_members(self) -> None:
        """Nobody's identity may be known any more; who was told as a member is told anew."""
        for visit in self.open:
            if visit.member() is not None and visit.face is not None:
                visit.face = visit.face.model_copy(update={"member": None})

    @property
    def open(self) -> tuple[Visit, ...]:
        """Visits that have not ended."""
        return (*self._visits.values(), *self._waiting)

    def places(self, at: datetime) -> list[Box]:
        """Where what is followed should be at ``at``."""
        return [
            track.expected((at - track.last_seen).total_seconds()) for track in self._tracker.tracks
        ]

    def see(self, scene: Scene, sightings: Sequence[Sighting]) -> list[Draft]:
        """Take in one analysed picture; returns what is to be told now."""
        step = self._tracker.update(scene.at, sightings)
        drafts: list[Draft] = []
        seen: list[tuple[Visit, Box]] = []
        for track, sighting in step.seen:
            visit = self._follow(track, sighting, scene.at)
            self._take_in(visit, sighting, scene)
            drafts.extend(self._area_drafts(visit, sighting, scene))
            seen.append((visit, sighting.box))
        link(seen)
        for track in step.lost:
            self._lose(track)
        return drafts + self.tick(scene.at)

    def glance(self, at: datetime, moving: Sequence[Sighting]) -> list[Draft]:
        """Follow what moved at a time of which there is no picture; plates are where they were."""
        step = self._tracker.update(at, moving, looked_for={ObjectClass.MOVER})
        for track, sighting in step.seen:
            self._follow(track, sighting, at)
        for track in step.lost:
            self._lose(track)
        return self.tick(at)

    def appetite_s(self) -> float:
        """Seconds between the pictures that are worth looking at now.

        Many while a plate or face comes nearer and is not yet sure, few when all that is there is
        known (a parked car, or a driver who waits at the gate) or has shown neither for a while.
        What stays unreadable looks no better the more often it is looked at.
        """
        carried = [v for v in self._visits.values() if v.object_class is not ObjectClass.MOVER]
        if any(self._is_promising(visit) for visit in carried):
            return EAGER_S
        movers = [v for v in self._visits.values() if v.object_class is ObjectClass.MOVER]
        if all(mover.explained() or mover.stay_s() > _BARE_S for mover in movers):
            return CONTENT_S if self._visits else USUAL_S
        return USUAL_S

    def _is_promising(self, visit: Visit) -> bool:
        """Whether it is not sure yet, and was seen better than ever a moment ago."""
        if visit.shot is None or self._is_sure(visit):
            return visit.shot is None
        past_best_s = (visit.last_seen - visit.shot.at).total_seconds()
        return past_best_s < self._settings.past_best_s

    def _is_sure(self, visit: Visit) -> bool:
        if visit.object_class is ObjectClass.FACE:
            return visit.told is not None
        plate = visit.told_plate()
        return plate is not None and plate.confidence >= self._settings.sure

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
        """End every visit that is open and forget all: the camera stops, or the clock did."""
        ending = sorted(self.open, key=lambda visit: visit.object_class is ObjectClass.MOVER)
        self._tracker = Tracker()
        self._visits.clear()
        self._waiting.clear()
        return [draft for visit in ending for draft in _close(visit, now)]

    def _visit_of(self, track: Track, sighting: Sighting, at: datetime) -> Visit:
        visit = self._visits.get(track.number)
        if visit is None:
            is_mover = sighting.object_class is ObjectClass.MOVER
            lost = self._lost_mover(sighting.box, at) if is_mover else None
            if lost is not None:
                self._waiting.remove(lost)
                return self._adopt(lost, track.number)
            visit = Visit(
                id=uuid7(at),
                object_class=sighting.object_class,
                track=track.number,
                started_at=track.first_seen,
                last_seen=at,
                came=sighting.box,
                areas=AreaWatch(self._zones, self._lines) if is_mover else None,
            )
            if is_mover:
                split_off(visit, sighting.box, self._visits.values())
            self._visits[track.number] = visit
        if visit.told is None and visit.object_class is ObjectClass.PLATE and track.text:
            return self._rejoined(visit, track, at)
        return visit

    def _lost_mover(self, box: Box, at: datetime) -> Visit | None:
        """Something that moved and was lost near ``box`` a moment ago."""
        near = [
            visit
            for visit in self._waiting
            if visit.object_class is ObjectClass.MOVER
            and 0 < (at - visit.last_seen).total_seconds() <= self._settings.mover_rejoin_s
            and touches(visit.box, box, reach=NEAR)
        ]
        return max(near, key=lambda visit: overlap(visit.box, box), default=None)

    def _adopt(self, visit: Visit, track: int) -> Visit:
        """Let ``visit`` go on under another track."""
        visit.track, visit.gone = track, False
        self._visits[track] = visit
        return visit

    def _rejoined(self, visit: Visit, track: Track, at: datetime) -> Visit:
        """The visit this plate was on a moment ago under another track, or ``visit``."""
        in_picture = {one.number for one in self._tracker.tracks if one.last_seen >= at}
        for earlier in self.open:
            if (
                earlier.track in in_picture
                or earlier.object_class is not ObjectClass.PLATE
                or (at - earlier.last_seen).total_seconds() > self._settings.rejoin_s
            ):
                continue
            plate = earlier.plate()
            if plate is None or not self._is_same(plate, track):
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

    def _is_same(self, plate: PlateRead, track: Track) -> bool:
        """Whether a track reads as ``plate``: one character may be wrong, unless both are sure."""
        ours, theirs = plate.text, track.text
        both_sure = min(plate.confidence, track.text_confidence) >= self._settings.sure
        wrong = 0 if both_sure else 1
        return len(ours) == len(theirs) and characters_apart(ours, theirs) <= wrong

    def _follow(self, track: Track, sighting: Sighting, at: datetime) -> Visit:
        """The visit of a track, where it is now."""
        visit = self._visit_of(track, sighting, at)
        visit.hits += 1
        stay_apart(visit, sighting.box, (at - visit.last_seen).total_seconds())
        visit.last_seen, visit.box = at, sighting.box
        visit.path = tuple(track.path)
        return visit

    def _take_in(self, visit: Visit, sighting: Sighting, scene: Scene) -> None:
        """What a picture shows of it: a read, a face, perhaps its best shot."""
        score = _score(sighting)
        item = sighting.item
        # A plate that the border cuts reads as a shorter or another one.
        of_use = not is_cut_off(sighting.box) or not visit.reads
        if isinstance(item, PlateItem) and item.read is not None and item.read.text and of_use:
            visit.add_read(item.read)
        better = visit.shot is None or score > visit.shot.score * 1.1
        if better:
            visit.shot = scene.shot(sighting.box, sighting.object_class, score)
            if isinstance(item, FaceItem):
                visit.face = item.told()

    def _area_drafts(self, visit: Visit, sighting: Sighting, scene: Scene) -> list[Draft]:
        if visit.areas is None:
            return []
        return [
            Draft(
                visit=uuid7(scene.at),
                at=scene.at,
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
        if visit is None:
            return
        part = largest_part(visit, self._visits.values())
        if part is not None:
            # The piece that goes on is the thing itself.
            part.closed = True
            part.carries.clear()
            self._adopt(visit, part.track)
            return
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
            return visit.told is None and self._settled(visit) and worth_telling(visit)
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
        if visit.member() != visit.told.member:
            return True
        if plate is not None and plate.confidence > visit.told.confidence + settings.better:
            return True
        return visit.shot.score > visit.told.score * settings.grown

    def _settled(self, visit: Visit) -> bool:
        """Whether something that goes on moving has been waited for long enough."""
        stay, settings = visit.stay_s(), self._settings
        if visit.shot is None or visit.undecided() or stay < settings.mover_settle_s:
            return False
        past = (visit.last_seen - visit.shot.at).total_seconds()
        return past >= settings.past_best_s or stay >= settings.mover_latest_s

    def _over(self, visit: Visit, now: datetime) -> bool:
        """Whether a visit without a track has ended for good."""
        unseen_s = (now - visit.last_seen).total_seconds()
        if visit.object_class is ObjectClass.PLATE:
            return unseen_s > self._settings.rejoin_s
        if visit.object_class is ObjectClass.MOVER:
            return unseen_s > self._settings.mover_rejoin_s and not visit.undecided()
        return True


def _close(visit: Visit, now: datetime) -> list[Draft]:
    visit.closed = True
    tell = visit.told is not None or worth_telling(visit)
    drafts = [visit.draft(now, ended=True)] if tell else []
    # What it was seen on may remember it for hours, its pictures need not be remembered.
    visit.shot, visit.reads = None, []
    return drafts


def _score(sighting: Sighting) -> float:
    """How good a picture this sighting would be, higher is better; 0 for a poor one.

    Plate: sure and large. Face: its quality. Something moving: large, and whole in the picture.
    """
    item = sighting.item
    if isinstance(item, PlateItem):
        confidence = item.read.confidence if item.read is not None else 0.0
        whole = 0.2 if is_cut_off(sighting.box) else 1.0
        return (0.05 + confidence) * min(1.0, item.width_px / 200) * whole
    if isinstance(item, FaceItem):
        return item.shot.quality * (0.5 if is_cut_off(sighting.box) else 1.0)
    width, height = sighting.box[2:]
    return width * height * (0.5 if is_cut_off(sighting.box) else 1.0)
