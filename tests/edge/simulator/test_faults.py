"""Each misbehaviour does what it says, and the honest clients beside it see none of it."""

from __future__ import annotations

import pytest

from edge.simulator.behaviour import HangUpError
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
from edge.simulator.messages import interleaved
from edge.simulator.nal import is_parameter_set
from edge.simulator.source import CameraSource


def test_packets_are_lost_and_cut() -> None:
    drop = DropPackets(0.5, seed=3)
    kept = [drop.packet(b"x") for _ in range(1000)]
    assert 400 < kept.count(None) < 600
    cut = TruncatePackets(every=2, size=6)
    assert [len(cut.packet(bytes(40)) or b"") for _ in range(4)] == [40, 6, 40, 6]


def test_frames_lie_about_their_size() -> None:
    wrong = WrongFrameSize(every=2, error=100)
    honest = interleaved(0, b"abc")
    assert wrong.frame(honest) == honest
    assert wrong.frame(honest) == b"$\x00\x00\x67abc"


def test_silence_and_hang_up(scene_camera: CameraSource) -> None:
    loop = scene_camera.main
    quiet = HalfOpen(after=2)
    assert [quiet.unit(loop.unit_at(n)) is None for n in range(4)] == [False, False, True, True]
    assert quiet.silent
    closing = CloseMidGop(after=3)
    for n in range(3):
        closing.unit(loop.unit_at(n))
    with pytest.raises(HangUpError):
        closing.unit(loop.unit_at(3))


def test_the_stream_changes_its_nature(scene_camera: CameraSource) -> None:
    main, sub = scene_camera.main, scene_camera.sub
    assert sub is not None
    change = ChangeOfResolution(sub, after=1)
    sent = [change.unit(main.unit_at(n)) for n in range(7)]
    second_key = main.next_key(1)
    assert sent[second_key] is not None
    assert sent[second_key].nals == sub.units[0].nals
    back = BackwardsTimestamps(after=1, jump_s=1)
    times = [unit.show for n in range(3) if (unit := back.unit(main.unit_at(n)))]
    assert times[1] < times[0] < times[2] + 90_000
    missing = MissingParameterSets()
    bare = missing.unit(main.unit_at(0))
    assert bare is not None
    assert not any(is_parameter_set(main.codec, nal) for nal in bare.nals)
    assert list(missing.announced(main.parameter_sets)) == []
