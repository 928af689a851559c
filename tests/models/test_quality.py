"""A shot's quality falls with everything that spoils it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.planes import Picture
from models.quality import face_qualities, face_quality
from models.types import Image
from tests.bench.inference import as_planes

BOX = np.array([40, 30, 100, 130], np.float32)
FRONTAL = np.array([[68, 80], [112, 80], [90, 107], [72, 130], [108, 130]], np.float32)


@pytest.fixture(scope="module")
def picture() -> Image:
    """A drawn face: skin, eyes, nose, mouth, hair, on a wall."""
    image = np.full((200, 180, 3), (90, 100, 110), np.uint8)
    cv2.ellipse(image, (90, 95), (48, 64), 0, 0, 360, (130, 160, 200), -1)
    cv2.ellipse(image, (90, 45), (48, 24), 0, 0, 360, (20, 25, 30), -1)
    for x in (68, 112):
        cv2.ellipse(image, (x, 80), (10, 5), 0, 0, 360, (235, 240, 245), -1)
        cv2.circle(image, (x, 80), 4, (20, 20, 20), -1)
        cv2.line(image, (x - 11, 70), (x + 11, 69), (30, 35, 40), 2)
    cv2.line(image, (90, 84), (86, 108), (90, 115, 150), 2)
    cv2.ellipse(image, (90, 130), (18, 6), 0, 0, 360, (60, 60, 150), -1)
    noise = np.random.default_rng(1).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def score(image: Image, landmarks: NDArray[np.float32] = FRONTAL, scale: float = 1.0) -> float:
    return face_quality(image, BOX * scale, landmarks * scale).score


def test_a_sharp_frontal_well_lit_face_is_good(picture: Image) -> None:
    assert score(picture) > 0.7


def test_each_blur_costs_more(picture: Image) -> None:
    scores = [score(picture)]
    scores += [score(cv2.GaussianBlur(picture, (0, 0), sigma)) for sigma in (2, 4, 8)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.75 * scores[0]


def test_darkness_and_glare_cost(picture: Image) -> None:
    dark = (picture * 0.15).astype(np.uint8)
    glare = np.clip(picture.astype(int) + 190, 0, 255).astype(np.uint8)
    assert score(dark) < 0.6 * score(picture)
    assert score(glare) < 0.8 * score(picture)


def test_a_small_face_costs_and_a_tiny_one_is_useless(picture: Image) -> None:
    scores = []
    for scale in (1.0, 0.5, 0.25, 0.08):
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        scores.append(score(small, scale=scale))
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0.0


def test_turning_away_tilting_and_nodding_cost(picture: Image) -> None:
    turned = FRONTAL.copy()
    turned[2, 0] += 20
    profile = FRONTAL.copy()
    profile[:, 0] = 90 + (profile[:, 0] - 90) * 0.2
    nodding = FRONTAL.copy()
    nodding[2, 1] = 128
    angle = np.deg2rad(50)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilted = ((FRONTAL - 100) @ rotation.T + 100).astype(np.float32)
    straight = score(picture)
    for other in (turned, profile, nodding, tilted):
        assert score(picture, other) < 0.95 * straight


@pytest.mark.parametrize("planar", [False, True])
def test_faces_are_graded_together_as_each_alone(picture: Image, planar: bool) -> None:
    seen: Picture = as_planes(picture) if planar else picture
    shifts = np.arange(100, dtype=np.float32)[:, None]
    boxes, landmarks = BOX + shifts * [1, 0, -0.5, -1], FRONTAL + shifts[:, None] * [0.5, 0]
    landmarks[7, 2], boxes[50, 0] = np.nan, -1e9
    together = face_qualities(seen, boxes, landmarks)
    assert together == [face_quality(seen, *one) for one in zip(boxes, landmarks, strict=True)]
    assert together[7].score == together[50].score == 0.0
    assert len({one.sharpness for one in together}) > 50


@given(
    box=st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4),
    points=st.lists(
        st.floats(-1e6, 1e6, width=32) | st.just(float("nan")), min_size=10, max_size=10
    ),
)
@settings(max_examples=60)
def test_any_box_and_landmarks_give_a_share(box: list[float], points: list[float]) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    landmarks = np.array(points, np.float32).reshape(5, 2)
    value = face_quality(image, np.array(box, np.float32), landmarks).score
    assert 0.0 <= value <= 1.0
