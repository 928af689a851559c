"""One camera's way from an analysed picture to events: detections, visits, evidence, event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from config.clock import COUNTY_ZONE
from config.errors import UserError
from config.event import (
    Character,
    Event,
    EventKind,
    EvidenceRef,
    FaceShot,
    HealthReport,
    PlateReading,
    Severity,
)
from config.ids import uuid7
from config.logs import get_logger
from config.motion_site import MotionHours, tells_motion
from config.site import FacePolicy, Line, Zone
from edge.events.clip_times import LONGEST_S, POST_ROLL_S, PRE_ROLL_S
from edge.events.drafts import Draft
from edge.events.geometry import Box, clip
from edge.events.tracker import ObjectClass, Sighting
from edge.events.visits import FaceItem, PlateItem, Visits
from edge.watching.pictures import Scene, Shot
from edge.watching.regions import Region, RegionPlan
from edge.watching.trigger import Glance
from models.planes import Picture, PlanarFrame
from models.plates.reading import PlateRead
from models.types import Detections, FaceDetection, PlateSighting

_LOG = get_logger(__name__)

_CLIP_PATIENCE_S = 4.0
_SET_BACK_S = 10.0
"""Time so much before the last picture: no look is so late, the node's clock was put back."""

EventSink = Callable[[Event], None]
"""Takes an event for good: the outbox, or a printer."""


class EvidenceSink(Protocol):
    """Keeps a picture and says how to find it (:class:`edge.delivery.evidence.EvidenceStore`)."""

    def put(
        self,
        data: bytes,
        *,
        media_type: Literal["image/jpeg", "video/mp4"],
        role: Literal["crop", "scene", "clip"],
    ) -> EvidenceRef:
        """Store ``data`` durably."""


class ClipSource(Protocol):
    """Cuts clips out of what one camera sent lately (Unix seconds)."""

    def order(self, since_s: float, until_s: float) -> int | None:
        """Ask for one; its number, or None when there can be none."""

    def take(self, number: int) -> tuple[bool, bytes | None]:
        """Whether it has come, and the MP4 unless there was nothing to cut."""


class Faces(Protocol):
    """Knows the people of homes (:class:`edge.household.household.Household`)."""

    def who(self, camera: str, picture: Picture, landmarks: NDArray[np.float32]) -> str | None:
        """The enrolled member that a face is, or None."""


