"""A plate seen askew comes out straight; nonsense corners come out black."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.plates.grammar import PlateKind, PlateText
from models.plates.rectify import (
    STRIP_HEIGHT,
    STRIP_WIDTH,
    UPPER_WIDTH,
    moved_corners,
    rectify,
)
from models.plates.render import render_plate

COORDINATE = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def askew(flat: NDArray[np.uint8], quad: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A 900x700 grey picture with the flat plate's corners on ``quad``."""
    height, width = flat.shape[:2]
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    picture = np.full((700, 900, 3), 128, np.uint8)
    transform = cv2.getPerspectiveTransform(own, quad)
    cv2.warpPerspective(flat, transform, (900, 700), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    return picture


@pytest.mark.parametrize("scale", [1.0, 0.4, 3.5])
def test_a_plate_seen_askew_comes_out_as_if_seen_straight(scale: float) -> None:
    flat = render_plate(PlateText(PlateKind.BLUE, "皖A12345"), height_px=140)
    straight = np.array([[20, 20], [459, 20], [459, 159], [20, 159]], np.float32)
    slanted = np.array([[40, 60], [190, 20], [200, 75], [45, 125]], np.float32) * scale
    expected = rectify(askew(flat, straight), straight[None], [1])[0]
    seen = rectify(askew(flat, slanted), slanted[None], [1])[0]
    inner = np.s_[6:-6, 8:-8]
    difference = np.abs(expected[inner].astype(int) - seen[inner].astype(int)).mean()
    assert difference < (30 if scale < 1 else 18)


def test_the_two_rows_of_a_double_plate_come_out_side_by_side() -> None:
    flat = np.zeros((220, 440, 3), np.uint8)
    flat[15:75, 110:330] = (0, 0, 255)
    flat[90:200, 27:412] = (0, 255, 0)
    quad = np.array([[100, 100], [539, 100], [539, 319], [100, 319]], np.float32)
    strip = rectify(askew(flat, quad), quad[None], [2])[0]
    upper, lower = strip[:, :UPPER_WIDTH], strip[:, UPPER_WIDTH:]
    assert upper[20:39, 10:-10, 2].min() > 200
    assert upper[13:46, 4:-4, 1].max() < 60
    assert lower[6:32, 13:-13, 1].min() > 200
    assert lower[6:36, 7:-8, 2].max() < 60


@pytest.mark.parametrize(
    "quad",
    [
        [[5, 5], [5, 5], [5, 5], [5, 5]],
        [[0, 0], [50, 0], [100, 0], [150, 0]],
        [[np.nan, 0], [50, 0], [50, 20], [0, 20]],
        [[np.inf, 0], [50, 0], [50, 20], [0, 20]],
    ],
    ids=["point", "line", "nan", "inf"],
)
def test_corners_without_area_give_a_black_strip(quad: list[list[float]]) -> None:
    picture = np.full((80, 200, 3), 255, np.uint8)
    assert rectify(picture, np.array([quad], np.float32), [1]).max() == 0


@settings(max_examples=200)
@given(
    quad=st.lists(st.tuples(COORDINATE, COORDINATE), min_size=4, max_size=4),
    rows=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(2, 90), st.integers(2, 90)),
)
def test_no_corners_upset_it(
    quad: list[tuple[float, float]], rows: int, size: tuple[int, int]
) -> None:
    picture = np.full((*size, 3), 200, np.uint8)
    strips = rectify(picture, np.array([quad], np.float32), [rows])
    assert strips.shape == (1, STRIP_HEIGHT, STRIP_WIDTH, 3)


def test_no_plates_give_no_strips() -> None:
    picture = np.zeros((10, 10, 3), np.uint8)
    assert rectify(picture, np.zeros((0, 4, 2), np.float32), []).shape == (0, 48, 160, 3)


def test_corners_move_by_shares_of_the_plate() -> None:
    quad = np.array([[[10, 20], [110, 20], [110, 60], [10, 60]]], np.float32)
    offsets = np.array([[[0.1, 0.5]] * 4], np.float32)
    assert moved_corners(quad, offsets)[0] == pytest.approx(quad[0] + [10, 20])
    point = np.full((1, 4, 2), 5, np.float32)
    assert moved_corners(point, offsets) == pytest.approx(point)
    assert moved_corners(quad[:0], offsets[:0]).shape == (0, 4, 2)
