"""Pictures through shared memory: in order, whole, and the oldest goes when it is full."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest

from edge.watching.frame_ring import FrameRing, RingBrokenError, RingFrame
from edge.watching.masks import MaskBurner
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Glance
from models.planes import PlanarFrame

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ring() -> Iterator[FrameRing]:
    made = FrameRing.create(multiprocessing.get_context("spawn").Lock(), slots=4, slot_bytes=3000)
    yield made
    made.close()


def masked(luma: npt.NDArray[np.uint8]) -> MaskedPicture:
    planes = PlanarFrame(luma, luma[::2, ::2], luma[1::2, 1::2])
    return MaskedPicture(planes, MaskBurner(()), limit_px=10**6)


def put(ring: FrameRing, camera: int, number: int) -> int | None:
    picture = masked(np.full((10, 10), number, np.uint8))
    return ring.put(camera, START + timedelta(seconds=number), picture, ((0.1, 0.2, 0.3, 0.4),))


def take(ring: FrameRing) -> RingFrame:
    frame = ring.take()
    assert frame is not None
    return frame


def test_a_picture_comes_out_as_it_went_in(ring: FrameRing) -> None:
    luma = np.random.default_rng(1).integers(0, 255, (20, 30), dtype=np.uint8)
    before = (Glance(1e9, ((0.5, 0.25, 0.125, 0.5),)), Glance(1e9 + 0.2, ()))
    ring.put(5, START, masked(luma), ((0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1)), before)
    frame = take(ring)
    assert (frame.camera, frame.at) == (5, START)
    assert frame.picture is not None
    assert np.array_equal(frame.picture.luma, luma)
    assert np.array_equal(frame.picture.blue, luma[::2, ::2])
    assert np.array_equal(frame.picture.red, luma[1::2, 1::2])
    assert np.allclose(frame.boxes, [(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1)])
    assert frame.before == before
    assert ring.take() is None


def test_what_moved_comes_out_in_order_though_there_was_no_picture(ring: FrameRing) -> None:
    put(ring, 3, 1)
    before = (Glance(1e9, ((0.5, 0.25, 0.125, 0.5),)), Glance(1e9 + 0.25, ()))
    ring.put(3, START, None, (), before)
    ring.release(take(ring))
    frame = take(ring)
    assert (frame.camera, frame.at, frame.picture, frame.before) == (3, START, None, before)
    ring.release(frame)
    assert ring.take() is None


def test_a_full_ring_drops_the_oldest_and_says_whose_it_was(ring: FrameRing) -> None:
    losers = [put(ring, 0, number) for number in range(6)]
    assert losers == [None, None, None, None, 0, 0]
    assert [int(take(ring).picture.luma[0, 0]) for _ in range(4)] == [2, 3, 4, 5]


def test_a_busy_camera_cannot_push_a_quiet_one_out(ring: FrameRing) -> None:
    put(ring, 1, 1)
    for number in range(2, 20):
        put(ring, 0, number)
    assert take(ring).camera == 1


def test_a_picture_being_read_is_never_overwritten(ring: FrameRing) -> None:
    put(ring, 0, 1)
    frame = take(ring)
    for number in range(2, 12):
        put(ring, 0, number)
    assert int(frame.picture.luma.max()) == 1
    ring.release(frame)
    for _ in range(3):
        take(ring)
    assert put(ring, 0, 99) is None


def test_when_all_slots_are_read_the_new_picture_is_the_one_dropped(ring: FrameRing) -> None:
    for number in range(4):
        put(ring, 0, number)
        take(ring)
    assert put(ring, 3, 9) == 3
    assert ring.take() is None


def test_a_camera_has_room_for_its_share_until_its_picture_was_read(ring: FrameRing) -> None:
    put(ring, 1, 1)
    assert [ring.has_room(camera, 1) for camera in (0, 1)] == [True, False]
    assert ring.has_room(1, 2)
    frame = take(ring)
    assert not ring.has_room(1, 1), "it is being read"
    ring.release(frame)
    assert ring.has_room(1, 1)
    for camera in range(4):
        put(ring, camera, 2)
    assert not ring.has_room(7, 1), "every slot is taken"


def test_a_picture_too_large_is_refused(ring: FrameRing) -> None:
    with pytest.raises(ValueError, match="slot"):
        ring.put(0, START, masked(np.zeros((100, 100), np.uint8)), ())


def test_a_lock_that_died_with_its_holder_is_noticed() -> None:
    lock = multiprocessing.get_context("spawn").Lock()
    ring = FrameRing.create(lock, slots=3, slot_bytes=300)
    lock.acquire()
    with pytest.raises(RingBrokenError):
        ring.take()
    ring.close()
