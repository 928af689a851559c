"""Draws flat, undistorted plates with the proportions and colours of GA 36-2018."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from config.errors import UserError
from models.plates.alphabet import DIGITS
from models.plates.grammar import RULES, PlateColour, PlateKind, PlateText

Bgr = tuple[int, int, int]
GlyphSource = Callable[[str, int, int], NDArray[np.float32]]
"""Gives the ink of a character: (character, width_px, height_px) -> float32 (H, W), 0..1."""

MIN_HEIGHT_PX: Final = 8
MAX_HEIGHT_PX: Final = 2048
_FONT_PACKAGE: Final = "manimgx_fonts_cjk"
_FONT_FILE: Final = "NotoSansCJK-VF.otf.ttc"
_SIMPLIFIED_CHINESE: Final = 2
_NATURAL_WIDTH: Final = {"1": 0.5, "J": 0.9}

INKS: Final[dict[PlateColour, Bgr]] = {
    PlateColour.BLUE: (255, 255, 255),
    PlateColour.YELLOW: (15, 15, 15),
    PlateColour.GREEN: (15, 15, 15),
    PlateColour.YELLOW_GREEN: (15, 15, 15),
    PlateColour.WHITE: (15, 15, 15),
    PlateColour.BLACK: (255, 255, 255),
}
RED: Final[Bgr] = (30, 20, 205)
_FIELDS: Final[dict[PlateColour, tuple[Bgr, Bgr]]] = {
    PlateColour.BLUE: ((168, 70, 12), (168, 70, 12)),
    PlateColour.YELLOW: ((10, 180, 248), (10, 180, 248)),
    PlateColour.GREEN: ((240, 248, 240), (110, 205, 85)),
    PlateColour.YELLOW_GREEN: ((110, 205, 70), (110, 205, 70)),
    PlateColour.WHITE: ((242, 242, 242), (242, 242, 242)),
    PlateColour.BLACK: ((22, 20, 20), (22, 20, 20)),
}
"""Background at the top and at the bottom edge, BGR."""

_YELLOW_PART_MM: Final = 137.0


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours one plate is painted with, BGR."""

    top: Bgr
    bottom: Bgr
    left: Bgr
    ink: Bgr
    red: Bgr = RED
    bolt: Bgr = (150, 150, 150)


def standard_palette(colour: PlateColour) -> Palette:
    """The colours of a new, clean plate; ``left`` is the field under province and letter."""
    top, bottom = _FIELDS[colour]
    yellow_green = colour is PlateColour.YELLOW_GREEN
    left = _FIELDS[PlateColour.YELLOW][0] if yellow_green else bottom
    return Palette(top=top, bottom=bottom, left=left, ink=INKS[colour])


@dataclass(frozen=True, slots=True)
class Cell:
    """One character's place on the plate, in millimetres from the left-top corner."""

    character: str
    x: float
    y: float
    width: float
    height: float
    red: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A plate's size in millimetres, its character cells and its separating dot, if any."""

    colour: PlateColour
    rows: int
    width: float
    height: float
    cells: tuple[Cell, ...]
    dot: tuple[float, float] | None


def plate_layout(plate: PlateText) -> Layout:
    """Where each character stands (GA 36-2018, appendix of dimensions), in millimetres.

    Raises UserError when the text has no character.
    """
    rule = RULES[plate.kind]
    if not plate.text:
        raise UserError(
            where="plate",
            field="text",
            problem="it is empty",
            remedy="give at least one character",
        )
    if rule.rows == 2:
        return _double_row(plate, rule.colour)
    if rule.colour in (PlateColour.GREEN, PlateColour.YELLOW_GREEN):
        return _single_row(plate, rule.colour, 480.0, gap_after=1, gap=49.0, spacing=9.0, cell=43.0)
    if len(plate.text) > 7:
        return _single_row(
            plate, rule.colour, 480.0, gap_after=1, gap=28.0, spacing=10.0, cell=43.0
        )
    gap_after = 2 if plate.kind is PlateKind.EMBASSY and plate.text[0] in DIGITS else 1
    return _single_row(plate, rule.colour, 440.0, gap_after=gap_after, gap=34.0, spacing=12.0)


