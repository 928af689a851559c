"""The edge benchmark's own rules: what counts as seen, and what a camera's loop is made of."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import pytest

from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit, EncodedLoop
from edge.simulator.nal import Codec
from tests.bench.edge_recall import LoopStream, Tally
from tests.bench.edge_score import Score, Seen, compare
from tests.bench.edge_soak import rate_change, summary
from tests.bench.edge_unhurried import losses
from tests.bench.processes import cpu_s, family, memory_mb


def seen(start: float, *, kind: str = "plate", camera: str = "cam0", told: float = 1.0) -> Seen:
    return Seen(camera, kind, start, start + 2, start + told)


def test_each_visit_answers_for_one_only() -> None:
    reference = [seen(10), seen(11), seen(30), seen(50, kind="motion")]
    score = compare(reference, [seen(10.5, told=3), seen(30.2, told=2)])
    assert (score.expected, score.found) == (4, 2)
    assert score.recall == 0.5
    assert score.delay_ms_p50 == pytest.approx((3500 + 2200) / 2, abs=1)


def test_another_kind_camera_or_time_is_no_answer() -> None:
    for other in (seen(10, kind="motion"), seen(10, camera="cam1"), seen(20)):
        assert compare([seen(10)], [other]).found == 0


def test_a_moving_thing_told_by_its_face_is_told_and_each_face_answers_once() -> None:
    moving = Seen("gate", "motion", 10, 14, 13)
    face = Seen("gate", "face", 10, 12, 11)
    assert compare([moving], [face]).found == 1
    assert compare([moving, face], [face]).found == 1, "a face that was expected answers as one"
    assert compare([face], [moving]).found == 0, "who was not recognised as a face is missed"


def test_the_reference_finds_itself_and_nothing_has_no_recall() -> None:
    visits = [seen(10), seen(12), seen(40)]
    assert compare(visits, visits).recall == 1
    assert compare([], visits).recall is None


def test_a_process_is_accounted_for() -> None:
    own = os.getpid()
    assert own in family(own)
    before = cpu_s([own])
    while cpu_s([own]) <= before:
        sum(range(10_000))
    assert memory_mb([own]) > 10


def test_what_an_unhurried_camera_always_tells_has_to_be_told_in_each_pass() -> None:
    loop = EncodedLoop(
        Codec.H264, 64, 48, 100 * TICKS_PER_SECOND, (), (AccessUnit(0, 0, (b"e",), key=True),)
    )
    sure = {"cam0": (20.0, [seen(1), seen(5, kind="motion")])}

    def told(at: float, kind: str) -> Seen:
        return replace(seen(at % 100, kind=kind), at_s=at)

    whole = [told(21.3, "plate"), told(25, "motion"), told(121, "plate"), told(225.5, "motion")]
    score = partial(losses, sure=sure, loops={"cam0": loop})
    assert score(whole, start_s=0, end_s=150) == (4, 1), "the second pass lacks its motion"
    assert score(whole, start_s=50, end_s=130) == (0, 0), "no pass was watched whole"
    assert score(whole, start_s=0, end_s=300) == (6, 2)
    assert score([], start_s=0, end_s=300) == (6, 6)


def test_a_soak_that_grows_shows_it() -> None:
    samples = [
        {"at_s": 10.0 * i, "cpu_s": 3.0 * i, "simulator_s": 1.0 * i, "memory_mb": 500.0 + i,
         "load": 1.0, "waiting": i, "lag_s": i / 10, "sampled": 50 * i, "dropped": 0,
         "packets": 500 * i}
        for i in range(12)
    ]  # fmt: skip
    found = summary(samples, cameras=2)
    assert found["core_percent_per_camera"] == 15.0
    assert found["pictures_per_s_per_camera"] == 25.0
    assert found["waiting_mean_by_third"] == [1.5, 5.5, 9.5]
    assert found["memory_growth_mb_second_half"] == 5.0


def test_what_the_others_send_is_compared_before_and_after() -> None:
    samples = [{"at_s": 10.0 * i, "packets_of": {"a": 250 * min(i, 2), "b": 250 * i - 10 * (i > 2)}}
               for i in range(6)]  # fmt: skip
    assert rate_change(samples, ["b"]) == 0.0
    assert rate_change(samples, ["a"]) == -100.0


def test_a_loop_comes_in_pieces_each_picture_at_its_moment() -> None:
    tick = TICKS_PER_SECOND // 10
    units = tuple(AccessUnit(n * tick, n * tick, (b"e",), n % 5 == 0) for n in range(20))
    stream = LoopStream(EncodedLoop(Codec.H264, 64, 48, 20 * tick, (), units))
    first, second = stream.until(0.35), stream.until(0.75)
    assert [packet.is_keyframe for packet in first] == [True, False, False, False]
    assert [round(packet.at_s, 2) for packet in second] == [0.45, 0.55, 0.65, 0.75]
    assert len(stream.until(0.75)) == 0
    assert len(list(stream.packets())) == 12


def test_recall_counts_visits_of_all_clips_and_nothing_has_none() -> None:
    assert Tally().recall is None
    tally = Tally()
    tally.add(Score(3, 3, 100.0), Score(4, 3, None))
    tally.add(Score(1, 0, None), Score(0, 0, None))
    assert (tally.visits, tally.recall, tally.extra) == (4, 0.75, 1)
