"""Squashed pictures are noticed, stretched back, and never without being told."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.types import Image
from tests.bench.face_data import FacePicture, Geometry, with_geometry

SIDE = 200


def squashed_set(factors: list[float]) -> tuple[list[FacePicture], dict[int, NDArray[np.float64]]]:
    """Square pictures whose labels lie in a frame ``factor`` times less high."""
    random = np.random.default_rng(7)
    pictures, faces = [], {}
    for factor in factors:
        boxes = random.uniform(10, 120, (4, 4)) * (1, 1, 0, 0) + (0, 0, 22, 30)
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        pictures.append(
            FacePicture("x", image, boxes / (1, factor, 1, factor), ("easy",) * len(boxes))
        )
        faces[id(image)] = boxes
    return pictures, faces


def test_a_squashed_set_is_stretched_back_to_its_own_heights() -> None:
    factors = [1.5, 1.33, 1.78, 0.75]
    pictures, faces = squashed_set(factors)
    restored, told = with_geometry(pictures, Geometry.AUTO, lambda image: faces[id(image)])
    assert told
    for picture, factor in zip(restored, factors, strict=True):
        assert picture.image.shape[1] == SIDE
        assert abs(picture.image.shape[0] - SIDE / factor) < 0.06 * SIDE


def test_a_sound_set_is_left_alone() -> None:
    pictures, faces = squashed_set([1.0] * 4)
    same, told = with_geometry(pictures, Geometry.AUTO, lambda image: faces[id(image)])
    assert not told
    assert same is pictures


def test_pictures_of_different_shapes_are_never_stretched_unasked() -> None:
    pictures, _ = squashed_set([1.5, 1.5])
    wide: Image = np.zeros((100, 200, 3), np.uint8)
    mixed = [pictures[0], FacePicture("w", wide, pictures[1].boxes, pictures[1].levels)]

    def never(_image: Image) -> NDArray[np.float64]:
        raise AssertionError("nobody asked")

    assert with_geometry(mixed, Geometry.AUTO, never) == (mixed, False)
    assert with_geometry(pictures, Geometry.GIVEN, never) == (pictures, False)
