"""Runs the pipeline over recordings as fast as it goes: same file, same events, a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from config.errors import UserError
from config.event import Event
from config.site import FacePolicy, Gate
from edge.events.geometry import Box
from edge.events.pipeline import CameraPipeline
from edge.looking import Vision, look
from edge.streams.stream import Fault, StreamError, VideoStream
from edge.tools.annotate import Look, annotate, marks_of
from edge.watching.camera import LIMIT_PX
from edge.watching.counters import Counters
from edge.watching.gates import MainWatch, Unhurried
from edge.watching.masks import MaskBurner
from edge.watching.pictures import Scene
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Glance, Trigger
from models.plates.render import font_face

SUFFIXES = (".mp4", ".mkv", ".mov", ".ts", ".avi", ".h264", ".h265", ".264", ".265")
START = datetime(2000, 1, 1, tzinfo=UTC)
"""A recording begins at this moment, so that its times are the same on every run."""
_TILE = (320, 240)
_COLUMNS = 4


@dataclass(slots=True)
class Replayed:
    """What one recording gave: the last event of each visit, in order of its start."""

    file: Path
    seconds: float = 0.0
    decoded: int = 0
    analysed: int = 0
    visits: dict[str, Event] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    """What each analysed picture showed."""

    @property
    def events(self) -> list[Event]:
        """One per visit, ordered."""
        return sorted(
            self.visits.values(), key=lambda e: (e.started_at, e.kind.value, e.box or (0.0,) * 4)
        )

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; times in seconds from the start of the recording."""
        return {
            "file": self.file.name,
            "seconds": round(self.seconds, 2),
            "frames_decoded": self.decoded,
            "frames_analysed": self.analysed,
            "events": [_event_json(event) for event in self.events],
        }


class _Inline(Unhurried):
    """A sink that analyses each picture at once, so that nothing is ever dropped."""

    def __init__(self, vision: Vision, pipeline: CameraPipeline, looks: list[Look]) -> None:
        self._vision = vision
        self._pipeline = pipeline
        self._looks = looks

    def put(
        self,
        at: datetime,
        picture: MaskedPicture,
        boxes: tuple[Box, ...],
        before: Sequence[Glance] = (),
    ) -> None:
        planes = picture.written()
        region = self._pipeline.region(planes, at, boxes)
        found = look(self._vision, [(planes, region)])[0]
        self._pipeline.feed(Scene(planes, at), found, boxes, before)
        marks = marks_of(found, boxes, height=picture.height, width=picture.width)
        self._looks.append(Look((at - START).total_seconds(), marks))

    def put_glances(self, glances: Sequence[Glance]) -> None:
        self._pipeline.glance(glances)


def recordings(place: Path) -> list[Path]:
    """The file, or all videos of a folder by name.

    Raises:
        UserError: there is none.
    """
    files = [place] if place.is_file() else []
    if place.is_dir():
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(
            where=str(place),
            problem="there is no recording here",
            remedy=f"give a video file, or a folder with {', '.join(SUFFIXES[:4])} files",
        )
    return files


def replay(
    file: Path,
    *,
    vision: Vision,
    face: FacePolicy = FacePolicy.DETECT,
    gate: Gate = Gate.ALWAYS,
    tell: Callable[[Event], None] = lambda _event: None,
) -> Replayed:
    """Play one recording through motion, networks, tracking and events.

    Raises:
        UserError: the file cannot be read, or holds no H.264 or H.265.
    """
    result = Replayed(file)

    def keep(event: Event) -> None:
        result.visits[event.visit] = event
        tell(event)

    pipeline = CameraPipeline(node="replay", camera="replay", emit=keep, evidence=None, face=face)
    counters = Counters()
    watch = MainWatch(
        trigger=Trigger(),
        masks=MaskBurner([]),
        counters=counters,
        sink=_Inline(vision, pipeline, result.looks),
        gate=gate,
        limit_px=LIMIT_PX,
    )
    stream = _open(file)
    now = START
    try:
        for number, packet in enumerate(_in_stream_time(stream)):
            watch.packet(stream, packet)
            now = datetime.fromtimestamp(packet.arrived_s, UTC)
            if number % 10 == 0:
                pipeline.tick(now)
    finally:
        stream.close()
    pipeline.finish(now)
    result.seconds = (now - START).total_seconds()
    result.decoded, result.analysed = counters.decoded, pipeline.analysed
    return result


