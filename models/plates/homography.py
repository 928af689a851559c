"""The perspective that a plate is seen in, in closed form: four corners are too few for arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_LEAST_AREA = 4.0
"""Square pixels below which corners show no plate."""
_FLAT = 1e-6


@dataclass(frozen=True, slots=True)
class Homography:
    """Maps shares of the plate (0, 0 at its left top, 1, 1 at its right bottom) to pixels.

    A share (u, v) lies at ``(a u + b v + c) / (g u + h v + 1)`` and
    ``(d u + e v + f) / (g u + h v + 1)``.
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float
    g: float
    h: float

    @classmethod
    def of(cls, quad: NDArray[np.float32]) -> Self | None:
        """By the plate's corners (4, 2): left-top, right-top, right-bottom, left-bottom.

        None for corners without area, that cross, or that are no numbers. The formula is that
        of Heckbert, Fundamentals of Texture Mapping and Image Warping (1989), section 2.2.3.
        """
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.tolist()
        # Half the cross product of the diagonals; of no numbers it is none either.
        area = abs((x2 - x0) * (y3 - y1) - (x3 - x1) * (y2 - y0)) / 2
        if not _LEAST_AREA <= area < math.inf:
            return None
        right_x, right_y, lower_x, lower_y = x1 - x2, y1 - y2, x3 - x2, y3 - y2
        over = right_x * lower_y - lower_x * right_y
        if over == 0.0:
            return None
        bent_x, bent_y = x0 - x1 - lower_x, y0 - y1 - lower_y
        g = (bent_x * lower_y - lower_x * bent_y) / over
        h = (right_x * bent_y - bent_x * right_y) / over
        a, b, c = x1 - x0 + g * x1, x3 - x0 + h * x3, x0
        d, e, f = y1 - y0 + g * y1, y3 - y0 + h * y3, y0
        volume = a * (e - f * h) - b * (d - f * g) + c * (d * h - e * g)
        return cls(a, b, c, d, e, f, g, h) if abs(volume) > _FLAT else None

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Where a share of the plate lies, x and y in pixels; infinite on the horizon."""
        w = self.g * u + self.h * v + 1.0
        if w == 0.0:
            return math.inf, math.inf
        return (self.a * u + self.b * v + self.c) / w, (self.d * u + self.e * v + self.f) / w

    def of_part(
        self, left: float, top: float, right: float, bottom: float, *, width: int, height: int
    ) -> NDArray[np.float64]:
        """The matrix (3, 3) from the pixels of a flat part, given in shares, to the picture's.

        The centre of the first of ``width`` times ``height`` pixels is half a pixel inside.
        """
        x, y = (right - left) / width, (bottom - top) / height
        u, v = left + 0.5 * x, top + 0.5 * y
        return np.array(
            [
                [self.a * x, self.b * y, self.a * u + self.b * v + self.c],
                [self.d * x, self.e * y, self.d * u + self.e * v + self.f],
                [self.g * x, self.h * y, self.g * u + self.h * v + 1.0],
            ]
        )
