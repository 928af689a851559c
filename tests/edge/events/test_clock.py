"""The node's clock is put right while its cameras go on: nothing is lost, nothing waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest

from config.event import EventKind, EvidenceRef
from tests.edge.scripted import Watch, face, plate, visits

AHEAD = timedelta(hours=8)
"""The clock of a machine set to China's local time, taken for UTC until the first NTP answer."""


class NoDisk:
    """Keeps nothing, and says that it did."""

    def put(
        self,
        data: bytes,
        *,
        media_type: Literal["image/jpeg", "video/mp4"],
        role: Literal["crop", "scene", "clip"],
    ) -> EvidenceRef:
        return EvidenceRef(sha256="0" * 64, media_type=media_type, size_bytes=len(data), role=role)


class NoClips:
    """Takes every order; no clip ever comes."""

    def order(self, since_s: float, until_s: float) -> int | None:
        return 1

    def take(self, number: int) -> tuple[bool, bytes | None]:
        return False, None


def somebody_walks(watch: Watch) -> None:
    for i in range(10):
        watch.show(moving=[(0.1 + 0.03 * i, 0.3, 0.1, 0.3)])
    watch.empty(3)
    watch.still(8)


def test_after_the_clock_was_put_back_all_is_told_as_before() -> None:
    watch = Watch()
    somebody_walks(watch)
    watch.now -= AHEAD
    watch.sent.clear()
    since = watch.now
    somebody_walks(watch)
    for i in range(12):
        watch.show(plates=[plate(0.1 + 0.05 * i, "京A12345", 0.7)])
    watch.empty(8)
    for i in range(8):
        watch.show(faces=[face(0.4 + 0.01 * i, 0.8)])
    watch.empty(3)
    for kind in (EventKind.MOTION, EventKind.PLATE, EventKind.FACE):
        assert len(visits(watch.of(kind))) == 1, kind
        assert watch.of(kind)[-1].ended_at is not None, kind
    assert all(since <= event.started_at <= watch.now for event in watch.sent)


@pytest.mark.parametrize("moves_on", [True, False])
def test_what_was_there_as_the_clock_was_put_back_is_told_at_once(moves_on: bool) -> None:
    watch = Watch()
    for i in range(5):
        watch.show(plates=[plate(0.1 + 0.03 * i, "京A12345", 0.7)])
    assert watch.sent == []
    watch.now -= AHEAD
    watch.show() if moves_on else watch.still(1)
    (told,) = watch.of(EventKind.PLATE)
    assert told.ended_at == told.started_at + timedelta(seconds=0.8)


def test_no_event_waits_for_a_clip_until_the_old_time_comes_again() -> None:
    watch = Watch(evidence=NoDisk(), clips=NoClips())
    for i in range(12):
        watch.show(plates=[plate(0.1 + 0.05 * i, "京A12345", 0.97)])
    watch.empty(1.4)
    watch.still(3.5)
    assert watch.sent[-1].ended_at is None, "it waits for its clip"
    watch.now -= AHEAD
    watch.still(1)
    assert watch.sent[-1].ended_at is not None


def test_pictures_that_come_a_little_late_end_nothing() -> None:
    watch = Watch()
    for _ in range(10):
        watch.show(plates=[plate(0.4, "京A12345")])
        watch.pipeline.tick(watch.now - timedelta(seconds=5))
        watch.now -= timedelta(seconds=0.1)
    assert len(visits(watch.of(EventKind.PLATE))) == 1
    assert all(event.ended_at is None for event in watch.of(EventKind.PLATE))
