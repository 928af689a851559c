"""Whatever a head's place, size and tilt, its landmarks come to lie on the template."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alignment import ARCFACE_112, OPEN_MODEL_ZOO_128, align, similarity


@given(
    angle=st.floats(-math.pi, math.pi),
    scale=st.floats(0.1, 10),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
@settings(max_examples=80)
def test_a_moved_template_is_moved_back(angle: float, scale: float, x: float, y: float) -> None:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = (scale * ARCFACE_112 @ turn.T + (x, y)).astype(np.float32)
    matrix = similarity(moved, ARCFACE_112)
    back = moved @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(back, ARCFACE_112, atol=0.05)
    assert np.linalg.det(matrix[:, :2].astype(np.float64)) > 0


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = ARCFACE_112 * (-1, 1)
    assert np.linalg.det(similarity(mirrored.astype(np.float32), ARCFACE_112)[:, :2]) > 0


@pytest.mark.parametrize("value", [5.0, float("nan"), float("inf")])
def test_landmarks_that_are_no_face_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="do not span"):
        similarity(np.full((5, 2), value, np.float32), ARCFACE_112)


def test_the_crop_shows_the_landmarks_where_the_template_has_them() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    points = ARCFACE_112 * 1.5 + (60, 40)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 4, (255, 255, 255), -1)
    crop = align(image, points.astype(np.float32), OPEN_MODEL_ZOO_128, 128)
    assert crop.shape == (128, 128, 3)
    for x, y in OPEN_MODEL_ZOO_128:
        assert crop[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5].max() > 200
