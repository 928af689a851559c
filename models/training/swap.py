"""Gives real plates other provinces, which real training plates have few of."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.alphabet import PROVINCES
from models.training.glyphs import GlyphBank

_CELL: Final = {7: (15.5 / 440, 60.5 / 440), 8: (15.5 / 480, 60.5 / 480)}
"""Left and right edge of the province by the number of characters, in shares of the plate."""
_TOP, _BOTTOM = 25 / 140, 115 / 140
_GLYPH: Final = (36, 72)


def swap_province(
    picture: NDArray[np.uint8],
    corners: NDArray[np.float32],
    text: str,
    bank: GlyphBank,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], str]:
    """Paints another province over a real plate's own.

    A network that saw some provinces only drawn and others also photographed takes every
    photographed plate for one of the latter. Ink and field take their colours from the plate.

    Args:
        picture: uint8 (H, W, 3) BGR; not changed.
        corners: float32 (4, 2), the plate in it.
        text: its 7 or 8 characters.
        bank: where the new character's ink comes from.
        rng: draws the province and its hand.

    Returns the new picture and text.
    """
    province = PROVINCES[int(rng.integers(len(PROVINCES)))]
    left, right = _CELL[len(text)]
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    plate = np.asarray(cv2.getPerspectiveTransform(unit, corners.astype(np.float32)), np.float64)
    cell = np.array([[left, _TOP], [right, _TOP], [right, _BOTTOM], [left, _BOTTOM]], np.float32)
    grown = cell + np.array([[-0.008, -0.06], [0.008, -0.06], [0.008, 0.06], [-0.008, 0.06]])
    cell = cell + rng.normal(0, 1, 2).astype(np.float32) * np.array([0.004, 0.015], np.float32)
    field, ink = _colours(picture, plate, bright_ink=len(text) == 7)
    size = (picture.shape[1], picture.shape[0])
    cover: NDArray[np.float32] = np.zeros(picture.shape[:2], np.float32)
    outline = cv2.perspectiveTransform(grown[None].astype(np.float32), plate)[0]
    cv2.fillConvexPoly(cover, outline.round().astype(np.int32), 1.0)
    soft = float(rng.uniform(0.4, 1.0)) * max(0.5, float(np.ptp(corners[:, 1])) / 40)
    hidden = np.asarray(cv2.GaussianBlur(cover, (0, 0), soft), np.float32)[..., None]
    mask = bank.source(rng, double=False, green=len(text) == 8)(province, *_GLYPH)
    own = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * _GLYPH
    place = cv2.getPerspectiveTransform(
        own.astype(np.float32), cv2.perspectiveTransform(cell[None], plate)[0]
    )
    drawn = cv2.warpPerspective(mask, place, size, flags=cv2.INTER_AREA)
    drawn = cv2.GaussianBlur(drawn, (0, 0), soft)[..., None]
    values = picture * (1 - hidden) + field * hidden
    values = values * (1 - drawn) + ink * drawn
    return np.clip(values, 0, 255).astype(np.uint8), province + text[1:]


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
