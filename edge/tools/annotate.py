"""Draws what was found into a recording, as a video to look at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from edge.events.geometry import Box
from edge.simulator.loop import TICKS_PER_SECOND
from edge.simulator.video import Encoding, VideoWriter
from edge.streams.stream import Picture, StreamError, VideoStream
from models.plates.render import font_face
from models.types import Detections

WIDTH = 960
"""Pixels; a larger recording is shrunk to it."""
SHOWN_S = 0.4
"""What was found in a picture is shown until the next look, at most so long."""
_COLOURS = {"plate": (255, 210, 60), "face": (90, 220, 120), "motion": (120, 170, 255)}
"""Red, green, blue by kind."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing found in one picture: ``box`` in shares of it."""

    kind: str
    box: Box
    text: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one analysed picture showed, ``at_s`` seconds from the start of the recording."""

    at_s: float
    marks: tuple[Mark, ...]


def marks_of(
    found: Detections, moving: Sequence[Box], *, height: int, width: int
) -> tuple[Mark, ...]:
    """The marks of one picture of ``height`` and ``width`` pixels."""

    def share(box: npt.NDArray[np.float32]) -> Box:
        x, y, w, h = (float(value) for value in box)
        return x / width, y / height, w / width, h / height

    plates = tuple(
        Mark("plate", share(one.box), "" if one.read is None else one.read.text)
        for one in found.plates
    )
    faces = tuple(Mark("face", share(one.box), f"{one.quality:.0%}") for one in found.faces)
    return (*(Mark("motion", box) for box in moving), *plates, *faces)


def annotate(stream: VideoStream, looks: Sequence[Look], target: Path) -> int:
    """Write an H.264 MP4 of all pictures of ``stream`` with their marks; how many there were.

    Args:
        stream: a recording, just opened; read to its end.
        looks: in order of time.
        target: the file to write.
    """
    times = [look.at_s for look in looks]
    first: float | None = None
    count, last, size, writer = 0, -1, (0, 0), None
    with ExitStack() as open_files:
        for picture in _pictures(stream):
            moment = picture.pts_s if picture.pts_s is not None else count / 25
            first = moment if first is None else first
            at_s = max(0.0, moment - first)
            ticks = round(at_s * TICKS_PER_SECOND)
            if ticks <= last:  # a clock that stood or went back: the video's must rise
                continue
            last = ticks
            index = bisect_right(times, at_s + 1e-6) - 1
            shown = index >= 0 and at_s - times[index] <= SHOWN_S
            if writer is None:
                size = _size(picture)
                writer = open_files.enter_context(VideoWriter(target, Encoding(*size, 25)))
            writer.add(_drawn(picture, looks[index].marks if shown else (), at_s, size), ticks)
            count += 1
    return count


def _pictures(stream: VideoStream) -> Iterator[Picture]:
    with suppress(StreamError):  # raised at the end of the file
        for packet in stream.packets():
            yield from stream.decode(packet)


def _size(picture: Picture) -> tuple[int, int]:
    """Width and height to write: even, and of the first picture for all."""
    scale = min(1.0, WIDTH / picture.width)
    return int(picture.width * scale) // 2 * 2, int(picture.height * scale) // 2 * 2


def _drawn(
    picture: Picture, marks: Sequence[Mark], at_s: float, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """The picture with marks and time: uint8 (H,W,3) BGR of ``size`` (width, height)."""
    width, height = size
    small = cv2.cvtColor(cv2.resize(picture.bgr(), size), cv2.COLOR_BGR2RGB)
    sheet = Image.fromarray(small)
    draw, font = ImageDraw.Draw(sheet), font_face(500, 18)
    for mark in marks:
        x, y, w, h = mark.box
        corners = (x * width, y * height, (x + w) * width, (y + h) * height)
        draw.rectangle(corners, outline=_COLOURS[mark.kind], width=2)
        if mark.text:
            draw.text((corners[0], corners[3] + 2), mark.text, fill=_COLOURS[mark.kind], font=font)
    draw.text((8, 6), f"{at_s:7.2f} s", fill=(255, 255, 255), font=font)
    return np.asarray(cv2.cvtColor(np.asarray(sheet), cv2.COLOR_RGB2BGR), np.uint8)
