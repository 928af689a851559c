"""The rules of WIDER FACE, on cases small enough to count by hand and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.wider import Picture, average_precision, overlaps

A, B, C = [0.0, 0.0, 10.0, 10.0], [100.0, 0.0, 10.0, 10.0], [200.0, 0.0, 10.0, 10.0]
NOWHERE = [500.0, 500.0, 10.0, 10.0]


def picture(
    truth: list[list[float]], levels: list[str], found: list[tuple[list[float], float]]
) -> Picture:
    return Picture(
        np.array(truth, float).reshape(-1, 4),
        tuple(levels),
        np.array([box for box, _ in found], float).reshape(-1, 4),
        np.array([score for _, score in found], float),
    )


def test_all_found_and_nothing_else_is_one() -> None:
    one = picture([A, B], ["easy", "easy"], [(A, 0.9), (B, 0.1)])
    assert average_precision([one], "easy") == pytest.approx(1.0)


def test_a_wrong_box_in_between_costs_precision_of_what_follows() -> None:
    one = picture([A, B], ["easy", "easy"], [(A, 0.9), (NOWHERE, 0.5), (B, 0.1)])
    assert average_precision([one], "easy") == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_second_box_on_the_same_face_is_wrong() -> None:
    one = picture([A, B], ["easy", "easy"], [(A, 0.9), (A, 0.5), (B, 0.1)])
    assert average_precision([one], "easy") == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_easy_is_within_medium_within_hard_and_others_do_not_count() -> None:
    one = picture(
        [A, B, C], ["easy", "medium", "hard"], [(C, 0.95), (B, 0.9), (A, 0.8), (NOWHERE, 0.1)]
    )
    # Boxes on faces of harder levels are neither right nor wrong for the easier ones.
    assert average_precision([one], "easy") == pytest.approx(1.0)
    missed = picture([A, B, C], ["easy", "medium", "hard"], [(A, 0.9), (NOWHERE, 0.1)])
    assert average_precision([missed], "medium") == pytest.approx(0.5)
    assert average_precision([missed], "hard") == pytest.approx(1 / 3, abs=1e-9)
    ignored = picture([A, B], ["easy", "ignore"], [(B, 0.9), (A, 0.5)])
    assert average_precision([ignored], "hard") == pytest.approx(1.0)


def test_scores_are_compared_over_the_whole_set() -> None:
    good = picture([A], ["easy"], [(A, 0.9)])
    bad = picture([A], ["easy"], [(NOWHERE, 0.95), (A, 0.1)])
    assert average_precision([good, bad], "easy") == pytest.approx(0.5 * 2 / 3 + 0.5 * 2 / 3)


def test_nothing_found_and_nothing_labelled_are_zero() -> None:
    assert average_precision([picture([A], ["easy"], [])], "easy") == 0.0
    assert average_precision([picture([], [], [(A, 0.5)])], "easy") == 0.0
    assert average_precision([], "hard") == 0.0


def test_an_overlap_of_half_counts_and_less_does_not() -> None:
    half = [0.0, 0.0, 10.0, 5.0]
    less = [0.0, 0.0, 10.0, 4.9]
    assert overlaps(np.array([half]), np.array([A]))[0, 0] == pytest.approx(0.5)
    for box, expected in ((half, 1.0), (less, 0.0)):
        one = picture([A], ["easy"], [(box, 0.9), (NOWHERE, 0.1)])
        assert average_precision([one], "easy") == pytest.approx(expected)


@given(seed=st.integers(0, 100_000))
@settings(max_examples=6)
def test_against_a_loop_over_every_threshold(seed: int) -> None:
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(3):
        truth = random.uniform(0, 60, (random.integers(0, 5), 4)) + (0, 0, 5, 5)
        near = truth[random.integers(0, len(truth), 4)] if len(truth) else np.zeros((0, 4))
        found = np.concatenate([near + random.uniform(-2, 2, near.shape), truth[:1]])
        levels = tuple(random.choice(["easy", "medium", "hard", "ignore"], len(truth)))
        pictures.append(Picture(truth, levels, found, random.integers(1, 9, len(found)) / 10))
    for level in ("easy", "hard"):
        assert average_precision(pictures, level) == pytest.approx(by_loop(pictures, level))


def by_loop(pictures: list[Picture], level: str) -> float:
    """The same rules, one threshold at a time."""
    counted = {"easy": {"easy"}, "hard": {"easy", "medium", "hard"}}[level]
    total = sum(name in counted for one in pictures for name in one.levels)
    scores = np.concatenate([one.scores for one in pictures])
    if total == 0 or len(scores) == 0:
        return 0.0
    low, span = scores.min(), max(scores.max() - scores.min(), 1e-12)
    points = []
    for step in range(1, 1001):
        right = answers = 0
        for one in pictures:
            taken: set[int] = set()
            for index in np.argsort(-one.scores, kind="stable"):
                if (one.scores[index] - low) / span < 1 - step / 1000:
                    continue
                row = overlaps(one.found[index][None], one.truth)[0] if len(one.truth) else []
                label = int(np.argmax(row)) if len(row) else -1
                if label < 0 or row[label] < 0.5:
                    answers += 1
                elif one.levels[label] in counted:
                    answers += 1
                    right += label not in taken
                    taken.add(label)
        points.append((right / total, right / answers if answers else 0.0))
    area, best, last = 0.0, 0.0, points[-1][0]
    for recall, precision in reversed(points):
        if recall != last:
            area += (last - recall) * best
            last = recall
        best = max(best, precision)
    return area + last * best
