"""Plates are counted against what the cameras really showed, in neither's favour."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from demo.scoring import Appearance, PlateScore, PlateVisit, load_truth, percentile, score_plates

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def shown(text: str, first: float, last: float, camera: str = "gate") -> Appearance:
    return Appearance(
        camera=camera,
        object_id=f"{camera}-{first}",
        kind="plate",
        text=text,
        shown_from=at(first),
        shown_until=at(last),
    )


def read(text: str, moment: float, camera: str = "gate") -> PlateVisit:
    return PlateVisit(camera=camera, text=text, started_at=at(moment), captured_at=at(moment))


def score(appearances: list[Appearance], visits: list[PlateVisit]) -> PlateScore:
    return score_plates(appearances, visits, until=at(60))


def test_a_plate_read_without_a_wrong_character_counts_once() -> None:
    result = score([shown("冀T12345", 10, 14)], [read("冀T12345", 12), read("冀T12345", 13)])
    assert result == PlateScore(expected=1, exact=1, wrong=0, invented=0)


def test_one_wrong_character_is_wrong() -> None:
    result = score([shown("冀T12345", 10, 14)], [read("冀T12346", 12)])
    assert result == PlateScore(expected=1, exact=0, wrong=1, invented=0)


def test_the_right_text_at_the_wrong_camera_or_time_is_invented() -> None:
    appearances = [shown("冀T12345", 10, 14)]
    assert score(appearances, [read("冀T12345", 30)]) == PlateScore(1, 0, 0, 1)
    assert score(appearances, [read("冀T12345", 12, camera="home")]) == PlateScore(1, 0, 0, 1)


def test_what_was_only_half_watched_is_neither_expected_nor_wrong() -> None:
    appearances = [
        replace(shown("冀T11111", -2, 3), best_shown=False),
        shown("冀T33333", 0, 0.6),
        shown("冀T22222", 58, 63),
        replace(shown("冀T33333", 20, 30), legible=False),
    ]
    result = score(appearances, [read("冀T11111", 1), read("翼T33338", 25)])
    assert result == PlateScore(expected=0, exact=0, wrong=0, invented=0)
    assert score(appearances, [read("冀T38888", 25)]).wrong == 1


def test_a_truth_log_cut_short_by_a_kill_is_read_up_to_there(tmp_path: Path) -> None:
    line = {
        "camera": "gate",
        "object": "7",
        "kind": "plate",
        "text": "冀T12345",
        "shown_from": at(1).isoformat(),
        "shown_until": at(4).isoformat(),
        "best_shown": True,
        "legible": True,
    }
    path = tmp_path / "truth.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps(line)[:30], encoding="utf-8")
    (found,) = load_truth(path)
    assert found == replace(shown("冀T12345", 1, 4), object_id="7")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_leaves_the_right_share_below_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values)


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) is None
