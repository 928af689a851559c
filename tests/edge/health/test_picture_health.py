"""Each trouble of a picture is found, and a street at work is none."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.health.picture_health import INTERVAL_S, PictureHealth

Grey = npt.NDArray[np.uint8]


class Street:
    """A textured grey street of 320x180 pixels with a sensor's noise."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(5)
        blocks = self.random.integers(40, 200, (18, 32)).astype(np.uint8)
        self.ground = np.asarray(cv2.resize(blocks, (320, 180), interpolation=0), np.uint8)
        self.health = PictureHealth()
        self.at_s = 0.0

    def noisy(self, picture: Grey) -> Grey:
        noise = self.random.normal(0, 3, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    def show(self, looks: int, change: Callable[[Grey], Grey] = lambda p: p) -> str | None:
        found = None
        for _ in range(looks):
            self.at_s += INTERVAL_S
            found = self.health.update(self.noisy(change(self.ground.copy())), self.at_s)
        return found


def night(picture: Grey) -> Grey:
    return np.zeros_like(picture)


def hand(picture: Grey) -> Grey:
    return np.full_like(picture, 90)


def fog(picture: Grey) -> Grey:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), np.uint8)


def turned(picture: Grey) -> Grey:
    return np.ascontiguousarray(np.roll(picture[:, ::-1], 37, axis=0))


@pytest.mark.parametrize(
    ("change", "trouble"),
    [(night, "black"), (hand, "covered"), (fog, "blurred"), (turned, "moved")],
)
def test_a_trouble_is_told_and_so_is_its_end(change: Callable[[Grey], Grey], trouble: str) -> None:
    street = Street()
    assert street.show(20) is None
    assert street.show(3, change) is None, "one odd picture may be a lorry in front of the lens"
    assert street.show(5, change) == trouble
    assert street.show(8) is None


def test_the_same_picture_for_a_minute_is_frozen() -> None:
    street = Street()
    picture = street.noisy(street.ground)
    found = None
    for i in range(40):
        found = street.health.update(picture, i * INTERVAL_S)
        assert found is None or i >= 30
    assert found == "frozen"
    assert street.show(2) is None


def test_traffic_dusk_and_a_lorry_are_no_trouble() -> None:
    street = Street()
    street.show(20)

    def traffic(picture: Grey) -> Grey:
        x = int(street.random.integers(0, 200))
        picture[60:140, x : x + 90] = 220
        return picture

    assert street.show(60, traffic) is None
    for dark in range(60):
        assert street.show(1, lambda p, d=dark: np.asarray(p * (1 - d / 100), np.uint8)) is None  # type: ignore[misc]


def test_a_camera_that_was_turned_for_good_is_where_it_belongs_in_the_end() -> None:
    street = Street()
    street.show(20)
    assert street.show(20, turned) == "moved"
    assert street.show(110, turned) is None
