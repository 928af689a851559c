"""What the tracker's tracks come to: one draft of an event per object and visit, and revisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from config.event import EventKind, FaceShot
from edge.events.areas import AreaWatch
from edge.events.geometry import Box, Point, centre, is_cut_off
from edge.events.tracker import ObjectClass
from edge.watching.pictures import Shot
from models.plates.fuse import fuse_reads
from models.plates.reading import PlateRead

MAX_READS = 40
_MIN_TEXT = 5
_MIN_CONFIDENCE = 0.2
_SURE_CHARACTERS = 4
"""Or so many characters that are likelier than not: dirt on one leaves a plate worth telling, and
some plates are of no kind that the grammar knows."""
_STANDING_CONFIDENCE = 0.35
"""What is written on the picture itself (a camera's name, its clock) reads as a plate against the
grammar, or as one of at most 0.3: in 400 pictures with two such lines each, 20 times."""
_SURE = 0.9
"""Confidence of a read that leaves hardly a doubt."""
_STANDING = 0.2
"""Share of its width that something may move or grow and still stand where it was."""
_MIN_STAY_S = 0.6
_BRIEF_S = 2.0
_SMALL = 0.02
"""Share of the picture: an insect before the lens is smaller, seen for less time, and comes from
nowhere; people and cars come and go over the border, behind something, or far away, slowly."""
_SLIVER = 0.01
"""Share of the picture: of what shows less than this at best, cut off by the border, nobody can
tell what it is."""
_ALONE_S = 2.0
"""A part that split off counts as an object of its own after so long away from the rest."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has evidence files: everything :mod:`edge.events.pipeline` writes down."""

    visit: str
    revision: int
    kind: EventKind
    started_at: datetime
    ended_at: datetime | None
    shot: Shot
    path: tuple[Point, ...]
    plate: PlateRead | None = None
    face: FaceShot | None = None
    zone: str | None = None

    at: datetime = field(kw_only=True)
    """When it was decided to tell it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the last event of a visit said."""

    at: datetime
    text: str
    confidence: float
    score: float
    ended: bool
    member: str | None = None


@dataclass(slots=True, eq=False)
class Visit:
    """One object from coming to going. ``track`` is the number of the track it is on now."""

    id: str
    object_class: ObjectClass
    track: int
    started_at: datetime
    last_seen: datetime
    areas: AreaWatch | None = None
    hits: int = 0
    reads: list[PlateRead] = field(default_factory=list)
    face: FaceShot | None = None
    shot: Shot | None = None
    path: tuple[Point, ...] = ()
    gone: bool = False
    closed: bool = False
    told: Told | None = None
    revision: int = 0
    carries: list[Visit] = field(default_factory=list)
    """For something that moves: visits of the plates and faces seen on it."""
    box: Box = (0.0, 0.0, 0.0, 0.0)
    """Where it was last seen,"""
    came: Box = (0.0, 0.0, 0.0, 0.0)
    """and where first."""
    beside: int = 0
    """For a plate: pictures in which it is on something that shows another one, read surely."""
    host: Visit | None = None
    """For something that moves: what it split off from."""
    alone_s: float = 0.0
    """How long it was away from its host."""

    def root(self) -> Visit:
        """What this is a part of in the end; itself when it is whole."""
        visit = self
        while visit.host is not None:
            visit = visit.host
        return visit

    def is_part(self) -> bool:
        """True while it cannot be told from a piece of what it split off from."""
        return self.host is not None and self.alone_s < _ALONE_S

    def add_read(self, read: PlateRead) -> None:
        """Remember a read; of very many the least sure is forgotten."""
        self.reads.append(read)
        if len(self.reads) > MAX_READS:
            self.reads.remove(min(self.reads, key=lambda item: item.confidence))

    def plate(self) -> PlateRead | None:
        """All reads as one, or None when the plate was never read."""
        return fuse_reads(self.reads) if self.reads else None

    def told_plate(self) -> PlateRead | None:
        """The plate as it is known now, or None as long as nothing was told of it."""
        return self.plate() if self.told is not None else None

    def surely_read(self) -> bool:
        """True for a plate that was told, of a known kind, with hardly a doubt."""
        plate = self.told_plate()
        return plate is not None and plate.kind is not None and plate.confidence >= _SURE

    def is_second(self) -> bool:
        """True for a plate that mostly was where there was one already: cars show one at a time."""
        return 0 < self.hits <= 2 * self.beside

    def stands(self) -> bool:
        """True while it has been nowhere else, and no nearer, since it was first seen."""
        _, _, width, height = self.came
        across, down = _STANDING * width, 2 * _STANDING * height
        first_x, first_y = centre(self.came)
        stayed = all(abs(x - first_x) <= across and abs(y - first_y) <= down for x, y in self.path)
        return stayed and self.box[2] - width <= across

    def flits(self) -> bool:
        """True for something small that was there for a moment and neither came nor went over the
        border of the picture."""
        assert self.shot is not None
        small = self.shot.box[2] * self.shot.box[3] < _SMALL
        inside = not is_cut_off(self.came) and not is_cut_off(self.box)
        return small and inside and self.stay_s() < _BRIEF_S

    def member(self) -> str | None:
        """Whom of a home its best shot shows; None for everybody else."""
        return self.face.member if self.face is not None else None

    def explained(self) -> bool:
        """True when a plate or face on this moving thing has become an event."""
        return any(visit.told is not None for visit in (*self.carries, *self.root().carries))

    def undecided(self) -> bool:
        """True while a plate or face on it may still become one."""
        carried = (*self.carries, *self.root().carries)
        return any(visit.told is None and not visit.closed for visit in carried)

    def age_s(self, now: datetime) -> float:
        """Seconds since it came."""
        return (now - self.started_at).total_seconds()

    def stay_s(self) -> float:
        """Seconds between its first and last sighting."""
        return (self.last_seen - self.started_at).total_seconds()

    def draft(self, now: datetime, *, ended: bool) -> Draft:
        """The event as it stands; counts as told."""
        assert self.shot is not None
        plate = self.plate()
        self.told = Told(
            at=now,
            text=plate.text if plate else "",
            confidence=plate.confidence if plate else 0.0,
            score=self.shot.score,
            ended=ended,
            member=self.member(),
        )
        kinds = {
            ObjectClass.PLATE: EventKind.PLATE,
            ObjectClass.FACE: EventKind.FACE,
            ObjectClass.MOVER: EventKind.MOTION,
        }
        draft = Draft(
            visit=self.id,
            at=now,
            revision=self.revision,
            kind=kinds[self.object_class],
            started_at=self.started_at,
            ended_at=self.last_seen if ended else None,
            shot=self.shot,
            path=self.path,
            plate=plate if self.object_class is ObjectClass.PLATE else None,
            face=self.face if self.object_class is ObjectClass.FACE else None,
        )
        self.revision += 1
        return draft


def worth_telling(visit: Visit) -> bool:
    """Whether there is enough to make an event of.

    Something moving needs to have been there for a while (longer if it may be an insect) and
    somewhere else before, to be no piece of something else, to show more than a sliver over the
    border, and to carry no plate or face that is an event already.
    """
    if visit.shot is None:
        return False
    if visit.object_class is ObjectClass.PLATE:
        plate = visit.plate()
        return plate is not None and _shows_a_plate(visit, plate)
    if visit.object_class is ObjectClass.FACE:
        return visit.face is not None and visit.face.quality > 0 and visit.hits >= 2
    stayed = visit.hits >= 3 and visit.stay_s() >= _MIN_STAY_S and not visit.flits()
    moved = stayed and not visit.stands()
    if is_cut_off(visit.shot.box) and visit.shot.box[2] * visit.shot.box[3] < _SLIVER:
        return False
    return moved and not visit.is_part() and not visit.explained()


def _shows_a_plate(visit: Visit, plate: PlateRead) -> bool:
    """Whether a visit with these reads is a plate's.

    A plate needs two sightings (or one sure read) and something like a text. What fails the
    grammar is told all the same if it is seen once more, comes, goes or grows as a car does, and
    is not a second one on a car, which is its windscreen.
    """
    if len(plate.text) < _MIN_TEXT or (visit.hits < 2 and plate.confidence < _SURE):
        return False
    unlikely = plate.kind is None or plate.confidence < _STANDING_CONFIDENCE
    if unlikely and (visit.hits < 3 or visit.is_second() or visit.stands()):
        return False
    sure = sum(probability > 0.5 for _, probability in plate.characters)
    known = plate.kind is not None and plate.confidence >= _MIN_CONFIDENCE
    return known or sure >= _SURE_CHARACTERS
