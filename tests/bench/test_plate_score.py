"""What counts as found, as read and as false."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from config.errors import UserError
from models.plates.grammar import PlateColour
from models.plates.reading import PlateRead
from models.types import PlateSighting
from tests.bench.plate_data import PlateLabel, read_crops, scenes
from tests.bench.plate_score import characters_right, corner_error, match_plates


def corners(left: float, top: float, width: float = 90, height: float = 30) -> np.ndarray:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def label(left: float, top: float, text: str = "浙A12345") -> PlateLabel:
    return PlateLabel(corners(left, top).astype(float), text, "")


def sighting(left: float, top: float, text: str = "浙A12345", score: float = 0.9) -> PlateSighting:
    read = PlateRead(text, text, 0.9, (), PlateColour.BLUE, None, 1)
    return PlateSighting(corners(left, top), score, 1, read)


def test_found_read_missed_and_false() -> None:
    matches, false = match_plates(
        [label(0, 0), label(200, 0, "京B00001"), label(400, 0)],
        [sighting(2, 1), sighting(203, 0, "京B00007"), sighting(800, 0)],
    )
    assert [match.found is not None for match in matches] == [True, True, False]
    assert [match.exact for match in matches] == [True, False, False]
    assert false == 1


def test_of_two_on_one_plate_the_surer_counts_and_the_other_is_not_false() -> None:
    (match,), false = match_plates(
        [label(0, 0)], [sighting(0, 0, "沪C11111", 0.5), sighting(1, 0, score=0.8)]
    )
    assert match.exact
    assert false == 0


def test_without_labels_every_read_is_false() -> None:
    assert match_plates([], [sighting(0, 0), sighting(300, 0)]) == ([], 2)


@given(turn=st.integers(0, 3), mirrored=st.booleans())
@settings(max_examples=10)
def test_corner_error_does_not_depend_on_the_order_of_labels(turn: int, mirrored: bool) -> None:
    found = corners(10, 10)
    truth = np.roll(found[::-1] if mirrored else found, turn, axis=0).astype(float)
    assert corner_error(truth, found) == pytest.approx(0.0)
    assert corner_error(truth + (3.0, 4.0), found) == pytest.approx(5.0)


def test_characters_are_counted_by_edit_distance() -> None:
    assert characters_right("浙A12345", "浙A12345") == 1.0
    assert characters_right("浙A1234", "浙A12345") == pytest.approx(6 / 7)
    assert characters_right("", "浙A12345") == 0.0
    assert characters_right("浙浙浙浙浙浙浙浙浙浙浙浙浙浙浙浙", "A") == 0.0


def test_both_label_formats_and_a_set_without_plates(tmp_path: Path) -> None:
    PillowImage.new("RGB", (50, 40)).save(tmp_path / "x.jpg")
    quad = [[1, 2], [3, 2], [3, 4], [1, 4]]
    lines = [
        {"file": "x.jpg", "plates": [{"corners": quad, "text": "皖AD0981"}]},
        {"file": "x.jpg", "plates": [{"corners": quad, "text": "蓝牌:京H99999"}]},
        {"file": "x.jpg", "faces": []},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "labels.jsonl").write_text(text, encoding="utf-8")
    found = [scene.plates for scene in scenes(tmp_path)]
    assert [(p.colour, p.text) for plates in found for p in plates] == [
        ("", "皖AD0981"),
        ("蓝牌", "京H99999"),
    ]
    assert found[2] == ()


def test_wrong_labels_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"file": "x.jpg", "plates": [{"text": "x"}]}')
    with pytest.raises(UserError, match=r"labels\.jsonl:1"):
        list(scenes(tmp_path))
    with pytest.raises(UserError, match="no pictures"):
        read_crops(tmp_path)
