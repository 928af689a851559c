"""What weather, light, lenses, sensors and codecs do to a picture of a plate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Effect = Callable[[Picture, np.random.Generator], Picture]


def _bytes(values: NDArray[np.floating[Any]]) -> Picture:
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def dirt(picture: Picture, rng: np.random.Generator) -> Picture:
    """Mud blobs, scratches and peeled paint on the plate itself."""
    height, width = picture.shape[:2]
    picture = picture.copy()
    for _ in range(int(rng.integers(1, 6))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(1, 2 + height // 6)), int(rng.integers(1, 2 + height // 8)))
        shade = tuple(int(v) for v in rng.integers(40, 200, 1).repeat(3) + rng.integers(-15, 15, 3))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1)
    coarse = rng.normal(0, 1, (4, 12)).astype(np.float32)
    film = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return _bytes(picture + film * float(rng.uniform(0, 18)))


def shadow(picture: Picture, rng: np.random.Generator) -> Picture:
    """A hard or soft shadow edge across the picture."""
    height, width = picture.shape[:2]
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    side = (xx - rng.uniform(0.1, 0.9) * width) * np.cos(angle)
    side += (yy - rng.uniform(0.1, 0.9) * height) * np.sin(angle)
    soft = rng.uniform(0.5, 1 + height * 0.4)
    share = 1 / (1 + np.exp(np.clip(-side / soft, -30, 30)))
    return _bytes(picture * (1 - rng.uniform(0.2, 0.75) * share[..., None]))


def glare(picture: Picture, rng: np.random.Generator) -> Picture:
    """A bright spot: sun, headlight or flash reflected by the plate."""
    height, width = picture.shape[:2]
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    cx, cy = rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.1, 1.1) * height
    radius = rng.uniform(0.2, 1.2) * height
    spot = np.exp(-((xx - cx) ** 2 / (2.5 * radius**2) + (yy - cy) ** 2 / radius**2))
    return _bytes(picture + spot[..., None] * float(rng.uniform(40, 190)))


def light(picture: Picture, rng: np.random.Generator) -> Picture:
    """Exposure, contrast, gamma and white balance."""
    values = picture.astype(np.float32) / 255
    values = values ** float(np.exp(rng.normal(0, 0.35)))
    values = values * rng.normal(1.0, 0.07, 3).astype(np.float32)
    contrast, brightness = rng.uniform(0.45, 1.15), rng.normal(0, 0.09)
    values = (values - 0.5) * contrast + 0.5 + brightness
    return _bytes(values * 255)


def night(picture: Picture, rng: np.random.Generator) -> Picture:
    """Low light: dark, desaturated, noisy."""
    values = picture.astype(np.float32)
    grey = values.mean(2, keepdims=True)
    values = values + (grey - values) * float(rng.uniform(0.2, 1.0))
    values = values * float(rng.uniform(0.12, 0.5))
    return _bytes(values + rng.normal(0, rng.uniform(1, 7), values.shape).astype(np.float32))


def wash_out(picture: Picture, rng: np.random.Generator) -> Picture:
    """Haze, fog or an overexposed plate: contrast shrinks towards a light grey."""
    veil = np.array(rng.normal(205, 25, 3), np.float32)
    share = float(rng.uniform(0.2, 0.65))
    return _bytes(picture * (1 - share) + veil * share)


def defocus(picture: Picture, rng: np.random.Generator) -> Picture:
    """Out of focus by up to a twelfth of the picture's height."""
    sigma = float(rng.uniform(0.3, max(0.5, picture.shape[0] / 45)))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


def motion_blur(picture: Picture, rng: np.random.Generator) -> Picture:
    """The plate moved while the shutter was open."""
    length = int(rng.integers(2, max(3, picture.shape[0] // 9) + 1))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0
    turn = cv2.getRotationMatrix2D(
        ((length - 1) / 2, (length - 1) / 2), float(rng.uniform(0, 180)), 1.0
    )
    turned = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), dtype=np.float32)
    return np.asarray(cv2.filter2D(picture, -1, turned / max(turned.sum(), 1e-3)), dtype=np.uint8)


def ghost(picture: Picture, rng: np.random.Generator) -> Picture:
    """The plate twice, a little apart: a shaken exposure, or two fields of an interlaced frame."""
    height, width = picture.shape[:2]
    right, down = rng.normal(0, 0.06, 2) * height
    way = np.array([[1, 0, right], [0, 1, down]], np.float32)
    again = cv2.warpAffine(picture, way, (width, height), borderMode=cv2.BORDER_REPLICATE)
    share = float(rng.uniform(0.2, 0.5))
    return _bytes(picture * (1 - share) + again.astype(np.float32) * share)


def rain(picture: Picture, rng: np.random.Generator) -> Picture:
    """Thin bright streaks."""
    height, width = picture.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    slant = rng.uniform(-0.3, 0.3)
    for _ in range(int(rng.integers(4, 30))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        length = int(rng.integers(2, 4 + height // 4))
        cv2.line(layer, (x, y), (int(x + slant * length), y + length), 255, 1, cv2.LINE_AA)
    return _bytes(picture + layer[..., None].astype(np.float32) * float(rng.uniform(0.1, 0.5)))


def noise(picture: Picture, rng: np.random.Generator) -> Picture:
    """Sensor noise, per pixel or per channel."""
    channels = 3 if rng.random() < 0.6 else 1
    grain = rng.standard_normal((*picture.shape[:2], channels), dtype=np.float32)
    return _bytes(picture + grain * float(rng.uniform(1.5, 13)))


def sharpen(picture: Picture, rng: np.random.Generator) -> Picture:
    """The halo a camera's own sharpening leaves."""
    soft = cv2.GaussianBlur(picture, (0, 0), 1.2).astype(np.float32)
    return _bytes(picture + (picture - soft) * float(rng.uniform(0.4, 2.0)))


def compress(picture: Picture, rng: np.random.Generator) -> Picture:
    """Block compression: JPEG, and halved chroma as H.264 4:2:0 does."""
    quality = int(rng.integers(12, 90))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def resample(picture: Picture, rng: np.random.Generator) -> Picture:
    """Lost resolution: shrunk and enlarged again."""
    height, width = picture.shape[:2]
    factor = float(rng.uniform(0.45, 0.95))
    size = (max(4, int(width * factor)), max(4, int(height * factor)))
    down = int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST]))
    up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    small = cv2.resize(picture, size, interpolation=down)
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), dtype=np.uint8)


ON_THE_ROAD: tuple[tuple[float, Effect], ...] = (
    (0.18, shadow),
    (0.12, glare),
    (0.60, light),
    (0.07, wash_out),
    (0.08, night),
)
IN_THE_CAMERA: tuple[tuple[float, Effect], ...] = (
    (0.40, defocus),
    (0.25, motion_blur),
    (0.05, ghost),
    (0.05, rain),
    (0.20, resample),
    (0.45, noise),
    (0.20, sharpen),
    (0.55, compress),
)


def apply(
    picture: Picture,
    rng: np.random.Generator,
    chain: tuple[tuple[float, Effect], ...],
    strength: float = 1.0,
) -> Picture:
    """Applies each effect of a chain with its own probability, times ``strength``."""
    for probability, effect in chain:
        if rng.random() < probability * strength:
            picture = effect(picture, rng)
    return picture
