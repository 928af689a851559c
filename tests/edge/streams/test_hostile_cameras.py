"""Cameras that misbehave on the wire: what is whole is shown, what is lost is noticed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from edge.simulator.behaviour import Behaviour
from edge.simulator.faults import (
    BackwardsTimestamps,
    ChangeOfResolution,
    CloseMidGop,
    DropPackets,
    HalfOpen,
    MissingParameterSets,
    TruncatePackets,
    WrongFrameSize,
)
from edge.simulator.loop import EncodedLoop
from edge.streams.stream import Fault, StreamError, VideoStream
from tests.edge.hostile import loop, read, served, smaller_loop


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_slices_of_one_picture_stay_together(codec: str) -> None:
    with served(loop(codec=codec, slices=4)) as url:
        packets, pictures = read(url, 20)
    assert len(packets) == 20
    assert len(pictures) >= 19
    stamps = [packet.pts_s for packet in packets]
    assert len(set(stamps)) == len(stamps), "one packet is one picture"


def test_a_gop_of_one_picture_and_one_of_ten_seconds() -> None:
    with served(loop(gop=1, seconds=4)) as url:
        packets, pictures = read(url, 15)
    assert all(packet.is_keyframe for packet in packets)
    assert len(pictures) >= 14
    with served(loop(gop=100, seconds=20)) as url:
        packets, pictures = read(url, 20)
    assert packets[0].is_keyframe
    assert len(pictures) >= 19


def test_another_resolution_in_mid_stream_goes_on_within_one_gop() -> None:
    other = smaller_loop()
    with served(loop(), partial(ChangeOfResolution, other=other, after=12)) as url:
        stream = VideoStream.open(url, camera="gate")
        sizes, info = [], []
        for number, packet in enumerate(stream.packets()):
            sizes += [(picture.width, picture.height) for picture in stream.decode(packet)]
            info.append((stream.info.width, stream.info.height))
            if number >= 40:
                break
        stream.close()
    assert info[0] == (320, 240)
    assert info[-1] == (160, 120)
    assert set(sizes) == {(320, 240), (160, 120)}
    changed = sizes.index((160, 120))
    assert sizes[changed:] == [(160, 120)] * (len(sizes) - changed)
    assert len(sizes) >= 39, "not a picture was lost over it"


def test_time_that_jumps_back_stops_nothing() -> None:
    with served(loop(), partial(BackwardsTimestamps, after=8)) as url:
        packets, pictures = read(url, 25)
    assert len(pictures) >= 24
    stamps = [packet.pts_s or 0 for packet in packets]
    assert min(np.diff(stamps)) < -5


@pytest.mark.parametrize(
    "behaviour",
    [
        partial(DropPackets, share=0.1, seed=1),
        partial(TruncatePackets, every=9),
        partial(WrongFrameSize, every=11, error=40),
        partial(WrongFrameSize, every=11, error=-40),
    ],
)
def test_loss_and_damage_cost_pictures_but_never_the_stream(
    behaviour: partial[Behaviour],
) -> None:
    with served(loop(), behaviour) as url:
        packets, pictures = read(url, 30, read_timeout_s=5.0)
    assert len(packets) >= 25
    assert len(pictures) >= 12


def test_a_camera_that_falls_silent_is_noticed_within_ten_seconds() -> None:
    with served(loop(), partial(HalfOpen, after=12)) as url:
        stream = VideoStream.open(url, camera="gate", read_timeout_s=1.0)
        with pytest.raises(StreamError) as caught:
            list(stream.packets())
        stream.close()
    assert caught.value.fault is Fault.SILENT


def test_a_connection_closed_in_the_middle_of_a_gop_has_ended() -> None:
    with served(loop(), partial(CloseMidGop, after=12)) as url:
        stream = VideoStream.open(url, camera="gate")
        with pytest.raises(StreamError) as caught:
            list(stream.packets())
        stream.close()
    assert caught.value.fault is Fault.ENDED


def test_a_camera_that_never_tells_its_parameter_sets_is_told_in_words() -> None:
    with served(loop(), MissingParameterSets) as url, pytest.raises(StreamError) as caught:
        VideoStream.open(url, camera="gate")
    assert caught.value.fault is Fault.BROKEN
    assert caught.value.remedy


def test_the_cameras_clock_is_compared_with_ours() -> None:
    main: EncodedLoop = loop()
    with served(main) as url:
        stream = VideoStream.open(url, camera="gate")
        for number, _ in enumerate(stream.packets()):
            if number > 10:
                break
        stream.close()
    assert stream.clock_skew_s is not None
    assert abs(stream.clock_skew_s) < 2
