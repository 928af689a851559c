"""The worker at its ring: pictures are searched, and motion without a picture is followed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from config.clock import FakeClock
from config.event import Event, EventKind
from config.site import Gate
from edge.watching.camera import CameraSpec
from edge.watching.frame_ring import FrameRing
from edge.watching.masks import MaskBurner
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Glance
from edge.worker import WatchedCamera, Worker
from models.planes import Picture, PlanarFrame
from models.types import Detections

START_S = 1.8e9


class CountsPictures:
    """Networks that find nothing, and say how many pictures they were given."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        self.batches.append(len(images))
        return [Detections() for _ in images]


@pytest.fixture
def ring() -> Iterator[FrameRing]:
    made = FrameRing.create(multiprocessing.get_context("spawn").Lock(), slots=4, slot_bytes=40_000)
    yield made
    made.close()


def car(step: int) -> Glance:
    return Glance(START_S + step * 0.2, ((0.1 + 0.05 * step, 0.3, 0.2, 0.4),))


def test_what_moved_without_a_picture_is_followed_and_its_end_is_told(ring: FrameRing) -> None:
    vision, events = CountsPictures(), list[Event]()
    spec = CameraSpec(id="gate", url="rtsp://127.0.0.1/gate", gate=Gate.ALWAYS)
    worker = Worker(
        node="node-a",
        cameras=[WatchedCamera(spec)],
        vision=vision,
        emit=events.append,
        evidence=None,
        clock=FakeClock(datetime.fromtimestamp(START_S + 60, UTC)),
    )
    worker.groups[0]._ring = ring
    luma = np.full((120, 160), 90, np.uint8)
    picture = MaskedPicture(
        PlanarFrame(luma, luma[::2, ::2], luma[::2, ::2]), MaskBurner(()), limit_px=10**6
    )
    first = datetime.fromtimestamp(START_S, UTC)
    ring.put(0, first, picture, car(0).boxes)
    ring.put(0, first, None, (), [car(step) for step in range(1, 9)])
    ring.put(0, first, None, (), [Glance(START_S + 2 + step * 0.4, ()) for step in range(8)])
    assert worker._analyse_some()
    assert vision.batches == [1], "there was one picture to search"
    assert not worker._analyse_some()
    (told,) = events
    assert (told.kind, told.captured_at) == (EventKind.MOTION, first)
    assert told.ended_at == datetime.fromtimestamp(car(8).utc_s, UTC)
    assert len(told.path) == 9
    assert ring.waiting == 0
