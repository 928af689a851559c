"""Properties of boxes, zones and lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.events.geometry import clip, crossing, grown, inside, iou

share = st.floats(0, 1)
length = st.floats(0.01, 1)
box = st.tuples(share, share, length, length)
wild = st.floats(-1e6, 1e6)


@given(box, box)
def test_iou_is_symmetric_and_within_bounds(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    first, second = (a[0], a[1], a[2], a[3]), (b[0], b[1], b[2], b[3])
    assert iou(first, second) == iou(second, first)
    assert 0 <= iou(first, second) <= 1
    assert iou(first, first) > 0.999


@given(wild, wild, wild, wild)
def test_a_clipped_box_is_inside_the_picture(x: float, y: float, w: float, h: float) -> None:
    for result in (clip((x, y, w, h)), grown((x, y, abs(w), abs(h)), sideways=1, up_down=3)):
        assert all(0 <= value <= 1 for value in result)
        assert result[0] + result[2] <= 1 + 1e-9
        assert result[1] + result[3] <= 1 + 1e-9


@given(share, share)
def test_inside_agrees_with_a_square(x: float, y: float) -> None:
    square = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    if 0.25 < x < 0.75 and 0.25 < y < 0.75:
        assert inside((x, y), square)
    if not (0.25 <= x <= 0.75 and 0.25 <= y <= 0.75):
        assert not inside((x, y), square)


point = st.tuples(share, share)


@given(point, point)
def test_going_back_crosses_the_other_way(a: tuple[float, float], b: tuple[float, float]) -> None:
    start, end = (0.5, 1.0), (0.5, 0.0)
    there, back = crossing(start, end, a, b), crossing(start, end, b, a)
    assert (there is None) == (back is None)
    if there is not None:
        assert {there, back} == {"left_to_right", "right_to_left"}


def test_walking_up_the_picture_left_is_left() -> None:
    start, end = (0.5, 1.0), (0.5, 0.0)
    assert crossing(start, end, (0.3, 0.5), (0.7, 0.5)) == "left_to_right"
    assert crossing(start, end, (0.7, 0.5), (0.3, 0.5)) == "right_to_left"
    assert crossing(start, (0.5, 0.6), (0.3, 0.2), (0.7, 0.2)) is None, "past the line's end"
