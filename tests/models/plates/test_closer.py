"""A second search around a small plate puts its corners right."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.catalogue import WEIGHTS
from models.plates.candidates import PlateDetection
from models.plates.closer import closer, is_small
from models.plates.detector import PlateDetector
from models.plates.grammar import PlateKind, PlateText
from models.plates.render import render_plate
from tests.bench.inference import as_planes

LEFT, TOP, WIDTH, HEIGHT = 1300, 800, 100, 32


@pytest.fixture(scope="module")
def detector() -> Iterator[PlateDetector]:
    opened = PlateDetector.open(WEIGHTS / "plate_detector.onnx")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def street() -> NDArray[np.uint8]:
    """A 1080p picture of a dark car with one plate."""
    flat = render_plate(PlateText(PlateKind.BLUE, "浙A12345"), height_px=200)
    picture = np.full((1080, 1920, 3), (150, 155, 150), np.uint8)
    picture[560:960, 1100:1600] = (60, 50, 45)
    small = cv2.resize(flat, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    picture[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] = small
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def plate(left: float, top: float, width: float, height: float) -> PlateDetection:
    corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
    return PlateDetection(np.array(corners, np.float32), 0.6, 1)


@pytest.mark.parametrize("planar", [False, True])
def test_corners_that_are_off_are_found_again(
    detector: PlateDetector, street: NDArray[np.uint8], planar: bool
) -> None:
    off = plate(LEFT + 14, TOP - 6, WIDTH - 20, HEIGHT + 9)
    (found,) = closer(detector, [as_planes(street) if planar else street], [off])
    assert found is not None
    truth = plate(LEFT, TOP, WIDTH, HEIGHT).corners
    before = np.abs(off.corners - truth).mean()
    assert np.abs(found.corners - truth).mean() < 0.5 * before


def test_where_nothing_is_nothing_is_found(
    detector: PlateDetector, street: NDArray[np.uint8]
) -> None:
    assert closer(detector, [street], [plate(300, 200, 90, 30)]) == [None]
    assert closer(detector, [], []) == []


def test_only_small_plates_of_shrunk_pictures_are_worth_it() -> None:
    assert is_small(plate(0, 0, 100, 30), per_pixel=3.0)
    assert not is_small(plate(0, 0, 300, 90), per_pixel=3.0)
    assert not is_small(plate(0, 0, 40, 12), per_pixel=1.0)
    assert not is_small(plate(0, 0, 0, 12), per_pixel=3.0)


@given(
    left=st.floats(-80, 700),
    top=st.floats(-80, 400),
    width=st.floats(3, 160),
    height=st.floats(2, 60),
)
@settings(max_examples=25)
def test_plates_at_and_beyond_the_border_upset_nothing(
    detector: PlateDetector, left: float, top: float, width: float, height: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    (found,) = closer(detector, [noise], [plate(left, top, width, height)])
    assert found is None or np.isfinite(found.corners).all()
