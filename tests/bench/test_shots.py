"""Best shots: what is chosen is told from what chance and hindsight would choose."""

from __future__ import annotations

import numpy as np
import pytest

from models.alignment import ARCFACE_112
from models.quality import face_quality
from tests.bench.shots import FACE, figures, limit_of, spoilt


def test_the_choice_is_held_against_chance_and_hindsight() -> None:
    alike = np.array([[0.9, 0.1], [0.2, 0.8]])
    quality = np.array([[0.7, 0.3], [0.6, 0.5]])
    told = figures(alike, quality, threshold=0.5)
    assert (told["random"], told["best_shot"], told["best_possible"]) == (0.5, 0.5, 1.0)
    assert told["best_shot_alike"] == pytest.approx((0.9 + 0.2) / 2)
    assert told["best_possible_alike"] == pytest.approx((0.9 + 0.8) / 2)


def test_of_few_strangers_none_may_exceed_the_limit() -> None:
    assert limit_of(np.array([0.1, 0.4, -0.2])) == pytest.approx(0.4)
    assert limit_of(np.linspace(0, 1, 2001)) == pytest.approx(1 - 2 / 2000)


def test_spoilt_shots_differ_and_are_worse_on_average() -> None:
    rng = np.random.default_rng(2)
    face = rng.integers(0, 256, (14, 14, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    shots = [spoilt(face, rng) for _ in range(40)]
    assert len({shot.shape for shot in shots}) > 10
    qualities = []
    for shot in [face, *shots]:
        scale = shot.shape[0] / 112
        qualities.append(face_quality(shot, FACE * scale, ARCFACE_112 * scale).score)
    assert qualities[0] == max(qualities)
    assert min(qualities) < qualities[0] / 2
