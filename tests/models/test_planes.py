"""Frames as the decoder gives them are seen as their converted pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import UserError
from models.faces import FaceDetector
from models.letterbox import Letterbox
from models.planes import PlanarFrame, part_of
from models.plates.rectify import rectify
from tests.bench.inference import as_planes, camera_frame


def test_colours_survive_the_planes() -> None:
    image = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    frame = as_planes(image)
    assert frame.shape == (40, 60, 3)
    assert np.abs(frame.bgr().astype(int) - image).max() <= 3
    for size in ((13, 21), (12, 20), (40, 60)):
        target = np.zeros((*size, 3), np.uint8)
        frame.shrink_into(target)
        assert np.abs(target.astype(int) - (200, 100, 50)).max() <= 3


@given(
    corner=st.tuples(st.integers(0, 50), st.integers(0, 30)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 14)),
)
@settings(max_examples=60)
def test_a_part_is_that_part_of_the_whole(corner: tuple[int, int], size: tuple[int, int]) -> None:
    frame = as_planes(np.random.default_rng(7).integers(0, 256, (40, 60, 3)).astype(np.uint8))
    left, top = corner
    right, bottom = min(60, left + size[0]), min(40, top + size[1])
    part = frame.part(left, top, right, bottom)
    assert np.array_equal(part, frame.bgr()[top:bottom, left:right])
    assert np.array_equal(part_of(frame.bgr(), left, top, right, bottom), part)


def test_plates_are_cut_from_planes_as_from_the_picture() -> None:
    frame = as_planes(camera_frame())
    corners = np.array(
        [[[300, 900], [490, 900], [490, 960], [300, 960]], [[-20, -9], [1, 2], [0, 9], [-20, 5]]],
        np.float32,
    )
    assert np.array_equal(rectify(frame, corners, [1, 2]), rectify(frame.bgr(), corners, [1, 2]))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 3))
def test_at_a_third_of_the_size_every_third_pixel_is_taken(a: int, b: int, margin: int) -> None:
    random = np.random.default_rng(a * b)
    # Planes of decoders have rows with something behind them.
    luma = random.integers(0, 256, (6 * a, 6 * b + margin), np.uint8)[:, : 6 * b]
    blue, red = random.integers(0, 256, (2, 3 * a, 3 * b + margin), np.uint8)[:, :, : 3 * b]
    found = np.empty((2 * a, 2 * b, 3), np.uint8)
    PlanarFrame(luma, blue, red).shrink_into(found)
    small = PlanarFrame(*(np.ascontiguousarray(one[1::3, 1::3]) for one in (luma, blue, red)))
    assert np.array_equal(found, small.bgr())


def test_a_letterbox_filled_from_planes_is_nearly_one_filled_from_pixels() -> None:
    frame = camera_frame()
    pixels, factor = Letterbox().fill([frame], (384, 640))
    planes, same = Letterbox().fill([as_planes(frame)], (384, 640))
    assert factor.tolist() == same.tolist()
    assert np.abs(pixels - planes).mean() < 4


@pytest.mark.parametrize(
    "shapes",
    [
        ((41, 60), (20, 30), (20, 30)),
        ((40, 60), (40, 60), (40, 60)),
        ((40, 60), (20, 30), (20, 29)),
    ],
)
def test_planes_that_do_not_fit_are_refused(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(UserError, match="4:2:0"):
        PlanarFrame(*(np.zeros(shape, np.uint8) for shape in shapes))


def test_planes_of_another_depth_are_refused() -> None:
    deep = np.zeros((40, 60), np.uint16)
    half = np.zeros((20, 30), np.uint8)
    with pytest.raises(UserError, match="uint8"):
        PlanarFrame(deep, half, half)  # type: ignore[arg-type]


@pytest.mark.shared
def test_the_same_faces_are_found_with_the_same_quality(shared: Path) -> None:
    detector = FaceDetector.open(shared / "models/yunet_n_dynamic.onnx")
    frame = camera_frame()
    (from_pixels,), (from_planes,) = detector.detect([frame]), detector.detect([as_planes(frame)])
    assert len(from_planes) == len(from_pixels) >= 3
    for one, other in zip(
        sorted(from_pixels, key=lambda face: tuple(face.box[:2] // 50)),
        sorted(from_planes, key=lambda face: tuple(face.box[:2] // 50)),
        strict=True,
    ):
        assert np.abs(one.box - other.box).max() < 12
        assert abs(one.quality - other.quality) < 0.1
