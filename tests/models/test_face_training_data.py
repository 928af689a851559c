"""Training pictures of faces: what is asked for is where it can be seen, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data

from models.training.backdrops import library_pictures
from models.training.faces.data import (
    LABEL,
    LABELS,
    PIXELS,
    SIDE,
    SIDEWAYS,
    SMALLEST,
    Cutting,
    FaceData,
    FaceSample,
    _count_covered,
    _lay,
)

BOX = (80, 60, 180, 190)
MARKS = ((105, 100), (155, 100), (130, 130), (110, 160), (150, 160))


def portraits(folder: Path, *, yaw: float = 0.0) -> Path:
    """Two red heads on nothing."""
    pixels = np.zeros((2, 256, 256, 4), np.uint8)
    pixels[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = (30, 30, 250, 255)
    pixels[:, BOX[3] :, 40:220] = (200, 20, 20, 255)
    np.save(folder / PIXELS, pixels)
    np.save(folder / LABELS, np.array([(BOX, MARKS, yaw)] * 2, LABEL))
    return folder


def test_landmarks_are_in_their_boxes_and_right_stays_right(tmp_path: Path) -> None:
    data, rng = FaceData(portraits(tmp_path), None), np.random.default_rng(3)
    seen = 0
    for _ in range(60):
        sample = data.draw(rng)
        assert sample.picture.shape == (SIDE, SIDE, 3)
        assert sample.picture.dtype == np.uint8
        for box, marks in zip(sample.boxes, sample.landmarks, strict=True):
            seen += 1
            assert box[3] - box[1] >= SMALLEST - 1e-3
            assert ((marks >= box[:2]) & (marks <= box[2:])).all()
            right_eye, left_eye, _, right_mouth, left_mouth = marks
            assert right_eye[0] < left_eye[0], "a mirrored face looks ahead as well"
            assert right_mouth[0] < left_mouth[0]
    assert seen > 60


def test_a_head_from_behind_is_not_asked_for_and_one_from_the_side_counts_neither_way(
    tmp_path: Path,
) -> None:
    for yaw, ignored in ((2.5, False), (-2.5, False), (SIDEWAYS + 0.1, True)):
        data, rng = FaceData(portraits(tmp_path, yaw=yaw), None), np.random.default_rng(1)
        samples = [data.draw(rng) for _ in range(20)]
        assert not any(sample.boxes for sample in samples)
        assert any(sample.ignored for sample in samples) is ignored


def test_the_same_seed_draws_the_same_pictures(tmp_path: Path) -> None:
    data = FaceData(portraits(tmp_path), None)
    one, other = (data.draw(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.picture, other.picture)
    assert np.array_equal(one.boxes, other.boxes)


def test_a_face_behind_another_is_not_asked_for_any_more() -> None:
    behind, beside = np.array([20, 20, 40, 50]), np.array([200, 20, 220, 50])
    sample = FaceSample(
        np.zeros((SIDE, SIDE, 3), np.uint8),
        [behind.astype(np.float32), beside.astype(np.float32)],
        [np.zeros((5, 2), np.float32), np.ones((5, 2), np.float32)],
    )
    head = np.array([10, 10, 60, 70], np.float32)
    in_front = Cutting(np.zeros((80, 80, 4), np.float32), head, np.zeros((5, 2), np.float32), 0.0)
    _count_covered(sample, in_front, np.array([0, 0]))
    assert np.array_equal(sample.boxes, [beside])
    assert np.array_equal(sample.landmarks, [np.ones((5, 2))])
    assert np.array_equal(sample.ignored, [behind])


@pytest.mark.parametrize("corner", [(-30, -30), (SIDE - 10, 5), (SIDE + 5, 0), (0, -80)])
def test_what_reaches_over_the_edge_is_cut_there(corner: tuple[int, int]) -> None:
    canvas = np.full((SIDE, SIDE, 3), 7, np.uint8)
    red = np.zeros((50, 40, 4), np.float32)
    red[..., 2:] = 255
    _lay(canvas, red, np.array(corner), np.ones(3, np.float32))
    left, top = corner
    expected = np.full((SIDE, SIDE, 3), 7, np.uint8)
    expected[max(top, 0) : max(top + 50, 0), max(left, 0) : max(left + 40, 0)] = (0, 0, 255)
    assert np.array_equal(canvas, expected)


def test_nobody_without_a_label_is_in_the_backgrounds(tmp_path: Path) -> None:
    (portrait,) = (
        picture
        for picture in library_pictures()
        if np.array_equal(picture[..., ::-1], skimage.data.astronaut())
    )
    data = FaceData(portraits(tmp_path), None)
    assert len(data._places) > 10
    assert not any(np.array_equal(place, portrait) for place in data._places)
