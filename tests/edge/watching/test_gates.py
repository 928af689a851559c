"""What is decoded, and from where, under each gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from config.site import Gate
from edge.streams.stream import StreamPacket
from edge.watching.counters import Counters
from edge.watching.gates import KeyInterval, MainWatch
from edge.watching.masks import MaskBurner
from edge.watching.motion import Motion
from edge.watching.planar import MaskedPicture
from edge.watching.sub_watch import SubWatch
from edge.watching.trigger import Glance, Trigger
from models.planes import PlanarFrame

BOXES = ((0.1, 0.1, 0.2, 0.2),)
FPS, GOP = 10, 10


class Still:
    """A decoded picture in which nothing ever moves."""

    def __init__(self, pts_s: float | None, size: tuple[int, int]) -> None:
        self.pts_s = pts_s
        self.width, self.height = size

    def grey(self, width: int) -> npt.NDArray[np.uint8]:
        return np.full((48, 64), 100, np.uint8)

    def planes(self) -> PlanarFrame:
        colour = np.full((self.height // 2, self.width // 2), 160, np.uint8)
        return PlanarFrame(np.full((self.height, self.width), 100, np.uint8), colour, colour)


@dataclass
class Scripted:
    """A source that remembers which packets were decoded."""

    codec = "h264"
    decoded: list[int] = field(default_factory=list)
    restarts: int = 0
    size: tuple[int, int] = (64, 48)

    def packets(self) -> Iterator[StreamPacket]:
        return iter(())

    def decode(self, packet: StreamPacket) -> list[Any]:
        self.decoded.append(round(packet.at_s * FPS))
        return [Still(packet.pts_s, self.size)]

    def decode_key(self, packet: StreamPacket) -> list[Any]:
        assert packet.is_keyframe
        return self.decode(packet)

    def hurry(self, hurry: bool) -> None:
        """It has no line to hurry."""

    def restart_decoder(self) -> None:
        self.restarts += 1


@dataclass
class Kept:
    """A sink that keeps what it is given."""

    at: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    pictures: list[PlanarFrame] = field(default_factory=list)
    glances: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    """Those of them in which something was."""
    room: bool = True
    behind_s: float = 0.0

    def has_room(self) -> bool:
        return self.room

    def wait_for_room(self, seconds: float) -> float:
        self.waits.append(seconds)
        return 0.8

    def age_s(self, utc_s: float) -> float:
        return self.behind_s

    def put_glances(self, glances: Sequence[Glance]) -> None:
        self.glances += [glance.utc_s for glance in glances]
        self.shown += [glance.utc_s for glance in glances if glance.boxes]

    def put(self, at: datetime, picture: MaskedPicture, boxes: Any, before: Any = ()) -> None:
        self.put_glances(before)
        self.at.append(at.timestamp())
        self.pictures.append(picture.written())


class Camera:
    """Plays packets numbered from 0 at ten a second into a MainWatch."""

    def __init__(self, gate: Gate | None, *, gop: int = GOP, limit_px: int = 10**6) -> None:
        self.trigger, self.source, self.sink = Trigger(), Scripted(), Kept()
        self.gop = gop
        masks = MaskBurner([((0, 0), (0.5, 0), (0.5, 1), (0, 1))])
        self.watch = MainWatch(self.trigger, masks, Counters(), self.sink, gate, limit_px)
        self.next = 0

    def play(
        self, packets: int, *, moving: bool = False, standing: bool = False, empty: bool = False
    ) -> None:
        for _ in range(packets):
            at_s = self.next / FPS
            if moving or standing or empty:
                boxes = () if empty else BOXES
                self.trigger.saw(Motion(moving, boxes), at_s=at_s, utc_s=1e9 + at_s)
            key = self.next % self.gop == 0
            packet = StreamPacket(at_s, 1e9 + at_s, at_s, 100, key, None)
            self.watch.packet(self.source, packet)
            self.next += 1


def test_with_a_sub_stream_nothing_of_the_main_stream_is_decoded_while_still() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(200)
    assert camera.source.decoded == []
    assert camera.sink.at == []


def test_a_trigger_decodes_from_the_key_frame_before_it() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(37)
    camera.play(1, moving=True)
    assert camera.source.decoded == list(range(30, 37)), "as far as a picture is wanted"
    assert camera.source.restarts == 1
    assert min(camera.sink.at) >= 1e9 + 3.0 - 0.01
    assert min(camera.sink.at) <= 1e9 + 3.2, "pictures from before the trigger are there too"


def test_what_the_ring_held_waits_for_room_but_not_for_ever() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(37)
    camera.play(60, moving=True)
    assert [round(wait, 1) for wait in camera.sink.waits] == [1.0, 0.2]
    camera.play(60)
    camera.play(1, moving=True)
    assert camera.sink.waits[2] == 1.0, "the next trigger has a patience of its own"


def test_no_picture_is_taken_that_would_only_wait_and_then_the_newest_is() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(35)
    camera.play(10, moving=True)
    taken = len(camera.sink.at)
    camera.sink.room = False
    camera.play(8, moving=True)
    assert len(camera.sink.at) == taken, "it would wait for those of other cameras"
    camera.sink.room = True
    camera.play(1, moving=True)
    assert camera.sink.at[taken:] == [pytest.approx(1e9 + 5.3)], "not one of the eight before it"


def test_what_moved_between_pictures_that_are_far_apart_goes_with_the_next() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(35)
    camera.play(10, moving=True)
    assert all(at < 1e9 + 3.5 for at in camera.sink.glances), "enough pictures were taken"
    last = camera.sink.at[-1]
    camera.sink.room, camera.sink.glances = False, []
    camera.play(8, moving=True)
    camera.sink.room = True
    camera.play(3, moving=True)
    times = [last, *camera.sink.glances, 1e9 + 5.3]
    assert np.diff(times) == pytest.approx(np.full(len(times) - 1, 0.2), abs=0.11)
    assert min(np.diff(times)) > 0.15, "as often as pictures would have been"


def test_far_behind_each_group_has_one_look_and_the_rest_is_left_undecoded() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(35)
    camera.play(10, moving=True)
    camera.sink.behind_s = 5.0
    camera.source.decoded.clear()
    camera.play(45, moving=True)
    assert camera.source.decoded == [50, 60, 70, 80]
    camera.sink.behind_s = 0.0
    camera.source.decoded.clear()
    camera.play(20, moving=True)
    assert camera.source.decoded[0] == 90, "nothing is decoded without what it refers to"
    assert np.diff(camera.source.decoded).max() <= 2, "and then as before"


@pytest.mark.parametrize("gate", [Gate.SUBSTREAM, Gate.KEYFRAMES, Gate.ALWAYS])
@pytest.mark.parametrize("room_again_s", [0.5, 6.0])
def test_a_stretch_that_ended_before_there_was_room_is_told_and_looked_at(
    gate: Gate, room_again_s: float
) -> None:
    camera = Camera(gate)
    camera.play(40)
    camera.play(6, moving=True)
    camera.sink.room = False
    camera.play(12, moving=True)
    told = len(camera.sink.at)
    camera.play(round(room_again_s * FPS), empty=True)
    assert camera.sink.at[told:] == []
    camera.sink.room = True
    camera.play(30, empty=True)
    ended_s = 1e9 + 5.8
    looked_at = [at for at in camera.sink.at[told:] if at <= ended_s]
    if gate is Gate.SUBSTREAM:
        assert looked_at, "the ring had the picture that nobody had room for"
    assert max(*looked_at, *camera.sink.shown) > ended_s - 0.3, "how it moved on is known"
    assert max(camera.sink.glances) > ended_s + 1.2, "and that it has gone"
    pictures = len(camera.sink.at)
    camera.play(100, empty=True)
    assert len(camera.sink.at) == pictures, "once"


def test_decoding_goes_on_and_ends_after_the_motion() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(35)
    camera.play(20, moving=True)
    camera.play(40)
    decoded = camera.source.decoded
    left_out = set(range(decoded[0], decoded[-1] + 1)) - set(decoded)
    assert left_out == {29, 39, 49, 59}, "the last of each group, which no wanted picture refers to"
    assert 54 < decoded[-1] < 75
    gaps = np.diff(camera.sink.at)
    assert gaps.max() <= 0.21
    assert gaps.mean() >= 0.17, "five pictures a second, not all"


@pytest.mark.parametrize("moving", [range(100, 120), (*range(100, 108), *range(130, 138))])
@pytest.mark.parametrize(("main_late_s", "sub_late_s"), [(0, 0), (6, 0), (0, 6)])
def test_what_moved_is_looked_at_though_one_of_the_streams_is_read_late(
    main_late_s: float, sub_late_s: float, moving: Sequence[int]
) -> None:
    camera = Camera(Gate.SUBSTREAM)

    def sub(number: int) -> None:
        at_s = number / FPS
        motion = Motion(active=number in moving, boxes=BOXES if number in moving else ())
        camera.trigger.saw(motion, at_s=at_s, utc_s=1e9 + at_s)

    def main(number: int) -> None:
        pts_s, late_s = number / FPS, main_late_s * (number > 50)
        key, read_s = number % GOP == 0, number / FPS + late_s
        camera.watch.packet(
            camera.source, StreamPacket(pts_s, 1e9 + read_s, read_s, 100, key, None)
        )

    for step in range(300):
        if step >= sub_late_s * FPS:
            sub(round(step - sub_late_s * FPS))
        if step >= main_late_s * FPS:
            main(round(step - main_late_s * FPS))
    looked_at = {round((at - 1e9) * FPS) for at in camera.sink.at}
    wanted = {number for number in range(100, 140) if number in moving}
    assert all({number, number + 1} & looked_at for number in wanted), "5 pictures a second"
    assert min(looked_at) >= 92, "and no others"
    assert max(looked_at) <= max(wanted) + 16
    assert camera.sink.at == sorted(camera.sink.at), "each once"


def test_of_a_sub_stream_in_which_nothing_moves_the_end_of_each_group_is_left_out() -> None:
    source, counters = Scripted(), Counters()
    watch = SubWatch(Trigger(), MaskBurner([]), counters)
    watch.opened()
    for number in range(60):
        at_s = number / FPS
        watch.packet(source, StreamPacket(at_s, 1e9 + at_s, at_s, 100, number % 20 == 0, None))
    assert set(range(60)) - set(source.decoded) == {17, 18, 19, 37, 38, 39, 57, 58, 59}
    assert source.decoded == sorted(source.decoded), "and never one before its reference"
    assert counters.watched == 15, "looks are 0.4 s apart, and fall on key frames"


def test_a_sub_stream_of_key_frames_alone_is_decoded_only_where_it_is_looked_at() -> None:
    source = Scripted()
    watch = SubWatch(Trigger(), MaskBurner([]), Counters())
    for number in range(40):
        at_s = number / FPS
        watch.packet(source, StreamPacket(at_s, 1e9 + at_s, at_s, 100, True, None))
    assert np.diff(source.decoded).max() <= 4
    assert len(source.decoded) <= 20


def test_a_sub_stream_whose_time_jumps_back_is_looked_at_without_a_break() -> None:
    source, counters = Scripted(), Counters()
    watch = SubWatch(Trigger(), MaskBurner([]), counters)
    for number in range(40):
        at_s = number / FPS
        pts_s = at_s if number < 15 else at_s - 600
        watch.packet(source, StreamPacket(pts_s, 1e9 + at_s, at_s, 100, number % 20 == 0, None))
    assert np.diff(source.decoded).max() <= 4
    assert counters.watched >= 10


def test_key_frames_only_while_still() -> None:
    camera = Camera(Gate.KEYFRAMES)
    camera.play(50)
    assert [number for number in camera.source.decoded if number > 30] == [40]


def test_after_connecting_it_looks_around_for_what_stands_there_already() -> None:
    camera = Camera(Gate.KEYFRAMES)
    camera.play(100)
    assert 10 <= len(camera.sink.at) <= 20
    assert max(camera.sink.at) <= 1e9 + 3.1


def test_whoever_stands_still_is_looked_at_on_key_frames() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(35)
    camera.play(5, moving=True)
    camera.play(30)
    camera.source.decoded.clear()
    camera.play(40, standing=True)
    assert camera.source.decoded == [70, 80, 90, 100]
    assert camera.sink.at[-1] == 1e9 + 10.0


def test_always_decodes_all_but_hands_on_only_what_moves() -> None:
    camera = Camera(Gate.ALWAYS)
    camera.play(60)
    assert camera.source.decoded[-60:] == list(range(60))
    assert max(camera.sink.at) < 1e9 + 4
    camera.sink.at.clear()
    camera.play(10, moving=True)
    assert camera.sink.at


@pytest.mark.parametrize("gop", [10, 100])
def test_whoever_stands_still_is_looked_at_where_all_is_decoded_too(gop: int) -> None:
    camera = Camera(Gate.ALWAYS, gop=gop)
    camera.play(35)
    camera.play(5, moving=True)
    camera.play(30)
    camera.sink.at.clear()
    camera.play(60, standing=True)
    assert 3 <= len(camera.sink.at) <= 5
    gaps = [after - before for before, after in pairwise(camera.sink.at)]
    assert max(gaps) <= 2.2, "nobody has gone who is seen again within six seconds"


@pytest.mark.parametrize(("gop", "expected"), [(10, Gate.KEYFRAMES), (50, Gate.ALWAYS)])
def test_a_camera_with_one_stream_is_gated_by_its_key_frame_distance(
    gop: int, expected: Gate
) -> None:
    interval = KeyInterval()
    assert interval.gate() is Gate.ALWAYS, "until it is known, nothing may be missed"
    for i in range(200):
        interval.observe(StreamPacket(i / FPS, 0.0, i / FPS, 1, i % gop == 0, None))
    assert interval.gate() is expected


def test_masks_are_burnt_in_and_large_pictures_shrunk_before_anyone_sees_them() -> None:
    camera = Camera(Gate.ALWAYS, limit_px=64 * 48 // 4)
    camera.play(10, moving=True)
    picture = camera.sink.pictures[-1]
    assert picture.shape == (24, 32, 3)
    assert picture.luma[:, :14].max() == 16
    assert picture.luma[:, 18:].min() == 100
    assert picture.bgr()[:, :14].max() == 0


def test_after_a_reconnect_nothing_of_the_old_connection_is_decoded() -> None:
    camera = Camera(Gate.SUBSTREAM)
    camera.play(37)
    camera.watch.opened()
    camera.play(1, moving=True)
    assert camera.source.decoded == [], "there is no key frame yet"
    camera.play(4, moving=True)
    assert camera.source.decoded[0] == 40


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1920, 1080), (3840, 2160), (352, 288)])
def test_masks_hide_the_same_place_whatever_size_the_camera_changes_to(
    width: int, height: int
) -> None:
    camera = Camera(Gate.ALWAYS, limit_px=4096 * 3072)
    camera.play(10, moving=True)
    camera.source.size = (width, height)
    camera.play(10, moving=True)
    picture = camera.sink.pictures[-1]
    assert picture.shape == (height, width, 3), "4K is looked at as it is"
    assert picture.luma[:, : width // 2 - 1].max() == 16
    assert picture.luma[:, width // 2 + 2 :].min() == 100