def render_plate(plate: PlateText, *, height_px: int) -> NDArray[np.uint8]:
    """A flat plate as uint8 (H, W, 3) BGR with H = ``height_px`` and the kind's own proportions.

    Raises UserError when ``height_px`` is outside 8..2048, when a character is in no font, or when
    the font package is not installed.
    """
    if not MIN_HEIGHT_PX <= height_px <= MAX_HEIGHT_PX:
        raise UserError(
            where="plate renderer",
            field="height_px",
            problem=f"{height_px} is outside {MIN_HEIGHT_PX}..{MAX_HEIGHT_PX}",
            remedy="choose a height inside that range",
        )
    layout = plate_layout(plate)
    # Painting at least 280 px high and shrinking keeps thin strokes and the border smooth.
    scale = max(height_px, 280) / layout.height
    canvas = paint(layout, scale=scale, glyphs=font_glyph)
    size = (round(layout.width * height_px / layout.height), height_px)
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def paint(
    layout: Layout, *, scale: float, glyphs: GlyphSource, palette: Palette | None = None
) -> NDArray[np.uint8]:
    """Paints field, border, bolts, dot and characters at ``scale`` px/mm; uint8 (H, W, 3) BGR."""
    palette = palette or standard_palette(layout.colour)
    canvas = _field(layout, scale, palette)
    _paint_border(canvas, scale, palette.ink)
    _paint_bolts(canvas, scale, layout, palette.bolt)
    if layout.dot is not None:
        centre = (round(layout.dot[0] * scale), round(layout.dot[1] * scale))
        cv2.circle(canvas, centre, max(1, round(5 * scale)), palette.ink, -1, cv2.LINE_AA)
    for cell in layout.cells:
        _paint_cell(canvas, cell, scale, palette.red if cell.red else palette.ink, glyphs)
    return canvas


def font_glyph(character: str, width: int, height: int) -> NDArray[np.float32]:
    """Ink of a character from the Noto Sans CJK font, stretched to the cell; float32 0..1."""
    return stretch(font_ink(character, 700), character, width, height)


def stretch(ink: NDArray[np.uint8], character: str, width: int, height: int) -> NDArray[np.float32]:
    """Fits tight ink into a cell; narrow characters keep their width and are centred."""
    share = _NATURAL_WIDTH.get(character, 1.0)
    inner = max(1, round(width * share))
    fitted = cv2.resize(ink, (inner, max(1, height)), interpolation=cv2.INTER_AREA)
    result = np.zeros((max(1, height), max(1, width)), np.float32)
    left = (result.shape[1] - inner) // 2
    result[:, left : left + inner] = fitted.astype(np.float32) / 255.0
    return result


@lru_cache(maxsize=2048)
def font_ink(character: str, weight: int) -> NDArray[np.uint8]:
    """Tight ink of a character at a font weight of 100..900, uint8 (H, W), about 120 px high.

    Raises UserError when the character leaves no ink or the font package is not installed.
    """
    font = font_face(weight)
    left, top, right, bottom = font.getbbox(character)
    if right <= left or bottom <= top:
        raise UserError(
            where="plate",
            field="text",
            problem=f"{character!r} leaves no ink",
            remedy="use the characters of GA 36-2018",
        )
    image = Image.new("L", (int(right - left), int(bottom - top)), 0)
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font)
    ink = np.asarray(image)
    rows, columns = np.flatnonzero(ink.max(1) > 60), np.flatnonzero(ink.max(0) > 60)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@lru_cache(maxsize=64)
def font_face(weight: int, size: int = 160) -> ImageFont.FreeTypeFont:
    """Noto Sans CJK for simplified Chinese at a weight of 100..900 and a size in pixels.

    Raises UserError when the font package is not installed.
    """
    spec = find_spec(_FONT_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            where="plate renderer",
            problem=f"the font package {_FONT_PACKAGE} is not installed",
            remedy="install menshen[edge]",
        )
    path = Path(spec.origin).parent / _FONT_FILE
    font = ImageFont.truetype(str(path), size, index=_SIMPLIFIED_CHINESE)
    font.set_variation_by_axes([weight])
    return font


