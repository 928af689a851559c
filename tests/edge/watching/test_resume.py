"""A camera that changes in mid-stream, or loses one of its streams: events go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pytest

from config.clock import SystemClock
from config.event import Event, EventKind
from config.site import Gate
from edge.events.pipeline import CameraPipeline
from edge.simulator.behaviour import BehaviourFactory
from edge.simulator.faults import (
    BackwardsTimestamps,
    ChangeOfCoding,
    ChangeOfResolution,
    CloseMidGop,
    DropPackets,
    HalfOpen,
    TruncatePackets,
)
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.streams.stream import VideoStream
from edge.watching.camera import CameraSpec, CameraThreads
from edge.watching.counters import Counters
from edge.watching.gates import MainWatch, Unhurried
from edge.watching.masks import MaskBurner
from edge.watching.pictures import Scene
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Glance, Trigger
from models.planes import PlanarFrame
from models.types import Detections, PlateSighting
from tests.edge.cameras import until
from tests.edge.hostile import loop, served, smaller_loop
from tests.edge.scripted import read

pytestmark = pytest.mark.timeout(900)

GOP_S = 1.0
CORNER = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2))
PLATES = {320: "京A12345", 160: "京B67890"}
"""What is read off the bright square, by the picture's width."""


class Eyes(Unhurried):
    """Takes pictures for inference, finds the bright square in them, and makes events of it."""

    def __init__(self) -> None:
        self.pts_s = 0.0
        """Stream time of the packet that is being looked at."""
        self.told: list[tuple[float, Event]] = []
        self.widths: list[int] = []
        self.times: list[float] = []
        """When each picture was taken, Unix seconds."""
        self.unmasked = 0
        self.pipeline = CameraPipeline(node="node", camera="gate", emit=self._tell, evidence=None)

    def _tell(self, event: Event) -> None:
        self.told.append((self.pts_s, event))

    def put_glances(self, glances: Sequence[Glance]) -> None:
        self.pipeline.glance(glances)

    def put(self, at: datetime, picture: MaskedPicture, boxes: Any, before: Any = ()) -> None:
        planes = picture.written()
        height, width = planes.luma.shape
        hidden = planes.luma[: height // 5 - 4, : width // 5 - 4]
        self.unmasked += hidden.min() != hidden.max()
        self.widths.append(width)
        self.times.append(at.timestamp())
        self.pipeline.feed(Scene(planes, at), Detections(_plates(planes), ()), boxes, before)


def _plates(planes: PlanarFrame) -> tuple[PlateSighting, ...]:
    bright = np.argwhere(planes.luma > 200)
    if len(bright) < 200:
        return ()
    top, left = (float(side) for side in bright.min(axis=0))
    bottom, right = (float(side) for side in bright.max(axis=0))
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return (PlateSighting(corners, 0.9, 1, read(PLATES[planes.luma.shape[1]])),)


@pytest.mark.parametrize("gate", [Gate.ALWAYS, Gate.KEYFRAMES])
def test_events_resume_within_one_gop_and_two_seconds_of_stream_time(gate: Gate) -> None:
    eyes = Eyes()
    masks = MaskBurner([CORNER])
    watch = MainWatch(Trigger(), masks, Counters(), eyes, gate, 10**6)
    changed_s: float | None = None
    behaviour = partial(ChangeOfResolution, other=smaller_loop(), after=25)
    with served(loop(), behaviour) as url:
        stream = VideoStream.open(url, camera="gate")
        watch.opened()
        for packet in stream.packets():
            assert packet.pts_s is not None
            eyes.pts_s = packet.pts_s
            if changed_s is None and stream.info.width == 160:
                changed_s = packet.pts_s
            watch.packet(stream, packet)
            if changed_s is not None and packet.pts_s - changed_s > GOP_S + 2:
                break
        stream.close()
    assert changed_s is not None
    assert eyes.widths[0] == 320
    assert eyes.widths[-1] == 160
    assert eyes.unmasked == 0, "the mask lies where it lay, at any size"
    plates = [(told_s, event.plate) for told_s, event in eyes.told if event.kind is EventKind.PLATE]
    before = [plate for told_s, plate in plates if told_s < changed_s]
    after = [plate for told_s, plate in plates if told_s - changed_s <= GOP_S + 2]
    assert {plate.text for plate in before if plate} == {PLATES[320]}
    assert PLATES[160] in {plate.text for plate in after if plate}


@contextmanager
def watched(faults: Mapping[str, BehaviourFactory]) -> Iterator[dict[str, Eyes]]:
    """Cameras with two streams, each with a fault named ``CAMERA/main`` or ``CAMERA/sub``."""
    names = [path.partition("/")[0] for path in faults]
    sources = [CameraSource(name, loop(), smaller_loop()) for name in names]
    eyes = {name: Eyes() for name in names}
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer("127.0.0.1", 0, sources, faults=faults))
        for name in names:
            spec = CameraSpec(
                id=name, url=server.url(name), sub_url=server.url(name, "sub"), masks=(CORNER,)
            )
            camera = CameraThreads(
                spec, sink=eyes[name], tell=lambda _state: None, clock=SystemClock()
            )
            stack.callback(camera.stop)
            camera.start()
        yield eyes


