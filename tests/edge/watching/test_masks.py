"""Privacy masks are black at any size, in colour and in grey."""

from __future__ import annotations

import numpy as np
import pytest

from edge.watching.masks import MaskBurner

LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


@pytest.mark.parametrize("shape", [(90, 160), (90, 160, 3), (1080, 1920, 3), (7, 11)])
def test_the_masked_half_is_black_and_the_rest_untouched(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 200, np.uint8)
    MaskBurner([LEFT_HALF]).burn(picture)
    middle = shape[1] // 2
    assert picture[:, : middle - 1].max(initial=0) == 0
    assert picture[:, middle + 2 :].min() == 200


def test_without_masks_nothing_changes() -> None:
    picture = np.full((4, 4, 3), 9, np.uint8)
    MaskBurner([]).burn(picture)
    assert picture.min() == 9