class CameraPipeline:
    """Feed it analysed pictures of one camera in order of time. For one thread at a time.

    Args:
        node, camera: names that go into the events.
        face: with ``off``, faces are dropped before anything remembers them. The other policies
            make events that hold a quality and a picture; only ``household`` asks ``faces`` whom
            of the home a best shot shows.
        faces: None knows nobody.
        evidence: None keeps no picture but the thumbnail inside the event.
        motion, zone: when something that only moves is told, in the local time of ``zone``; None:
            always. Zones, lines, plates and faces are told at any time.
        clips: where clips come from; a visit's last event waits a few seconds for its clip.
    """

    def __init__(
        self,
        *,
        node: str,
        camera: str,
        emit: EventSink,
        evidence: EvidenceSink | None,
        face: FacePolicy = FacePolicy.DETECT,
        zones: Sequence[Zone] = (),
        lines: Sequence[Line] = (),
        clips: ClipSource | None = None,
        motion: Sequence[MotionHours] | None = None,
        zone: ZoneInfo = COUNTY_ZONE,
        faces: Faces | None = None,
    ) -> None:
        self.camera = camera
        self._faces = faces
        self._clips = clips
        self._awaiting: list[tuple[Draft, int, datetime]] = []
        self.analysed = 0
        self.events: dict[EventKind, int] = {}
        """First tellings per kind: objects on visits, not messages."""
        self._node = node
        self._emit = emit
        self._evidence = evidence
        self._face = face
        self._motion, self._zone = motion, zone
        self._visits = Visits(zones=zones, lines=lines)
        self._regions = RegionPlan()
        self._latest: datetime | None = None
        """When the last picture or glance was."""

    def feed(
        self,
        scene: Scene,
        detections: Detections,
        moving: Sequence[Box],
        before: Sequence[Glance] = (),
    ) -> None:
        """Take in one picture with what the networks found in it and what moved in it.

        ``before``: what moved since the last picture.
        """
        self.analysed += 1
        self.glance(before)
        self._passed(scene.at)
        height, width = scene.picture.shape[:2]
        sightings = [_plate(plate, width, height) for plate in detections.plates]
        if self._face is not FacePolicy.OFF:
            sightings += [
                _face(face, width, height, self._who(scene.picture, face))
                for face in detections.faces
            ]
        sightings = [s for s in sightings if _has_area(s.box)] + _movers(moving)
        self._write(self._visits.see(scene, sightings))

    def glance(self, glances: Sequence[Glance]) -> None:
        """Take in what moved at times of which there is no picture, in order of time."""
        for glance in glances:
            at = datetime.fromtimestamp(glance.utc_s, UTC)
            self._passed(at)
            self._write(self._visits.glance(at, _movers(glance.boxes)))

    def _who(self, picture: Picture, face: FaceDetection) -> Callable[[], str | None] | None:
        if self._faces is None or self._face is not FacePolicy.HOUSEHOLD:
            return None
        return partial(self._faces.who, self.camera, picture, face.landmarks)

    def retune(
        self,
        *,
        face: FacePolicy,
        zones: Sequence[Zone],
        lines: Sequence[Line],
        motion: Sequence[MotionHours] | None = None,
    ) -> None:
        """Work by another face policy, zones, lines and motion hours from the next picture on."""
        self._motion = motion
        if face is FacePolicy.OFF and self._face is not FacePolicy.OFF:
            self._visits.forget(ObjectClass.FACE)
        if face is not FacePolicy.HOUSEHOLD:
            self._visits.forget_members()
        self._face = face
        self._visits.change_areas(zones, lines)

    def region(self, picture: PlanarFrame, at: datetime, moving: Sequence[Box]) -> Region:
        """The part of a picture that is worth searching, before it is fed."""
        return self._regions.region(picture, at, (*moving, *self._visits.places(at)))

    def appetite_s(self) -> float:
        """Seconds between the pictures that are worth looking at now."""
        return self._visits.appetite_s()

    def tick(self, now: datetime) -> None:
        """Let time pass while no pictures come."""
        self._heed_clock(now)
        self._write(self._visits.tick(now))
        for waiting in list(self._awaiting):
            draft, number, until = waiting
            assert self._clips is not None
            come, clip = self._clips.take(number)
            if come or not 0 < (until - now).total_seconds() <= _CLIP_PATIENCE_S + _SET_BACK_S:
                self._awaiting.remove(waiting)
                self._send(self._event(draft, clip))

    def _passed(self, at: datetime) -> None:
        self._heed_clock(at)
        self._latest = at if self._latest is None else max(self._latest, at)

    def _heed_clock(self, now: datetime) -> None:
        """End what is open when the clock was put back, or nothing more would end or be told."""
        if self._latest is None or (self._latest - now).total_seconds() <= _SET_BACK_S:
            return
        _LOG.warning(
            "the node's clock was put back, open visits are ended",
            camera=self.camera,
            by_s=round((self._latest - now).total_seconds(), 1),
        )
        self._latest = None
        self._write(self._visits.finish(now))

    def finish(self, now: datetime) -> None:
        """End what is open, as the node stops."""
        waiting, self._awaiting, self._clips = self._awaiting, [], None
        for draft, _, _ in waiting:
            self._send(self._event(draft))
        self._write(self._visits.finish(now))

    def health(self, report: HealthReport, at: datetime) -> None:
        """Send a health event of this camera."""
        self._send(health_event(report, node=self._node, camera=self.camera, at=at))

    def _write(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            if draft.kind is EventKind.MOTION and not self._tells_motion(draft):
                continue
            number = self._order_clip(draft)
            if number is None:
                self._send(self._event(draft))
            else:
                until = draft.at + timedelta(seconds=_CLIP_PATIENCE_S)
                self._awaiting.append((draft, number, until))

    def _tells_motion(self, draft: Draft) -> bool:
        return tells_motion(self._motion, draft.started_at.astimezone(self._zone))

    def _order_clip(self, draft: Draft) -> int | None:
        if self._clips is None or self._evidence is None or draft.ended_at is None:
            return None
        until_s = draft.ended_at.timestamp() + POST_ROLL_S
        since_s = max(draft.started_at.timestamp() - PRE_ROLL_S, until_s - LONGEST_S)
        return self._clips.order(since_s, until_s)

    def _send(self, event: Event) -> None:
        if event.revision == 0:
            self.events[event.kind] = self.events.get(event.kind, 0) + 1
        self._emit(event)

    def _keep(self, shot: Shot, clip: bytes | None) -> tuple[EvidenceRef, ...]:
        """Pictures and clip on the disk; without them (disk full) the event still goes."""
        if self._evidence is None:
            return ()
        try:
            kept = [
                self._evidence.put(shot.crop, media_type="image/jpeg", role="crop"),
                self._evidence.put(shot.scene, media_type="image/jpeg", role="scene"),
            ]
            if clip is not None:
                kept.append(self._evidence.put(clip, media_type="video/mp4", role="clip"))
            return tuple(kept)
        except UserError as error:
            _LOG.error("event without its pictures", camera=self.camera, problem=str(error))
            return ()

    def _event(self, draft: Draft, clip: bytes | None = None) -> Event:
        """Evidence first: the event must never name a file that is not on the disk."""
        shot = draft.shot
        evidence = self._keep(shot, clip)
        ended = draft.ended_at
        return Event(
            id=uuid7(shot.at),
            visit=draft.visit,
            revision=draft.revision,
            node=self._node,
            camera=self.camera,
            kind=draft.kind,
            started_at=draft.started_at,
            ended_at=None if ended is None else max(ended, draft.started_at),
            captured_at=shot.at,
            box=shot.box,
            path=draft.path[:64],
            zone=draft.zone,
            plate=None if draft.plate is None else plate_reading(draft.plate),
            face=draft.face,
            evidence=evidence,
            thumbnail=shot.thumbnail,
        )


def health_event(report: HealthReport, *, node: str, camera: str, at: datetime) -> Event:
    """What is told of a camera's health; of the node's own where ``camera`` is its name."""
    moment = uuid7(at)
    return Event(
        id=moment,
        visit=moment,
        node=node,
        camera=camera,
        kind=EventKind.HEALTH,
        severity=Severity.WARNING if report.active else Severity.INFO,
        started_at=at,
        captured_at=at,
        health=report,
    )


def plate_reading(read: PlateRead) -> PlateReading:
    """A fused read as it travels; longer than any plate is cut at 16 characters."""
    return PlateReading(
        text=read.text[:16],
        raw=read.raw[:16],
        confidence=_share(read.confidence),
        characters=tuple(
            Character(text=text, probability=_share(probability))
            for text, probability in read.characters[:16]
        ),
        colour=read.colour.value,
        plate_kind="" if read.kind is None else read.kind.value,
        rows=2 if read.rows == 2 else 1,
        reads=max(1, read.reads),
    )


def _share(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _movers(boxes: Sequence[Box]) -> list[Sighting]:
    moving = [Sighting(ObjectClass.MOVER, clip(box), 1.0) for box in boxes]
    return [sighting for sighting in moving if _has_area(sighting.box)]


def _has_area(box: Box) -> bool:
    return box[2] > 0 and box[3] > 0


def _plate(plate: PlateSighting, width: int, height: int) -> Sighting:
    x, y, w, h = (float(value) for value in plate.box)
    read = plate.read
    return Sighting(
        object_class=ObjectClass.PLATE,
        box=clip((x / width, y / height, w / width, h / height)),
        score=plate.score,
        text="" if read is None else read.text,
        text_confidence=0.0 if read is None else read.confidence,
        item=PlateItem(read, w),
    )


def _face(
    face: FaceDetection, width: int, height: int, who: Callable[[], str | None] | None
) -> Sighting:
    x, y, w, h = (float(value) for value in face.box)
    return Sighting(
        object_class=ObjectClass.FACE,
        box=clip((x / width, y / height, w / width, h / height)),
        score=face.score,
        item=FaceItem(FaceShot(quality=_share(face.quality), height_px=max(1, round(h))), who),
    )