def read_off(eyes: Eyes) -> set[str]:
    return {event.plate.text for _, event in eyes.told if event.plate is not None}


def spans(times: list[float], seconds: float) -> bool:
    return bool(times) and times[-1] - times[0] > seconds


def test_a_camera_with_a_sub_stream_resumes_after_another_size_and_another_coding() -> None:
    coding = ChangeOfCoding(loop(codec="h265"), 25, threading.Event())
    faults: dict[str, BehaviourFactory] = {
        "size/main": partial(ChangeOfResolution, other=smaller_loop(), after=25),
        "coding/main": partial(ChangeOfCoding, coding.other, coding.after, coding.changed),
    }
    with watched(faults) as eyes:
        size, other = eyes["size"], eyes["coding"]
        until(lambda: set(PLATES.values()) <= read_off(size), seconds=120)
        until(coding.changed.is_set, seconds=120)
        seen = len(other.times)
        until(lambda: len(other.times) > seen + 20, seconds=120)
    changed = size.widths.index(160)
    gap_s = size.times[changed] - size.times[changed - 1]
    assert gap_s <= GOP_S + 2, "in stream time"
    assert read_off(other) == {PLATES[320]}
    assert size.unmasked == other.unmasked == 0, "the mask lies where it lay, at any size"


def test_whatever_one_of_two_streams_does_pictures_go_on_at_their_time() -> None:
    """Ten seconds of pictures from each camera, although its fault comes back every time."""
    faults: dict[str, BehaviourFactory] = {
        "back/main": partial(BackwardsTimestamps, after=20),
        "back-sub/sub": partial(BackwardsTimestamps, after=20),
        "ahead/main": partial(BackwardsTimestamps, after=20, jump_s=-3600),
        "ahead-sub/sub": partial(BackwardsTimestamps, after=20, jump_s=-3600),
        "size-sub/sub": partial(ChangeOfResolution, other=loop(), after=20),
        "loss/main": partial(DropPackets, share=0.05, seed=1),
        "loss-sub/sub": partial(DropPackets, share=0.05, seed=2),
        "damage/main": partial(TruncatePackets, every=30),
        "closed/main": partial(CloseMidGop, after=40),
        "closed-sub/sub": partial(CloseMidGop, after=40),
        "silent/main": partial(HalfOpen, after=40),
        "silent-sub/sub": partial(HalfOpen, after=40),
    }
    begun = datetime.now(UTC).timestamp()
    with watched(faults) as eyes:
        for one in eyes.values():
            until(partial(spans, one.times, 10), seconds=100)
    ended = datetime.now(UTC).timestamp()
    for name, one in eyes.items():
        assert begun - 5 < min(one.times), name
        assert max(one.times) < ended + 1, name
        assert one.unmasked == 0, name
