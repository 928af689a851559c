"""What readers are judged by: tilted crops keep their plate, and chance is told from gain."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="opt-in: pip install 'menshen[train]'")

from models.training.backdrops import plain_background
from models.training.tilt import tilted_crop
from models.training.trial import chance


def test_a_tilted_crop_has_the_plate_where_its_corners_are_said_to_be() -> None:
    picture = np.full((80, 240, 3), 40, np.uint8)
    picture[20:60, 40:200] = 220
    corners = np.array([[40, 20], [199, 20], [199, 59], [40, 59]], np.float32)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        crop, box, quad = tilted_crop(picture, corners, plain_background, rng)
        x, y = quad.mean(0).round().astype(int)
        assert crop[y, x].min() > 180
        size = np.ptp(box, axis=0)
        assert np.all(np.abs(quad.min(0) - box[0]) < 0.15 * size + 1)
        assert np.all(np.abs(quad.max(0) - box[2]) < 0.15 * size + 1)


def test_as_many_gained_as_lost_is_chance_and_all_gained_is_not() -> None:
    assert chance(0, 0) == 1.0
    assert chance(5, 5) == 1.0
    assert chance(1, 0) == 1.0
    assert chance(10, 0) == pytest.approx(2 / 1024)
    assert chance(0, 10) == chance(10, 0)