def _single_row(
    plate: PlateText,
    colour: PlateColour,
    width: float,
    *,
    gap_after: int,
    gap: float,
    spacing: float,
    cell: float = 45.0,
) -> Layout:
    red = _red_positions(plate)
    x, cells, dot = 15.5, [], None
    for i, character in enumerate(plate.text):
        own = 45.0 if i == 0 else cell
        cells.append(Cell(character, x, 25.0, own, 90.0, i in red))
        x += own + (gap if i == gap_after else spacing)
        if i == gap_after:
            dot = (x - gap / 2, 70.0)
    return Layout(colour, 1, width, 140.0, tuple(cells), dot)


def _double_row(plate: PlateText, colour: PlateColour) -> Layout:
    red = _red_positions(plate)
    cells = [
        Cell(character, x, 15.0, 80.0, 60.0, i in red)
        for i, (character, x) in enumerate(zip(plate.text[:2], (110.0, 250.0), strict=False))
    ]
    cells += [
        Cell(character, 27.5 + 80.0 * i, 90.0, 65.0, 110.0, i + 2 in red)
        for i, character in enumerate(plate.text[2:7])
    ]
    return Layout(colour, 2, 440.0, 220.0, tuple(cells), (220.0, 45.0))


def _red_positions(plate: PlateText) -> frozenset[int]:
    if plate.kind in (PlateKind.POLICE, PlateKind.EMERGENCY):
        return frozenset(i for i, c in enumerate(plate.text) if c in "警应急")
    if plate.kind is PlateKind.MILITARY:
        return frozenset({0, 1})
    if plate.kind is PlateKind.ARMED_POLICE:
        head = 2 if len(plate.text) < 8 else 3
        return frozenset(range(head))
    if plate.kind is PlateKind.EMBASSY:
        return frozenset(i for i, c in enumerate(plate.text) if c == "使")
    return frozenset()


def _field(layout: Layout, scale: float, palette: Palette) -> NDArray[np.uint8]:
    width, height = round(layout.width * scale), round(layout.height * scale)
    top, bottom = (np.array(c, np.float32) for c in (palette.top, palette.bottom))
    share = np.clip(np.linspace(-0.15, 1.05, height, dtype=np.float32), 0, 1)[:, None]
    column = top[None] * (1 - share) + bottom[None] * share
    canvas = np.repeat(np.rint(column).astype(np.uint8)[:, None], width, axis=1)
    if layout.colour is PlateColour.YELLOW_GREEN:
        canvas[:, : round(_YELLOW_PART_MM * scale)] = palette.left
    return canvas


def _paint_border(canvas: NDArray[np.uint8], scale: float, ink: Bgr) -> None:
    height, width = canvas.shape[:2]
    inset, line = round(4.0 * scale), max(1, round(2.0 * scale))
    cv2.rectangle(canvas, (inset, inset), (width - 1 - inset, height - 1 - inset), ink, line)


def _paint_bolts(canvas: NDArray[np.uint8], scale: float, layout: Layout, colour: Bgr) -> None:
    radius = max(1, round(4.0 * scale))
    for x in (0.26, 0.74):
        for y in (11.0, layout.height - 11.0):
            centre = (round(layout.width * x * scale), round(y * scale))
            cv2.circle(canvas, centre, radius, colour, -1, cv2.LINE_AA)


def _paint_cell(
    canvas: NDArray[np.uint8], cell: Cell, scale: float, ink: Bgr, glyphs: GlyphSource
) -> None:
    x, y = round(cell.x * scale), round(cell.y * scale)
    mask = glyphs(cell.character, round(cell.width * scale), round(cell.height * scale))
    region = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    alpha = mask[: region.shape[0], : region.shape[1], None]
    blend = region * (1 - alpha) + np.array(ink, np.float32) * alpha
    region[:] = np.rint(blend).astype(np.uint8)
