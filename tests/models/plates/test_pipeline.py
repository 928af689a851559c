"""Detector and reader vouch for each other: what counts as a plate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.plates.candidates import PlateDetection
from models.plates.grammar import PlateColour, choose_kind
from models.plates.pipeline import PlatePipeline, is_plate
from models.plates.reading import PlateRead
from models.search import Seen


def candidate(score: float) -> PlateDetection:
    return PlateDetection(np.zeros((4, 2), np.float32), score, 1)


def read(text: str, confidence: float) -> PlateRead:
    return PlateRead(
        text=text,
        raw=text,
        confidence=confidence,
        characters=tuple((character, confidence) for character in text),
        colour=PlateColour.BLUE,
        kind=choose_kind(text, PlateColour.BLUE, 1),
        rows=1,
    )


@pytest.mark.parametrize("text", ["皖A12345", "123", "?", "民航12345"])
def test_where_the_detector_is_sure_any_text_counts(text: str) -> None:
    assert is_plate(candidate(0.71), read(text, 0.05))


def test_a_scrap_of_text_needs_a_surer_detector_than_a_line() -> None:
    assert is_plate(candidate(0.65), read("民航12345", 0.05))
    assert not is_plate(candidate(0.65), read("JAC", 0.99))


def test_where_it_is_not_a_legal_text_must_vouch_for_it() -> None:
    assert is_plate(candidate(0.45), read("皖A12345", 0.6))
    assert is_plate(candidate(0.31), read("皖A12345", 0.99))
    assert not is_plate(candidate(0.31), read("皖A12345", 0.6))
    assert not is_plate(candidate(0.45), read("皖A12345", 0.1))
    assert not is_plate(candidate(0.45), read("JAC", 0.99))


def test_a_plate_on_which_nothing_is_written_is_none() -> None:
    assert not is_plate(candidate(0.99), read("", 0.0))


class _Found:
    """Detector and reader that see one doubtful plate, 100 pixels wide; keeps what was searched."""

    long_side = 640

    def __init__(self) -> None:
        corners = np.array([[50, 50], [150, 50], [150, 82], [50, 82]], np.float32)
        self.plate = PlateDetection(corners, 0.9, 1)
        self.again = 0

    def locate(self, _seen: object) -> list[list[PlateDetection]]:
        return [[self.plate]]

    def detect(self, images: list[object]) -> list[list[PlateDetection]]:
        self.again += len(images)
        return [[] for _ in images]

    def read_all(self, _images: object, located: list[list[object]]) -> list[list[PlateRead]]:
        return [[read("皖A12345", 0.5) for _ in found] for found in located]


@pytest.mark.parametrize(("scale", "again"), [(1.25, 0), (3.0, 1)])
def test_a_plate_in_a_part_is_small_if_it_was_small_where_it_was_searched(
    scale: float, again: int
) -> None:
    found: Any = _Found()
    seen = Seen([0], [np.array([scale, scale], np.float32)], 640, {})
    PlatePipeline(found, found).read_seen([np.zeros((400, 800, 3), np.uint8)], [seen])
    assert found.again == again
