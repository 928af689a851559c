"""Random flat plates as the road has them: worn paint, odd fonts, frames, dirt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.alphabet import SERIAL
from models.plates.grammar import (
    RULES,
    PlateColour,
    PlateKind,
    PlateText,
    random_plate,
)
from models.plates.render import Bgr, Layout, Palette, paint, plate_layout, standard_palette
from models.training.effects import dirt
from models.training.glyphs import GlyphBank

SHARES: Final[dict[PlateKind, float]] = {
    PlateKind.BLUE: 0.38, PlateKind.YELLOW: 0.08, PlateKind.YELLOW_DOUBLE: 0.08,
    PlateKind.GREEN_SMALL: 0.13, PlateKind.GREEN_LARGE: 0.05, PlateKind.POLICE: 0.04,
    PlateKind.TRAINER: 0.03, PlateKind.TRAILER: 0.03, PlateKind.HONG_KONG: 0.018,
    PlateKind.MACAO: 0.018, PlateKind.EMBASSY: 0.02, PlateKind.CONSULATE: 0.02,
    PlateKind.EMERGENCY: 0.02, PlateKind.ARMED_POLICE: 0.03, PlateKind.MILITARY: 0.03,
    PlateKind.FOREIGN: 0.02,
}  # fmt: skip
"""Rare kinds are trained more often than the road shows them."""

ALIKE: Final = "0DQ8B2Z5S7T1U6GE"
"""Characters that a blurred picture makes alike; letters are rarer than digits on real plates, and
a network that only sees real shares reads every D as 0."""

_KINDS: Final = tuple(SHARES)
_CHANCES: Final = np.array(list(SHARES.values())) / sum(SHARES.values())


@dataclass(frozen=True, slots=True)
class FlatPlate:
    """A flat plate picture, uint8 (H, W, 3) BGR, the plate's own corners in it and its labels.

    ``corners`` is float32 (4, 2): left-top, right-top, right-bottom, left-bottom, in pixels.
    """

    picture: NDArray[np.uint8]
    corners: NDArray[np.float32]
    text: str
    colour: PlateColour
    rows: int


def random_flat(rng: np.random.Generator, bank: GlyphBank, *, scale: float) -> FlatPlate:
    """Draws text, paint, wear and frame of one plate at ``scale`` px/mm."""
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_CHANCES))]
    plate = random_plate(rng, kind)
    if rng.random() < 0.3:
        plate = _any_serial(plate, rng)
    layout = _jittered(plate_layout(plate), rng)
    palette = _worn(standard_palette(layout.colour), rng)
    green = layout.colour in (PlateColour.GREEN, PlateColour.YELLOW_GREEN)
    glyphs = bank.source(rng, double=layout.rows == 2, green=green)
    picture = paint(layout, scale=scale, glyphs=glyphs, palette=palette)
    if rng.random() < 0.2:
        picture = dirt(picture, rng)
    picture, corners = _framed(picture, scale, rng)
    return FlatPlate(picture, corners, plate.text, layout.colour, layout.rows)


def _any_serial(plate: PlateText, rng: np.random.Generator) -> PlateText:
    """Letters anywhere in the serial, so that the network learns shapes rather than habits."""
    pattern = RULES[plate.kind].patterns[0]
    if len(pattern) != len(plate.text):
        return plate
    pool = SERIAL if rng.random() < 0.5 else ALIKE
    text = "".join(
        pool[int(rng.integers(len(pool)))] if slot in (SERIAL, SERIAL[:10]) else character
        for character, slot in zip(plate.text, pattern, strict=True)
    )
    return PlateText(plate.kind, text)


def _jittered(layout: Layout, rng: np.random.Generator) -> Layout:
    cells = []
    squeeze = float(rng.uniform(0.86, 1.04))
    shift = rng.normal(0, 1.2, 2)
    for cell in layout.cells:
        width = cell.width * squeeze
        x = cell.x + (cell.width - width) / 2 + shift[0] + rng.normal(0, 0.7)
        y = max(1.0, cell.y + shift[1] + rng.normal(0, 0.7))
        cells.append(replace(cell, x=max(1.0, float(x)), y=float(y), width=float(width)))
    dot = layout.dot if rng.random() < 0.9 else None
    return replace(layout, cells=tuple(cells), dot=dot)


def _worn(palette: Palette, rng: np.random.Generator) -> Palette:
    hue = rng.normal(0, 16, 3)
    fade = float(rng.beta(1, 5))

    def shift(colour: Bgr, own: float) -> Bgr:
        values = np.array(colour) + hue * own + rng.normal(0, 6, 3)
        values = values + (150 - values) * fade * own
        b, g, r = np.clip(values, 0, 255).astype(int)
        return int(b), int(g), int(r)

    bolt = tuple(int(v) for v in rng.integers(20, 240, 3))
    return Palette(
        top=shift(palette.top, 1.0),
        bottom=shift(palette.bottom, 1.0),
        left=shift(palette.left, 1.0),
        ink=shift(palette.ink, 0.5),
        red=shift(palette.red, 0.7),
        bolt=(bolt[0], bolt[1], bolt[2]),
    )


def _framed(
    picture: NDArray[np.uint8], scale: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    height, width = picture.shape[:2]
    corners = np.array(
        [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32
    )
    if rng.random() >= 0.35:
        return picture, corners
    left, top, right, bottom = (int(v * scale) for v in rng.uniform(0, 26, 4))
    tone = int(rng.choice([15, 35, 130, 200, 235])) + int(rng.integers(-12, 12))
    shade = [max(0, tone + int(v)) for v in rng.integers(-8, 8, 3)]
    framed = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=shade)
    inner = int(rng.uniform(0, 7) * scale)
    if inner > 0:
        # Many frames cover the plate's own edge.
        outer = (left, top), (left + width - 1, top + height - 1)
        cv2.rectangle(framed, outer[0], outer[1], shade, inner)
    return np.asarray(framed, dtype=np.uint8), corners + np.array([left, top], np.float32)
