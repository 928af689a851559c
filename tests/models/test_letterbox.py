"""Pictures keep their aspect, their place and their colours on the way into a network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.letterbox import (
    Letterbox,
    Normalisation,
    Shrinker,
    batches,
    input_size,
    most_together,
)
from models.planes import PlanarFrame, shrink_into


@given(
    height=st.integers(2, 4000), width=st.integers(2, 4000), long_side=st.sampled_from([320, 640])
)
def test_an_input_size_holds_the_picture_and_no_more(
    height: int, width: int, long_side: int
) -> None:
    rows, columns = input_size(height, width, long_side)
    assert rows % 32 == 0
    assert columns % 32 == 0
    assert max(rows, columns) <= max(32, long_side)
    scale = min(1.0, long_side / max(height, width))
    assert rows >= min(round(height * scale), long_side)
    assert columns >= min(round(width * scale), long_side)
    assert rows - height * scale < 33
    assert columns - width * scale < 33


def test_a_picture_of_the_right_size_passes_unchanged_as_planes() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    pixels, factors = Letterbox().fill([image], (64, 96))
    assert pixels.shape == (1, 3, 64, 96)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[0], image.transpose(2, 0, 1))
    assert factors.tolist() == [1.0]


def test_normalisation_and_red_first() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[...] = (0, 127, 255)
    box = Letterbox(Normalisation(127.5, 1 / 128, red_first=True))
    pixels, _ = box.fill([image], (32, 32))
    np.testing.assert_allclose(pixels[0, :, 5, 5], [127.5 / 128, -0.5 / 128, -127.5 / 128])


def test_a_big_picture_is_shrunk_and_a_small_one_never_enlarged() -> None:
    box = Letterbox()
    white = np.full((128, 256, 3), 255, np.uint8)
    pixels, factors = box.fill([white], (64, 64))
    assert factors.tolist() == [4.0]
    assert (pixels[0, :, :32] == 255).all()
    assert (pixels[0, :, 32:] == 0).all()
    pixels, factors = box.fill([white[:10, :20]], (64, 64))
    assert factors.tolist() == [1.0]
    assert pixels.sum() == 255 * 3 * 10 * 20


@given(sizes=st.lists(st.tuples(st.integers(2, 200), st.integers(2, 200)), min_size=2, max_size=6))
@settings(max_examples=40)
def test_no_picture_shines_through_the_next(sizes: list[tuple[int, int]]) -> None:
    box, shrinker = Letterbox(), Shrinker(96)
    for height, width in sizes:
        image = np.full((height, width, 3), 200, np.uint8)
        for size in ((64, 96), (96, 32)):
            again, _ = box.fill([image], size)
            fresh, _ = Letterbox().fill([image], size)
            np.testing.assert_array_equal(again, fresh)
        (small,) = shrinker.shrink([image])
        np.testing.assert_array_equal(small.padded, Shrinker(96).shrink([image])[0].padded)


def test_a_batch_holds_each_in_its_place() -> None:
    images = [np.full((32, 32, 3), value, np.uint8) for value in (1, 2, 3)]
    pixels, _ = Letterbox().fill(images, (32, 32))
    assert [np.unique(plane).tolist() for plane in pixels] == [[1], [2], [3]]


@given(factor=st.integers(1, 7), height=st.integers(1, 30), width=st.integers(1, 30))
@settings(max_examples=60)
def test_shrinking_fast_is_shrinking_linearly(factor: int, height: int, width: int) -> None:
    random = np.random.default_rng(factor)
    image = random.integers(0, 256, (height * factor, width * factor, 3), np.uint8)
    target = np.zeros((height, width, 3), np.uint8)
    shrink_into(image, target)
    linear = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(target, linear)


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (64, 32), (20, 64), (192, 96)])
def test_the_picture_fills_its_part_of_the_input_and_nothing_else(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    pixels, (factor,) = Letterbox().fill([image], (64, 64))
    height, width = round(size[0] / factor), round(size[1] / factor)
    assert (pixels[0, :, :height, :width] == 200).all()
    assert pixels.sum() == 200 * 3 * height * width
    planar = PlanarFrame(
        np.full(size, 200, np.uint8),
        np.full((size[0] // 2, size[1] // 2), 128, np.uint8),
        np.full((size[0] // 2, size[1] // 2), 128, np.uint8),
    )
    planes, _ = Letterbox().fill([planar], (64, 64))
    assert np.ptp(planes[0, :, :height, :width]) == 0
    assert planes[0, :, height:].sum() == planes[0, :, :, width:].sum() == 0


def test_a_shrinker_serves_several_pictures_at_once_in_kept_memory() -> None:
    shrinker = Shrinker(64)
    big = np.random.default_rng(0).integers(0, 256, (192, 96, 3), np.uint8)
    small = np.zeros((20, 30, 3), np.uint8)
    first, second, third = shrinker.shrink([big, small, big[::-1]])
    assert first.padded.shape == (64, 32, 3)
    assert first.scale.tolist() == [3.0, 3.0]
    np.testing.assert_array_equal(second.padded[:20, :30], small)
    assert second.scale.tolist() == [1.0, 1.0]
    np.testing.assert_array_equal(first.padded, big[1::3, 1::3])
    np.testing.assert_array_equal(third.padded, big[::-1][1::3, 1::3])
    again = shrinker.shrink([big])[0]
    assert np.shares_memory(again.padded, first.padded)


def test_a_part_is_made_as_small_as_inside_its_whole() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    shrinker = Shrinker(64)
    of_whole = shrinker.shrink([whole])[0].padded.copy()
    part = shrinker.shrink([whole[48:144, 96:]], whole_px=[192])[0]
    assert part.scale.tolist() == [3.0, 3.0]
    np.testing.assert_array_equal(part.padded, of_whole[16:48, 32:])


@given(
    kinds=st.lists(st.sampled_from([(32, 32), (64, 32), (384, 640)]), max_size=30),
    on_cpu=st.booleans(),
)
def test_every_picture_is_in_one_batch_of_its_size_and_no_batch_too_large(
    kinds: list[tuple[int, int]], on_cpu: bool
) -> None:
    def most(size: tuple[int, int]) -> int:
        return most_together(size, 8, on_cpu=on_cpu)

    found = list(batches(kinds, most))
    assert sorted(place for _, places in found for place in places) == list(range(len(kinds)))
    for size, places in found:
        assert {kinds[place] for place in places} == {size}
        assert len(places) <= most(size)
    assert [most(size) for size in ((32, 32), (384, 640))] == [8, 1 if on_cpu else 8]
