"""Clips: what the ring holds, as a file that any player opens, without a picture lost."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from config.event import EventKind
from config.site import Gate
from edge.events.clips import cut_clip
from edge.streams.stream import StreamPacket, VideoStream
from edge.watching.counters import Counters
from edge.watching.gates import MainWatch, Unhurried
from edge.watching.masks import MaskBurner
from edge.watching.trigger import Trigger
from tests.edge.hostile import loop, read, served
from tests.edge.live.test_live_remux import coded
from tests.edge.scripted import Watch, plate


@pytest.fixture(scope="module")
def packets() -> list[StreamPacket]:
    with served(loop()) as url:
        kept, _ = read(url, 35)
    return kept


def played(data: bytes) -> list[float]:
    """Times of the pictures in a file, in s."""
    with av.open(io.BytesIO(data), "r") as container:
        return [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]


def test_a_clip_holds_every_picture_from_the_first_key_frame_on(
    packets: list[StreamPacket],
) -> None:
    data = cut_clip(packets[3:], codec="h264")
    assert data is not None
    first = next(i for i, packet in enumerate(packets[3:]) if packet.is_keyframe)
    times = played(data)
    assert len(times) == len(packets) - 3 - first
    assert times[0] == 0
    assert times[-1] == pytest.approx((len(times) - 1) / 10, abs=0.02)
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it is loaded whole"


def test_h265_too() -> None:
    with served(loop(codec="h265")) as url:
        kept, _ = read(url, 25)
    data = cut_clip(kept, codec="hevc")
    assert data is not None
    assert len(played(data)) >= 20


def test_a_clock_that_jumps_makes_no_hole_and_no_error(packets: list[StreamPacket]) -> None:
    odd = [
        replace(
            packet, pts_s=(packet.pts_s or 0) - (1000 if i > 12 else 0) + (9e4 if i > 20 else 0)
        )
        for i, packet in enumerate(packets)
    ]
    odd[5] = replace(odd[5], pts_s=None)
    data = cut_clip(odd, codec="h264")
    assert data is not None
    times = played(data)
    assert len(times) >= len(packets) - 2
    assert times[-1] < 10


def test_b_pictures_are_shown_when_the_camera_says() -> None:
    sent = [
        StreamPacket(picture.pts_s, 0.0, 0.0, len(picture.data), picture.is_key, picture.data)
        for picture in coded("libx264", count=60, reordered=True)
    ]
    stamps = [packet.pts_s or 0 for packet in sent]
    assert stamps != sorted(stamps), "there are B pictures"
    data = cut_clip(sent, codec="h264")
    assert data is not None
    times = played(data)
    assert len(times) == 60
    assert np.allclose(np.diff(times), 0.1, atol=0.001)


def test_nothing_to_cut_is_no_clip(packets: list[StreamPacket]) -> None:
    assert cut_clip([], codec="h264") is None
    assert cut_clip([p for p in packets if not p.is_keyframe], codec="h264") is None


def test_of_more_than_the_centre_takes_the_end_is_shown(packets: list[StreamPacket]) -> None:
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    assert len(keys) >= 3
    index_bytes = 250_000
    room = sum(packet.size for packet in packets[keys[1] :]) + index_bytes
    for limit, first in ((room, keys[1]), (room - 1, keys[2])):
        data = cut_clip(packets, codec="h264", limit_bytes=limit)
        assert data is not None
        assert len(data) <= limit
        assert len(played(data)) == len(packets) - first


def test_of_one_group_that_is_too_large_the_beginning_is_shown(packets: list[StreamPacket]) -> None:
    group = [replace(packet, is_keyframe=not i) for i, packet in enumerate(packets[:10])]
    assert packets[0].is_keyframe
    limit = 250_000 + sum(packet.size for packet in group[:6])
    data = cut_clip(group, codec="h264", limit_bytes=limit)
    assert data is not None
    assert len(played(data)) == 6
    assert cut_clip(group, codec="h264", limit_bytes=250_000) is None, "not even its key frame"


def test_the_ring_gives_a_stretch_of_time_but_nothing_where_masks_hide_something() -> None:
    corner = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2))
    with served(loop()) as url:
        for masks, expected in ((MaskBurner([]), True), (MaskBurner([corner]), False)):
            stream = VideoStream.open(url, camera="gate")
            watch = MainWatch(Trigger(), masks, Counters(), Nowhere(), Gate.SUBSTREAM, 10**6)
            for number, packet in enumerate(stream.packets()):
                watch.packet(stream, packet)
                if number > 30:
                    break
            stream.close()
            kept, codec = watch.kept(packet.arrived_s - 1.0, packet.arrived_s)
            assert bool(kept) is expected
            assert codec == "h264"
            assert not kept or kept[0].is_keyframe


class Nowhere(Unhurried):
    """A sink that takes nothing."""

    def put(self, *_: object) -> None:
        raise AssertionError("nothing moved")


class Films:
    """A clip source whose clips come after ``polls`` questions; -1: never."""

    def __init__(self, polls: int) -> None:
        self.polls = polls
        self.orders: list[tuple[float, float]] = []

    def order(self, since_s: float, until_s: float) -> int | None:
        self.orders.append((since_s, until_s))
        return len(self.orders)

    def take(self, number: int) -> tuple[bool, bytes | None]:
        self.polls -= 1
        return (True, b"film") if self.polls == 0 else (False, None)


class Shelf:
    """Evidence in memory."""

    def put(self, data: bytes, *, media_type: str, role: str) -> object:
        from config.event import EvidenceRef

        return EvidenceRef(sha256="0" * 64, media_type=media_type, size_bytes=len(data), role=role)


@pytest.mark.parametrize(
    ("polls", "roles"), [(3, {"crop", "scene", "clip"}), (-1, {"crop", "scene"})]
)
def test_the_last_event_of_a_visit_carries_its_clip_and_waits_only_a_little(
    polls: int, roles: set[str]
) -> None:
    films = Films(polls)
    watch = Watch(evidence=Shelf(), clips=films)
    for i in range(10):
        watch.show(plates=[plate(0.1 + 0.05 * i, "京A12345")])
    watch.empty(5)
    watch.still(8)
    first, last = watch.of(EventKind.PLATE)[0], watch.of(EventKind.PLATE)[-1]
    assert {ref.role for ref in first.evidence} == {"crop", "scene"}
    assert last.ended_at is not None
    assert {ref.role for ref in last.evidence} == roles
    assert [e.revision for e in watch.of(EventKind.PLATE)] == sorted(
        e.revision for e in watch.of(EventKind.PLATE)
    )
    since_s, until_s = films.orders[0]
    assert since_s == pytest.approx(last.started_at.timestamp() - 3)
    assert until_s == pytest.approx(last.ended_at.timestamp() + 2)


def test_a_node_that_stops_tells_what_was_waiting_for_its_clip() -> None:
    watch = Watch(evidence=Shelf(), clips=Films(-1))
    for i in range(10):
        watch.show(plates=[plate(0.1 + 0.05 * i, "京A12345")])
    watch.empty(5.2)
    watch.pipeline.finish(watch.now)
    assert watch.of(EventKind.PLATE)[-1].ended_at is not None
