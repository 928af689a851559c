"""A camera that changes its picture in mid-stream: events go on, counted in stream time."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pytest

from config.event import Event, EventKind
from config.site import Gate
from edge.events.pipeline import CameraPipeline
from edge.simulator.faults import ChangeOfResolution
from edge.streams.stream import VideoStream
from edge.watching.gates import Counters, MainWatch
from edge.watching.masks import MaskBurner
from edge.watching.pictures import Scene
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Trigger
from models.planes import PlanarFrame
from models.types import Detections, PlateSighting
from tests.edge.hostile import loop, served, smaller_loop
from tests.edge.scripted import read

GOP_S = 1.0
CORNER = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2))
PLATES = {320: "京A12345", 160: "京B67890"}
"""What is read off the bright square, by the picture's width."""


class Eyes:
    """Takes pictures for inference, finds the bright square in them, and makes events of it."""

    def __init__(self) -> None:
        self.pts_s = 0.0
        """Stream time of the packet that is being looked at."""
        self.told: list[tuple[float, Event]] = []
        self.widths: list[int] = []
        self.pipeline = CameraPipeline(node="node", camera="gate", emit=self._tell, evidence=None)

    def _tell(self, event: Event) -> None:
        self.told.append((self.pts_s, event))

    def wait_for_room(self, seconds: float) -> float:
        return 0.0

    def put(self, at: datetime, picture: MaskedPicture, boxes: Any) -> None:
        planes = picture.written()
        height, width = planes.luma.shape
        hidden = planes.luma[: height // 5 - 4, : width // 5 - 4]
        assert hidden.min() == hidden.max(), "the mask lies where it lay, at any size"
        self.widths.append(width)
        self.pipeline.feed(Scene(planes, at), Detections(_plates(planes), ()), boxes)


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
    plates = [(told_s, event.plate) for told_s, event in eyes.told if event.kind is EventKind.PLATE]
    before = [plate for told_s, plate in plates if told_s < changed_s]
    after = [plate for told_s, plate in plates if told_s - changed_s <= GOP_S + 2]
    assert {plate.text for plate in before if plate} == {PLATES[320]}
    assert PLATES[160] in {plate.text for plate in after if plate}
