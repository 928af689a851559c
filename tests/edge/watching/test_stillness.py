"""How long a look at a still scene may wait, told from the sizes of coded pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.watching.stillness import CALM_S, LONGEST_WAIT_S, Stillness

KEY, FPS, GOP = 15_000, 10, 20
Sizes = Callable[[int], int]


class Camera:
    """Plays pictures and looks like a small stream's watcher, at most 0.4 s apart at first."""

    def __init__(self, sizes: Sizes, *, fps: int = FPS, gop: int = GOP) -> None:
        self.stillness = Stillness()
        self.sizes, self.fps, self.gop = sizes, fps, gop
        self.number = 0
        self.looks: list[float] = [0.0]

    def play(self, seconds: float, *, extra: int = 0, area: float = 0.0) -> list[float]:
        """The moments of looks in these seconds; ``extra`` bytes a picture, ``area`` seen."""
        before = len(self.looks)
        for _ in range(round(seconds * self.fps)):
            at_s, place = self.number / self.fps, self.number % self.gop
            size = self.sizes(self.number) + extra
            self.stillness.packet(at_s, size, is_key=place == 0)
            usual_s = (0.45 if place == 0 else 0.95) * (0.1 if area else 0.4)
            due = at_s - self.looks[-1] >= usual_s
            if due and not self.stillness.may_wait(at_s, is_key=place == 0):
                self.looks.append(at_s)
                self.stillness.looked(at_s, area=area, moves=area > 0)
            self.number += 1
        return self.looks[before:]

    @property
    def at_s(self) -> float:
        return self.number / self.fps


def steady(deviation: float, *, middle: int = 800, gop: int = GOP) -> Sizes:
    """Pictures of a still scene, of about ``middle`` bytes."""
    random = np.random.default_rng(3)
    noise: Iterator[float] = (random.normal(0, deviation) for _ in count())
    return lambda number: KEY if number % gop == 0 else max(1, round(middle + next(noise)))


def gaps(looks: list[float]) -> np.ndarray:
    return np.diff(looks).round(2)


def proved(sizes: Sizes, *, gop: int = GOP) -> Camera:
    """A camera in whose sizes a movement has shown."""
    camera = Camera(sizes, gop=gop)
    camera.play(20)
    camera.play(3, extra=1500, area=0.1)
    camera.play(20 - camera.at_s % 2)
    return camera


def test_looks_are_as_close_as_ever_until_a_few_groups_of_the_still_scene_are_known() -> None:
    camera = Camera(steady(15))
    assert gaps(camera.play(6)).max() <= 0.4
    assert gaps(camera.play(20)).max() == 1.0, "then twice a group, as nothing has shown yet"


def test_a_camera_in_whose_sizes_a_movement_has_shown_is_looked_at_on_key_frames() -> None:
    camera = proved(steady(15))
    looks = camera.play(20)
    assert set(gaps(looks)) == {2.0}
    assert {round(at_s * FPS) % GOP for at_s in looks} == {0}


def test_what_comes_into_view_between_two_looks_is_looked_at_at_once() -> None:
    camera = proved(steady(15))
    camera.play(0.5)
    begun = camera.at_s
    assert camera.play(1.2, extra=300)[0] - begun <= 0.5
    assert gaps(camera.play(1.2, extra=300)).max() <= 0.5, "and while it goes on, as ever"


def test_after_somebody_has_gone_nothing_waits_for_a_while() -> None:
    camera = proved(steady(15))
    camera.play(2, extra=1500, area=0.1)
    assert gaps(camera.play(CALM_S)).max() <= 0.4
    assert gaps(camera.play(12)).max() == 2.0


def test_the_noisier_a_camera_the_less_its_looks_wait() -> None:
    waits = []
    for deviation in (15, 500, 2500):
        camera = Camera(steady(deviation, middle=9000))
        camera.play(20)
        waits.append(float(np.mean(gaps(camera.play(20)))))
    assert waits[0] == 1.0
    assert waits[0] > waits[1] > waits[2]
    assert waits[2] <= 0.45, "where sizes say nothing, looks are as close as ever"


