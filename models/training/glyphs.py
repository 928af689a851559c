"""Sources of character ink for rendered training plates: font weights and glyph pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.render import GlyphSource, font_ink, stretch

_FONT_WEIGHTS: Final = (500, 600, 700, 800, 900)
_PICTURE_SHARE: Final = 0.8


class GlyphBank:
    """Gives a random but consistent hand for one plate at a time.

    Args:
        pictures: folder of glyph pictures named ``140_A.jpg``, ``green_A.jpg``, ``220_up_A.jpg``,
            ``220_down_A.jpg``, ``220_京.jpg`` (dark ink on white), or None to use fonts alone.
    """

    def __init__(self, pictures: Path | None) -> None:
        self._inks: dict[str, NDArray[np.uint8]] = {}
        if pictures is not None and pictures.is_dir():
            for path in sorted(pictures.glob("*.jpg")):
                ink = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
                self._inks[path.stem] = _tight(255 - np.asarray(ink, dtype=np.uint8))

    def source(self, rng: np.random.Generator, *, double: bool, green: bool) -> GlyphSource:
        """A glyph source whose style and stroke width stay the same for one plate."""
        pictures = bool(self._inks) and rng.random() < _PICTURE_SHARE
        weight = int(rng.choice(_FONT_WEIGHTS))
        thicken = float(rng.normal(0.0, 0.45))

        def glyph(character: str, width: int, height: int) -> NDArray[np.float32]:
            ink = self._picture(character, width > height, double=double, green=green)
            if not pictures or ink is None:
                ink = font_ink(character, weight)
            mask = stretch(ink, character, width, height)
            return _thicken(mask, thicken)

        return glyph

    def _picture(
        self, character: str, upper: bool, *, double: bool, green: bool
    ) -> NDArray[np.uint8] | None:
        names = [f"140_{character}"]
        if green:
            names.insert(0, f"green_{character}")
        if double:
            row = "up" if upper else "down"
            names[:0] = [f"220_{row}_{character}", f"220_{character}"]
        return next((self._inks[n] for n in names if n in self._inks), None)


def _thicken(mask: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    if abs(amount) < 0.3 or min(mask.shape) < 8:
        return mask
    size = 2 if abs(amount) < 1.0 else 3
    size = min(size, max(1, mask.shape[0] // 12))
    operation = cv2.dilate if amount > 0 else cv2.erode
    return np.asarray(operation(mask, np.ones((size, size), np.uint8)), dtype=np.float32)


def _tight(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(ink.max(1) > 100), np.flatnonzero(ink.max(0) > 100)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
