"""The detector's candidates become one detection per plate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from models.plates.candidates import CHANNELS, STRIDES, THRESHOLD, cells_above, decode

ONE = np.ones(2, np.float32)


def quad(x: float, y: float, width: float = 90, height: float = 28) -> list[float]:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def cells(*rows: tuple[float, list[float], float]) -> NDArray[np.float32]:
    return np.array([[score, *corners, double] for score, corners, double in rows], np.float32)


def test_cells_that_saw_the_same_plate_become_one_detection() -> None:
    found = decode(
        cells((0.8, quad(100, 50), 0.1), (0.9, quad(102, 52), 0.1), (0.7, quad(300, 50), 0.9)),
        scale=ONE,
    )
    assert [plate.rows for plate in found] == [1, 2]
    assert found[0].score == pytest.approx(0.9)
    # The two cells' corners are averaged, the surer one weighing more.
    assert 101 < found[0].corners[0, 0] < 102


def test_low_scores_do_not_count() -> None:
    assert decode(cells((0.1, quad(0, 0), 0.0)), scale=ONE) == []
    assert len(decode(cells((0.1, quad(0, 0), 0.0)), scale=ONE, threshold=0.05)) == 1


def test_corners_come_back_in_the_pictures_own_pixels() -> None:
    (plate,) = decode(cells((0.9, quad(10, 20), 0.0)), scale=np.array([2, 3], np.float32))
    assert plate.corners[0] == pytest.approx([20.5, 61.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_corners_that_are_no_numbers_are_left_out(bad: float) -> None:
    corners = quad(10, 20)
    corners[3] = bad
    found = decode(cells((0.9, corners, 0.0), (0.8, quad(200, 20), 0.0)), scale=ONE)
    assert [plate.corners[0, 0] for plate in found] == pytest.approx([200])


@given(
    count=st.integers(0, 60),
    data=st.data(),
)
def test_detections_are_ordered_and_apart(count: int, data: st.DataObject) -> None:
    scores = data.draw(npst.arrays(np.float32, count, elements=st.floats(0, 1, width=32)))
    corners = data.draw(
        npst.arrays(np.float32, (count, 8), elements=st.floats(-800, 800, width=32))
    )
    rows = data.draw(npst.arrays(np.float32, count, elements=st.floats(0, 1, width=32)))
    found = decode(np.column_stack([scores, corners, rows]), scale=ONE)
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert len(found) <= (scores >= THRESHOLD).sum()
    assert all(np.isfinite(p.corners).all() for p in found)


def test_a_row_of_a_double_plate_is_not_a_second_plate() -> None:
    whole, lower = quad(100, 50, 90, 45), quad(104, 72, 82, 22)
    found = decode(cells((0.9, whole, 0.95), (0.8, lower, 0.1)), scale=ONE)
    assert [plate.rows for plate in found] == [2]


def maps(batch: int, height: int, width: int) -> dict[str, NDArray[np.float32]]:
    """What the network says of a batch of empty pictures of that size."""
    empty = {}
    for stride in STRIDES:
        level = np.zeros((batch, CHANNELS, height // stride, width // stride), np.float32)
        level[:, 0] = -9.0
        empty[f"map_{stride}"] = level
    return empty


def test_a_cell_of_any_stride_and_picture_is_put_where_it_lies() -> None:
    outputs = maps(3, 96, 160)
    # Row 2, column 4 of stride 16 is centred on (72, 40); offsets are in units of 64 pixels.
    outputs["map_16"][1, :, 2, 4] = [1.5, -0.5, -0.25, 0.5, -0.25, 0.5, 0.25, -0.5, 0.25, -3.0]
    outputs["map_8"][2, 0, 0, 0] = 0.9
    picture, found = cells_above(outputs, 0.5)
    assert sorted(picture.tolist()) == [1, 2]
    (plate,) = found[picture == 1]
    assert plate[1:9] == pytest.approx(quad(72 - 32, 40 - 16, 64, 32))
    assert plate[0] == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert plate[9] == pytest.approx(1 / (1 + np.exp(3.0)))


@pytest.mark.parametrize(("threshold", "count"), [(0.0, 15), (0.5, 1), (1.0, 0)])
def test_the_threshold_is_a_probability(threshold: float, count: int) -> None:
    outputs = {name: level[:, :, :1, :5] for name, level in maps(1, 160, 160).items()}
    outputs["map_32"][0, 0, 0, 1] = 0.1
    assert len(cells_above(outputs, threshold)[1]) == count


def test_empty_pictures_have_no_cells() -> None:
    picture, found = cells_above(maps(2, 64, 64), 0.4)
    assert len(picture) == 0
    assert found.shape == (0, CHANNELS)