def test_a_camera_whose_sizes_hide_movements_is_found_out() -> None:
    camera = Camera(steady(2, middle=3000))
    camera.play(20)
    assert gaps(camera.play(10)).max() == 1.0
    for _ in range(2):
        camera.play(3, area=0.2)
        camera.play(10)
    assert gaps(camera.play(20)).max() <= 0.4
    camera.play(3, extra=1500, area=0.2)
    camera.play(10 - camera.at_s % 2)
    assert gaps(camera.play(20)).max() == 2.0, "until a movement shows after all"


def test_what_is_too_small_to_show_says_nothing_about_the_camera() -> None:
    camera = proved(steady(100, middle=3000))
    for _ in range(4):
        camera.play(3, area=0.004)
        camera.play(10)
    assert gaps(camera.play(20)).max() > 0.9


def test_one_giant_picture_costs_one_look() -> None:
    sizes = steady(15)
    camera = proved(lambda number: 900_000 if number == 503 else sizes(number))
    camera.play(50.1 - camera.at_s)
    looks = camera.play(8)
    assert [round(at_s, 1) for at_s in looks] == [50.4, 52.0, 54.0, 56.0, 58.0]


def test_a_stream_that_grows_slowly_at_dusk_stays_ordinary() -> None:
    sizes = steady(15)
    camera = proved(lambda number: round(sizes(number) * (1 + number / 10_000)))
    assert np.mean(gaps(camera.play(60))) >= 1.8


def test_when_the_lamps_of_a_camera_go_on_looks_are_close_until_that_is_ordinary() -> None:
    sizes = steady(15)
    camera = proved(lambda number: sizes(number) + (2000 if number >= 500 else 0))
    camera.play(50 - camera.at_s)
    assert gaps(camera.play(6)).max() <= 0.5
    camera.play(10)
    assert gaps(camera.play(10)).max() == 2.0


def test_groups_of_another_length_are_learned_anew() -> None:
    camera = proved(steady(15))
    camera.gop, camera.sizes = 60, steady(15, gop=60)
    camera.number = 6000
    camera.play(6)
    assert gaps(camera.play(18)[1:]).max() <= 2.0
    camera.play(30)
    assert gaps(camera.play(30)).max() == 2.0, "three looks in each group of six seconds"


def test_a_clock_that_jumps_lets_nothing_wait_for_it() -> None:
    stillness = proved(steady(15)).stillness
    stillness.packet(0.0, 800, is_key=False)
    assert not stillness.may_wait(0.0, is_key=False)
    assert not stillness.may_wait(1e9, is_key=False)


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_sizes_that_never_change_let_looks_wait_only_a_little(size: int) -> None:
    camera = Camera(lambda _: size)
    camera.play(20)
    assert gaps(camera.play(10)).max() <= 1.0


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=40),
    keys=st.lists(st.booleans(), min_size=1, max_size=40),
    areas=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.5]), min_size=1, max_size=7),
    fps=st.sampled_from([1, 10, 25]),
)
def test_whatever_is_sent_a_look_never_waits_longer_than_it_may(
    sizes: list[int], keys: list[bool], areas: list[float], fps: int
) -> None:
    stillness, looked_s, looks = Stillness(), 0.0, 0
    for number in range(400):
        at_s, is_key = number / fps, keys[number % len(keys)]
        stillness.packet(at_s, sizes[number % len(sizes)], is_key=is_key)
        if not stillness.may_wait(at_s, is_key=is_key):
            looked_s = at_s
            looks += 1
            area = areas[looks % len(areas)]
            stillness.looked(at_s, area=area, moves=area > 0)
        assert at_s - looked_s < LONGEST_WAIT_S
