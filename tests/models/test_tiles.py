"""Small plates in large pictures: everything is seen, everything is counted once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plates.candidates import PlateDetection
from models.tiles import merge, tiles


@given(
    height=st.integers(2, 4000),
    width=st.integers(2, 4000),
    side=st.integers(64, 2000),
    overlap=st.sampled_from([0.0, 0.1, 0.2, 0.4]),
)
@settings(max_examples=150, deadline=None)
def test_tiles_cover_every_pixel_and_share_their_borders(
    height: int, width: int, side: int, overlap: float
) -> None:
    pieces = list(tiles(height, width, side, overlap))
    for axis, length in (("top", height), ("left", width)):
        size = pieces[0].height if axis == "top" else pieces[0].width
        starts = sorted({getattr(piece, axis) for piece in pieces})
        assert size <= side
        assert starts[0] == 0
        assert starts[-1] + size == length
        for one, other in itertools.pairwise(starts):
            assert one + size - other >= overlap * size - 2


def test_a_picture_that_fits_is_one_tile_and_1080p_is_a_few() -> None:
    assert len(list(tiles(360, 640, 640))) == 1
    assert len(list(tiles(1080, 1920, 1100))) == 2
    assert len(list(tiles(1080, 1920, 640))) == 8


@pytest.mark.parametrize("options", [(100, 100, 16), (100, 100, 64, 1.0), (100, 100, 64, -0.1)])
def test_impossible_tiles_are_refused(options: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not possible"):
        list(tiles(*options))  # type: ignore[arg-type]


def plate(left: float, top: float, width: float, height: float, score: float) -> PlateDetection:
    corners = np.array(
        [
            [left, top],
            [left + width, top],
            [left + width, top + height],
            [left, top + height],
        ],
        np.float32,
    )
    return PlateDetection(corners, score, 1)


def test_a_plate_seen_in_two_tiles_and_whole_is_one_plate() -> None:
    whole = plate(100, 100, 90, 30, 0.8)
    again = plate(101, 101, 90, 30, 0.75)
    half = plate(100, 100, 45, 30, 0.95)
    other = plate(300, 100, 90, 30, 0.6)
    found = merge([half, again, other, whole])
    assert [round(one.score, 2) for one in found] == [0.8, 0.6]


def test_two_plates_side_by_side_stay_two() -> None:
    assert len(merge([plate(0, 0, 90, 30, 0.9), plate(92, 0, 90, 30, 0.9)])) == 2
    assert merge([]) == []
