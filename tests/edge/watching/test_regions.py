"""Only where something is gets searched, nothing worth it is left out, now and then all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.watching.regions import WHOLE_EVERY_S, Region, RegionPlan
from models.planes import PlanarFrame
from models.types import Detections, FaceDetection, PlateSighting

START = datetime(2026, 3, 1, tzinfo=UTC)
SOON = START + timedelta(seconds=0.2)


def picture(width: int = 640, height: int = 360) -> PlanarFrame:
    luma = np.arange(width * height, dtype=np.uint32).astype(np.uint8).reshape(height, width)
    return PlanarFrame(luma, luma[::2, ::2], luma[1::2, 1::2])


shares = st.floats(0, 1)
boxes = st.lists(st.tuples(shares, shares, shares, shares), min_size=1, max_size=4)


@given(boxes=boxes, sides=st.tuples(st.integers(8, 400), st.integers(8, 400)))
def test_a_part_holds_all_that_is_worth_it(
    boxes: list[tuple[float, float, float, float]], sides: tuple[int, int]
) -> None:
    shown, plan = picture(2 * sides[0], 2 * sides[1]), RegionPlan()
    plan.region(shown, START, boxes)
    part = plan.region(shown, SOON, boxes)
    height, width, _ = shown.shape
    assert 0 <= part.left < part.left + part.width <= width
    assert 0 <= part.top < part.top + part.height <= height
    assert part.cut(shown).shape == (part.height, part.width, 3)
    for x, y, w, h in boxes:
        assert part.left <= x * width
        assert part.top <= y * height
        assert part.left + part.width >= min(x + w, 1) * width - 1e-6
        assert part.top + part.height >= min(y + h, 1) * height - 1e-6


def test_the_whole_is_searched_first_then_once_a_second_and_when_nothing_is_known() -> None:
    shown, plan, small = picture(), RegionPlan(), [(0.5, 0.5, 0.1, 0.1)]
    whole = Region(0, 0, 640, 360)
    step = timedelta(seconds=WHOLE_EVERY_S / 5)
    found = [plan.region(shown, START + step * i, small) for i in range(11)]
    assert [i for i, region in enumerate(found) if region == whole] == [0, 5, 10]
    assert found[1].width * found[1].height < 0.25 * 640 * 360
    assert plan.region(shown, START + step * 11, []) == whole
    assert plan.region(shown, START + step * 12, [(0.0, 0.0, 0.9, 0.9)]) == whole, "not worth it"
    assert plan.region(shown, START, small) == whole, "time went back"


def test_what_is_found_in_a_part_lies_where_it_is_in_the_whole() -> None:
    region = Region(left=128, top=90, width=256, height=180)
    corners = np.array([[1, 2], [30, 2], [30, 12], [1, 12]], np.float32)
    face = FaceDetection(np.array([5, 6, 7, 8], np.float32), np.ones((5, 2), np.float32), 0.9, 0.5)
    found = region.back(Detections((PlateSighting(corners, 0.8, 1, None),), (face,)))
    assert found.plates[0].box.tolist() == [129, 92, 29, 10]
    assert found.faces[0].box.tolist() == [133, 96, 7, 8]
    assert found.faces[0].landmarks.tolist() == [[129, 91]] * 5
    assert region.cut(picture()).luma[0, 0] == picture().luma[90, 128]
