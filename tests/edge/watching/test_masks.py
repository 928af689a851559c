"""Privacy masks are black at any size, in colour and in grey."""

from __future__ import annotations

import numpy as np
import pytest

from edge.watching.masks import MaskBurner
from models.planes import PlanarFrame

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


@pytest.mark.parametrize("shape", [(90, 160), (90, 160, 3), (1080, 1920, 3), (7, 11)])
def test_the_masked_half_is_black_and_the_rest_untouched(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 200, np.uint8)
    MaskBurner([LEFT_HALF]).burn(picture)
    middle = shape[1] // 2
    assert picture[:, : middle - 1].max(initial=0) == 0
    assert picture[:, middle + 2 :].min() == 200


@pytest.mark.parametrize("corner", [0.5, 0.49, 0.503])
def test_nothing_of_the_colour_behind_a_mask_is_left(corner: float) -> None:
    colour = np.full((45, 80), 200, np.uint8)
    frame = PlanarFrame(np.full((90, 160), 200, np.uint8), colour, colour.copy())
    MaskBurner([((0.0, 0.0), (corner, 0.0), (corner, 1.0), (0.0, 1.0))]).burn_planes(frame)
    masked = frame.luma == 16
    assert masked[:, : int(corner * 160) - 1].all()
    assert frame.luma[:, 84:].min() == 200
    assert frame.bgr()[masked].max() == 0, "black, without a colour that tells what was there"


def test_without_masks_nothing_changes() -> None:
    picture = np.full((4, 4, 3), 9, np.uint8)
    MaskBurner([]).burn(picture)
    assert picture.min() == 9


def test_other_masks_hold_from_the_next_picture_on() -> None:
    burner = MaskBurner([LEFT_HALF])
    for polygons, hidden in (([LEFT_HALF], 9), ([], 0), ([LEFT_HALF], 9)):
        burner.change(polygons)
        picture = np.full((9, 16), 200, np.uint8)
        burner.burn(picture)
        assert burner.any is bool(polygons)
        assert int((picture[:, 0] == 0).sum()) == hidden
