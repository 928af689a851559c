"""Flat plates have the proportions and colours of their kind, at any size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from config.errors import UserError
from models.plates.grammar import RULES, PlateColour, PlateKind, PlateText, random_plate
from models.plates.render import MAX_HEIGHT_PX, MIN_HEIGHT_PX, plate_layout, render_plate

SIZES = {
    PlateKind.BLUE: 440 / 140,
    PlateKind.GREEN_SMALL: 480 / 140,
    PlateKind.GREEN_LARGE: 480 / 140,
    PlateKind.YELLOW_DOUBLE: 440 / 220,
    PlateKind.TRAILER: 440 / 220,
}


@pytest.mark.parametrize("kind", PlateKind)
@pytest.mark.parametrize("height", [MIN_HEIGHT_PX, 33, 140])
def test_every_kind_is_drawn_at_the_height_asked_for(kind: PlateKind, height: int) -> None:
    picture = render_plate(random_plate(np.random.default_rng(5), kind), height_px=height)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == height
    assert picture.shape[2] == 3
    if kind in SIZES:
        assert picture.shape[1] == pytest.approx(height * SIZES[kind], abs=1)


@pytest.mark.parametrize("kind", PlateKind)
def test_no_character_leaves_the_plate_or_touches_another(kind: PlateKind) -> None:
    for seed in range(20):
        layout = plate_layout(random_plate(np.random.default_rng(seed), kind))
        for cell in layout.cells:
            assert cell.x >= 0
            assert cell.y >= 0
            assert cell.x + cell.width <= layout.width
            assert cell.y + cell.height <= layout.height
        rows = {cell.y for cell in layout.cells}
        assert len(rows) == RULES[kind].rows
        for row in rows:
            cells = [cell for cell in layout.cells if cell.y == row]
            for left, right in pairwise(cells):
                assert left.x + left.width < right.x


def test_the_field_has_the_colour_that_gives_the_kind_its_name() -> None:
    def field(kind: PlateKind, x: float, y: float) -> list[int]:
        picture = render_plate(random_plate(np.random.default_rng(1), kind), height_px=140)
        return [int(v) for v in picture[int(y * 139), int(x * picture.shape[1])]]

    blue, green, red = field(PlateKind.BLUE, 0.5, 0.1)
    assert blue > green > red
    blue, green, red = field(PlateKind.YELLOW, 0.5, 0.1)
    assert red > green > blue
    top, bottom = field(PlateKind.GREEN_SMALL, 0.5, 0.1), field(PlateKind.GREEN_SMALL, 0.5, 0.9)
    assert min(top) > min(bottom)
    assert bottom[1] == max(bottom)
    left, right = field(PlateKind.GREEN_LARGE, 0.02, 0.1), field(PlateKind.GREEN_LARGE, 0.98, 0.1)
    assert left[2] == max(left)
    assert right[1] == max(right)
    assert min(field(PlateKind.POLICE, 0.5, 0.1)) > 200
    assert max(field(PlateKind.EMBASSY, 0.5, 0.1)) < 60


def test_different_texts_give_different_pictures() -> None:
    one, other = (
        render_plate(PlateText(PlateKind.BLUE, text), height_px=60)
        for text in ("皖A12345", "皖A12346")
    )
    assert (one != other).any()
    assert {rule.colour for rule in RULES.values()} == set(PlateColour)


@pytest.mark.parametrize("height", [-1, 0, MIN_HEIGHT_PX - 1, MAX_HEIGHT_PX + 1])
def test_a_height_that_makes_no_picture_is_refused(height: int) -> None:
    with pytest.raises(UserError, match="height_px"):
        render_plate(PlateText(PlateKind.BLUE, "皖A12345"), height_px=height)


@pytest.mark.parametrize("text", ["", "皖A 2345"])
def test_a_text_that_leaves_no_ink_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="text"):
        render_plate(PlateText(PlateKind.BLUE, text), height_px=60)
