"""Pairs: thresholds are chosen on nine folds and used on the tenth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from config.errors import UserError
from tests.bench.pairs import best_threshold, read_pairs, tar_at_far, ten_fold_accuracy


def test_clean_separation_is_perfect() -> None:
    scores = np.concatenate([np.linspace(0.6, 0.9, 50), np.linspace(-0.2, 0.4, 50)])
    same = np.arange(100) < 50
    assert ten_fold_accuracy(scores, same) == 1.0
    assert tar_at_far(scores, same, 1e-3) == 1.0
    assert 0.4 < best_threshold(scores, same) < 0.6


def test_chance_is_about_a_half() -> None:
    random = np.random.default_rng(4)
    accuracy = ten_fold_accuracy(random.random(2000), np.arange(2000) % 2 == 0)
    assert 0.4 < accuracy < 0.6


def test_with_few_different_pairs_not_one_may_be_accepted() -> None:
    scores = np.array([0.9, 0.5, 0.3, 0.7, 0.1])
    same = np.array([True, True, True, False, False])
    assert tar_at_far(scores, same, 1e-3) == pytest.approx(1 / 3)
    assert tar_at_far(scores, same, 0.5) == 1.0


@pytest.mark.parametrize("text", ["a,b,c\nx.jpg,y.jpg,2", "x.jpg,y.jpg", "x.jpg,y.jpg,same"])
def test_a_wrong_row_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"pairs\.csv"):
        read_pairs(tmp_path)


def test_rows_and_header_are_read(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b,same\nx.jpg,y.jpg,1\nx.jpg,z.jpg,0\n")
    assert read_pairs(tmp_path) == [("x.jpg", "y.jpg", True), ("x.jpg", "z.jpg", False)]
    with pytest.raises(UserError, match="cannot be read"):
        read_pairs(tmp_path / "nowhere")
