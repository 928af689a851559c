"""Precision of a camera: honest bounds, and proposals only where they are worth their price."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.precision.figures import COST, FEWEST, Case, precision, wilson
from config.event import EventKind

RIGHT = Case("gate", EventKind.ZONE, True, 12, centre=(0.8, 0.8), score=0.9)
FALSE = replace(RIGHT, is_right=False)


def what(cases: list[Case]) -> list[str]:
    return [proposal.what for proposal in precision(cases)[0].proposals]


def test_a_tree_in_one_corner_is_named_with_its_place() -> None:
    tree = replace(FALSE, centre=(0.1, 0.2))
    line = precision([tree] * 9 + [RIGHT] * 20)[0]
    assert (line.right, line.false) == (20, 9)
    area = next(proposal for proposal in line.proposals if proposal.what == "area")
    assert (area.false_removed, area.right_lost) == (9, 0)
    assert "左起" in area.zh


def test_weak_readings_ask_for_a_higher_threshold() -> None:
    line = precision([replace(FALSE, score=0.35)] * 6 + [RIGHT] * 20)[0]
    threshold = next(proposal for proposal in line.proposals if proposal.what == "threshold")
    assert "0.40" in threshold.en
    assert threshold.right_lost == 0


def test_false_alarms_of_the_small_hours_ask_for_a_window() -> None:
    night = [replace(FALSE, hour=hour) for hour in (23, 0, 1, 2)] * 3
    line = precision(night + [RIGHT] * 20)[0]
    hours = next(proposal for proposal in line.proposals if proposal.what == "hours")
    assert "23:00 to 03:00" in hours.en


def test_a_bad_zone_beside_good_ones_is_named() -> None:
    cases = [replace(FALSE, zone="hedge")] * 6 + [replace(RIGHT, zone="door")] * 20
    assert "zone" in what(cases)


def test_where_right_and_false_look_alike_nothing_is_proposed() -> None:
    assert what([FALSE] * 10 + [RIGHT] * 10) == []


def test_from_a_handful_nothing_is_concluded() -> None:
    assert what([replace(FALSE, centre=(0.1, 0.1))] * (FEWEST - 1)) == []


def test_lines_are_by_camera_and_kind_the_worst_first() -> None:
    other = replace(RIGHT, camera="road", kind=EventKind.PLATE)
    lines = precision([RIGHT, FALSE, other])
    assert [(line.camera, line.kind, line.share) for line in lines] == [
        ("gate", EventKind.ZONE, 0.5),
        ("road", EventKind.PLATE, 1.0),
    ]


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278), (50, 100, 0.404, 0.596)],
)
def test_bounds_are_those_of_wilson(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=0.001)


share = st.floats(0, 1)
cases = st.lists(
    st.builds(
        Case,
        camera=st.just("gate"),
        kind=st.just(EventKind.ZONE),
        is_right=st.booleans(),
        hour=st.integers(0, 23),
        zone=st.sampled_from([None, "door", "hedge"]),
        score=st.none() | share,
        centre=st.none() | st.tuples(share, share),
    ),
    min_size=1,
    max_size=60,
)


@given(cases)
def test_no_proposal_costs_more_than_it_may(found: list[Case]) -> None:
    line = precision(found)[0]
    assert 0 <= line.low <= line.share <= line.high <= 1
    for proposal in line.proposals:
        assert 0 < proposal.false_removed <= line.false
        assert proposal.right_lost <= COST * line.right
