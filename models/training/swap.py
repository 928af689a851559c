"""Gives real plates other characters: provinces and letters that few photographs show."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.alphabet import DIGITS, LETTERS, PROVINCES, SERIAL
from models.plates.grammar import PlateKind, PlateText
from models.plates.render import Cell, Layout, plate_layout
from models.training.flat import ALIKE
from models.training.glyphs import GlyphBank

_LAYOUTS: Final = {
    7: plate_layout(PlateText(PlateKind.BLUE, "京A12345")),
    8: plate_layout(PlateText(PlateKind.GREEN_SMALL, "京AD12345")),
}
"""Where characters stand on plates of one row, by how many there are."""
_GLYPH: Final = (36, 72)
_SPARE: Final = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * np.array(
    [0.008, 0.06], np.float32
)
"""How far beyond a cell its old character is covered, in shares of the plate."""


def swap_characters(
    picture: NDArray[np.uint8],
    corners: NDArray[np.float32],
    text: str,
    bank: GlyphBank,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], str]:
    """Paints another province, and often one or two other letters or digits, over a real plate's.

    A network that saw some provinces only drawn and others also photographed takes every
    photographed plate for one of the latter; so it is with letters that photographs rarely show.
    Ink and field take their colours from the plate.

    Args:
        picture: uint8 (H, W, 3) BGR; not changed.
        corners: float32 (4, 2), the plate in it.
        text: its 7 or 8 characters.
        bank: where the new characters' ink comes from.
        rng: draws the characters and their hand.

    Returns the new picture and text.
    """
    layout = _LAYOUTS[len(text)]
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    plate = np.asarray(cv2.getPerspectiveTransform(unit, corners.astype(np.float32)), np.float64)
    field, ink = _colours(picture, plate, bright_ink=len(text) == 7)
    glyphs = bank.source(rng, double=False, green=len(text) == 8)
    soft = float(rng.uniform(0.4, 1.0)) * max(0.5, float(np.ptp(corners[:, 1])) / 40)
    slip = rng.normal(0, 1, 2).astype(np.float32) * np.array([0.004, 0.015], np.float32)
    values, characters = picture.astype(np.float32), list(text)
    serial = [place for place in range(1, len(text)) if text[place] in SERIAL]
    for place in [0, *rng.permutation(serial).tolist()[: int(rng.choice([0, 0, 1, 2]))]]:
        pool = _pool(text[place], rng)
        characters[place] = pool[int(rng.integers(len(pool)))]
        cell = _outline(layout, layout.cells[place])
        hidden = _mask(picture.shape, cell + _SPARE, plate, soft)
        drawn = _ink(picture.shape, cell + slip, plate, soft, glyphs(characters[place], *_GLYPH))
        values = values * (1 - hidden) + field * hidden
        values = values * (1 - drawn) + ink * drawn
    return np.clip(values, 0, 255).astype(np.uint8), "".join(characters)


def _pool(character: str, rng: np.random.Generator) -> str:
    """What may stand where a character stands; half of the digits turn into what looks alike."""
    if character in LETTERS:
        return LETTERS
    if character in DIGITS:
        return SERIAL if rng.random() < 0.5 else ALIKE
    return PROVINCES


def _outline(layout: Layout, cell: Cell) -> NDArray[np.float32]:
    """The corners (4, 2) of a cell in shares of the plate."""
    left, right = cell.x / layout.width, (cell.x + cell.width) / layout.width
    top, bottom = cell.y / layout.height, (cell.y + cell.height) / layout.height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _mask(
    shape: tuple[int, ...], cell: NDArray[np.float32], plate: NDArray[np.float64], soft: float
) -> NDArray[np.float32]:
    """Where a cell lies in the picture, 0 to 1, with soft edges; (H, W, 1)."""
    cover = np.zeros(shape[:2], np.float32)
    outline = cv2.perspectiveTransform(cell[None], plate)[0]
    cv2.fillConvexPoly(cover, outline.round().astype(np.int32), 1.0)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), soft), np.float32)[..., None]


def _ink(
    shape: tuple[int, ...],
    cell: NDArray[np.float32],
    plate: NDArray[np.float64],
    soft: float,
    glyph: NDArray[np.float32],
) -> NDArray[np.float32]:
    """A character's ink where its cell lies in the picture, 0 to 1; (H, W, 1)."""
    own = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * np.array(_GLYPH, np.float32)
    place = cv2.getPerspectiveTransform(own, cv2.perspectiveTransform(cell[None], plate)[0])
    drawn = cv2.warpPerspective(glyph, place, (shape[1], shape[0]), flags=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), soft), np.float32)[..., None]


def _colours(
    picture: NDArray[np.uint8], plate: NDArray[np.float64], *, bright_ink: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Field and ink colour of a plate, from its darker and brighter pixels, (3,) each."""
    inner = np.array([[0.05, 0.2], [0.95, 0.2], [0.95, 0.8], [0.05, 0.8]], np.float32)
    target = np.array([[0, 0], [60, 0], [60, 16], [0, 16]], np.float32)
    source = cv2.perspectiveTransform(inner[None], plate)[0]
    strip = cv2.warpPerspective(picture, cv2.getPerspectiveTransform(source, target), (60, 16))
    pixels = strip.reshape(-1, 3).astype(np.float32)
    order = np.argsort(pixels.sum(1))
    dark, bright = pixels[order[: len(order) // 3]], pixels[order[-len(order) // 6 :]]
    if bright_ink:
        return np.median(dark, 0), np.median(bright, 0)
    darkest = pixels[order[: len(order) // 6]]
    return np.median(pixels[order[len(order) // 2 :]], 0), np.median(darkest, 0)
