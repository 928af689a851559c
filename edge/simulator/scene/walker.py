"""Draws a walking person with the face of a public-domain portrait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulator.scene.camera import Camera, Points
from edge.simulator.scene.paint import (
    Panel,
    Picture,
    Polygon,
    Texture,
    draw_panel,
    draw_polygon,
    quad,
    vec,
)

_HEAD = (145, 8, 168, 184)
"""x, y, width, height of head and hair in the portrait, pixels."""
_FACE = (176, 68, 98, 120)
"""The same for the face alone."""
FACE_WIDTH_M = 0.155
STRIDE_HZ = 0.9
_SUIT = (46, 92, 196)


@lru_cache(maxsize=1)
def head_texture() -> Texture:
    """The portrait's head, cut out.

    NASA's portrait of an astronaut, in the public domain, as scikit-image ships it.
    """
    # Imported here: it takes a second, and only a scene with people needs it.
    load: Callable[[], NDArray[np.uint8]] = import_module("skimage.data").astronaut

    portrait = np.ascontiguousarray(np.asarray(load())[..., ::-1])
    x, y, w, h = _HEAD
    mask = np.full(portrait.shape[:2], cv2.GC_BGD, np.uint8)
    mask[y : y + h, x : x + w] = cv2.GC_PR_BGD
    centre = (x + w // 2, y + h // 2 + 6)
    cv2.ellipse(mask, centre, (w // 2 - 8, h // 2 - 4), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(mask, centre, (w // 4, h // 3), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.setRNGSeed(1)
    cv2.grabCut(
        portrait, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK
    )
    solid = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    soft = np.asarray(cv2.GaussianBlur(solid, (0, 0), 1.5), dtype=np.uint8)
    return Texture(np.ascontiguousarray(portrait[y : y + h, x : x + w]), soft[y : y + h, x : x + w])


@dataclass(frozen=True)
class Walker:
    """A person walking towards the camera; ``height`` is up to the crown, in metres."""

    height: float = 1.72
    brightness: float = 1.0

    def draw(self, picture: Picture, camera: Camera, x: float, z: float, second: float) -> None:
        """Draw the person standing at ``x``, ``z``; ``second`` drives the gait."""
        swing = float(np.sin(2 * np.pi * STRIDE_HZ * second))
        at = vec(x, 0.02 * abs(swing), z)
        suit = tuple(round(c * self.brightness) for c in _SUIT)
        dark = tuple(round(c * self.brightness * 0.7) for c in _SUIT)
        for corners, colour, opacity in self._limbs(swing, suit, dark):
            draw_polygon(picture, camera, Polygon(corners, colour, opacity), at)
        draw_panel(picture, camera, self._head(), at)

    def _limbs(
        self, swing: float, suit: tuple[int, ...], dark: tuple[int, ...]
    ) -> list[tuple[Points, tuple[int, int, int], float]]:
        neck = self.height - 0.27
        bright = (suit[0], suit[1], suit[2])
        shadow = (dark[0], dark[1], dark[2])
        parts: list[tuple[Points, tuple[int, int, int], float]] = [
            (quad((-0.3, 0, -0.2), (0.3, 0, -0.2), (0.5, 0, 0.9), (0, 0, 0.9)), (20, 20, 22), 0.45)
        ]
        for side, phase in ((-1, swing), (1, -swing)):
            reach = 0.26 * phase
            hip, foot = 0.11 * side, 0.12 * side
            lift = max(0.0, 0.10 * phase)
            leg = quad(
                (hip - 0.10, 0.86, 0),
                (hip + 0.10, 0.86, 0),
                (foot + 0.075, 0.08 + lift, -reach),
                (foot - 0.075, 0.08 + lift, -reach),
            )
            boot = quad(
                (foot - 0.08, 0.12 + lift, -reach),
                (foot + 0.08, 0.12 + lift, -reach),
                (foot + 0.08, lift, -reach - 0.08),
                (foot - 0.08, lift, -reach - 0.08),
            )
            arm = quad(
                (0.21 * side, neck - 0.04, 0),
                (0.32 * side, neck - 0.10, 0),
                (0.35 * side, 0.80, reach),
                (0.26 * side, 0.80, reach),
            )
            hand = quad(
                (0.25 * side, 0.82, reach),
                (0.36 * side, 0.82, reach),
                (0.34 * side, 0.70, reach),
                (0.27 * side, 0.70, reach),
            )
            parts += [(leg, shadow if phase < 0 else bright, 1.0), (boot, (26, 26, 28), 1.0)]
            parts += [(arm, shadow, 1.0), (hand, (110, 140, 190), 1.0)]
        torso = quad(
            (-0.24, neck - 0.05, 0),
            (-0.09, neck + 0.02, 0),
            (0.09, neck + 0.02, 0),
            (0.24, neck - 0.05, 0),
            (0.21, 0.82, 0),
            (-0.21, 0.82, 0),
        )
        collar = quad(
            (-0.09, neck + 0.05, -0.01),
            (0.09, neck + 0.05, -0.01),
            (0.13, neck - 0.03, -0.01),
            (-0.13, neck - 0.03, -0.01),
        )
        zipper = quad(
            (-0.012, neck - 0.03, -0.01),
            (0.012, neck - 0.03, -0.01),
            (0.012, 0.86, -0.01),
            (-0.012, 0.86, -0.01),
        )
        return [*parts, (torso, bright, 1.0), (collar, shadow, 1.0), (zipper, (30, 60, 120), 1.0)]

    def _head(self) -> Panel:
        metre = _FACE[2] / FACE_WIDTH_M
        width, height = _HEAD[2] / metre, _HEAD[3] / metre
        texture = head_texture()
        if self.brightness < 1:
            texture = Texture((texture.picture * self.brightness).astype(np.uint8), texture.mask)
        return Panel(
            vec(-width / 2, self.height, -0.03), vec(width, 0, 0), vec(0, -height, 0), texture
        )

    def face_box(
        self, camera: Camera, x: float, z: float
    ) -> tuple[float, float, float, float] | None:
        """x, y, width, height of the face in pixels, or None if it is not wholly in view."""
        head = self._head()
        left, top, width, height = _FACE
        u0, v0 = (left - _HEAD[0]) / _HEAD[2], (top - _HEAD[1]) / _HEAD[3]
        u1, v1 = u0 + width / _HEAD[2], v0 + height / _HEAD[3]
        corners = [head.origin + u * head.right + v * head.down for u in (u0, u1) for v in (v0, v1)]
        points: NDArray[np.float64] = camera.project(np.array(corners) + vec(x, 0, z))
        low, high = points.min(0), points.max(0)
        if low.min() < 0 or high[0] >= camera.width or high[1] >= camera.height:
            return None
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