def write_annotated(found: Replayed, target: Path) -> None:
    """Write the recording with what was found drawn into it.

    Raises:
        UserError: the recording cannot be read any more, or the file cannot be written.
    """
    stream = _open(found.file)
    try:
        annotate(stream, found.looks, target)
    except OSError as error:
        raise UserError(
            where=str(target),
            problem=f"cannot be written ({error.strerror or 'no video file'})",
            remedy="give the name of an .mp4 file in a folder that can be written",
        ) from None
    finally:
        stream.close()


def _open(file: Path) -> VideoStream:
    try:
        return VideoStream.open(str(file), camera=file.name)
    except StreamError as error:
        raise UserError(
            where=str(file),
            problem="cannot be read as H.264 or H.265 video"
            if error.fault is not Fault.NOT_VIDEO
            else error.problem,
            remedy="convert it: ffmpeg -i IN -c:v libx264 OUT.mp4",
        ) from None


def _in_stream_time(stream: VideoStream) -> Iterator[Any]:
    """Packets as if each had arrived at its own moment; a recording has no other clock."""
    first: float | None = None
    at_s = 0.0
    try:
        for packet in stream.packets():
            if packet.pts_s is not None:
                first = packet.pts_s if first is None else first
                at_s = max(at_s, packet.pts_s - first)
            yield replace(packet, at_s=at_s, arrived_s=START.timestamp() + at_s)
    except StreamError:
        return  # the end of the file


def _event_json(event: Event) -> dict[str, Any]:
    item: dict[str, Any] = {
        "kind": event.kind.value,
        "start_s": _offset(event.started_at),
        "end_s": None if event.ended_at is None else _offset(event.ended_at),
        "best_s": _offset(event.captured_at),
        "box": None if event.box is None else [round(value, 4) for value in event.box],
    }
    if event.plate is not None:
        item["plate"] = event.plate.text
        item["confidence"] = round(event.plate.confidence, 3)
    if event.face is not None:
        item["quality"] = round(event.face.quality, 3)
    return item


def _offset(moment: datetime) -> float:
    return round((moment - START).total_seconds(), 2)


def contact_sheet(found: Sequence[Replayed]) -> bytes | None:
    """A JPEG with the best shot of every event, file, time and text under each; None if none."""
    shots = [(result, event) for result in found for event in result.events if event.thumbnail]
    if not shots:
        return None
    width, height = _TILE
    rows = -(-len(shots) // _COLUMNS)
    sheet = Image.new("RGB", (width * min(_COLUMNS, len(shots)), (height + 40) * rows), "white")
    draw, font = ImageDraw.Draw(sheet), font_face(500, 14)
    for number, (result, event) in enumerate(shots):
        x, y = number % _COLUMNS * width, number // _COLUMNS * (height + 40)
        assert event.thumbnail is not None
        with Image.open(io.BytesIO(event.thumbnail)) as picture:
            picture.thumbnail((width - 8, height - 8))
            sheet.paste(picture, (x + 4, y + 4))
        draw.text((x + 6, y + height), _caption(event), fill="black", font=font)
        draw.text((x + 6, y + height + 18), result.file.name[:40], fill="grey", font=font)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(np.asarray(sheet), cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("the contact sheet cannot be written as JPEG")
    return data.tobytes()


def _caption(event: Event) -> str:
    at = f"{_offset(event.captured_at):.1f} s"
    if event.plate is not None:
        return f"{at}  {event.plate.text}  {event.plate.confidence:.0%}"
    if event.face is not None:
        return f"{at}  face  {event.face.quality:.0%}"
    return f"{at}  {event.kind.value}"
