"""Paints the empty road of a scene by casting one ray per pixel at ground, walls and sky."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulator.scene.camera import Camera
from edge.simulator.scene.paint import Bgr, Picture, Polygon, add_light, draw_polygon, quad, vec
from models.plates.render import font_ink

Values = NDArray[np.float32]
_FAR = np.float32(1e6)


class _Hit(NamedTuple):
    """Where each pixel's ray meets a surface, in metres, and a table of noise; all float32."""

    x: Values
    y: Values
    z: Values
    noise: Values


_WALL_X, _HOUSE_X, _END_Z = 4.6, -5.6, 62.0


def paint_street(camera: Camera, *, seed: int, night: bool, title: str) -> Picture:
    """An empty street, uint8 (H, W, 3) BGR; the seed decides its colours and trees.

    ``title`` is written into the corner, as cameras do with their name.
    """
    rng = np.random.default_rng([seed, 71])
    picture = _cast(camera, rng)
    _paint_trees(picture, camera, rng)
    _paint_booth(picture, camera)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), camera.width / 1700), dtype=np.uint8)
    grain = rng.normal(0, 2.0, picture.shape[:2]).astype(np.float32)[..., None]
    picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    if night:
        picture = _darken(picture, camera)
    write_title(picture, title)
    return picture


def _cast(camera: Camera, rng: np.random.Generator) -> Picture:
    height, width = camera.height, camera.width
    inverse = np.linalg.inv(camera.matrix[:, :3])
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(columns)], -1) @ inverse.T
    rx, ry, rz = (rays[..., i].astype(np.float32) for i in range(3))
    surfaces = (
        (_reach(-camera.y, ry), _ground),
        (_reach(_WALL_X - camera.x, rx), _wall),
        (_reach(_HOUSE_X - camera.x, rx), _houses),
        (_reach(_END_Z, rz), _end_of_road),
    )
    colour = _sky(rows.astype(np.float32) / height)
    nearest = np.full((height, width), _FAR, np.float32)
    noise = np.asarray(
        cv2.resize(rng.normal(0, 1, (256, 256)).astype(np.float32), (1024, 1024)), np.float32
    )
    for reach, painter in surfaces:
        x, y, z = camera.x + reach * rx, camera.y + reach * ry, reach * rz
        paint, solid = painter(_Hit(x, y, z, noise))
        front = solid & (reach < nearest)
        colour[front] = paint[front]
        nearest[front] = reach[front]
    haze = np.clip(nearest / 260, 0, 0.35)[..., None] * (nearest < _FAR)[..., None]
    hazy = colour * (1 - haze) + np.array((214, 206, 196), np.float32) * haze
    return np.asarray(np.clip(hazy, 0, 255), dtype=np.uint8)


def _reach(distance: float, ray: Values) -> Values:
    with np.errstate(divide="ignore"):
        reach = np.float32(distance) / ray
    return np.where((reach > 0) & (reach < 2000), reach, _FAR).astype(np.float32)


def _sky(share: Values) -> Values:
    low, high = np.array((232, 222, 208), np.float32), np.array((226, 190, 150), np.float32)
    part = np.clip(share * 2.4, 0, 1)[..., None]
    return np.asarray(low * part + high * (1 - part), np.float32)


def _sample(noise: Values, u: Values, v: Values, scale: float) -> Values:
    size = noise.shape[0]
    # Far away one pixel covers many texels: the wrap-around keeps the grain, the haze hides it.
    i, j = (np.nan_to_num(w * scale).astype(np.int64) % size for w in (u, v))
    return np.asarray(noise[i, j], np.float32)


def _tint(colour: Bgr, light: NDArray[np.floating[Any]]) -> Values:
    return np.asarray(
        np.array(colour, np.float32) * light.astype(np.float32)[..., None], np.float32
    )


def _ground(at: _Hit) -> tuple[Values, NDArray[np.bool_]]:
    x, z, noise = at.x, at.z, at.noise
    fade = np.clip(14 / np.maximum(z, 1), 0.1, 1)
    grain = 1 + (0.05 * _sample(noise, x, z, 90) + 0.05 * _sample(noise, x, z, 7)) * fade
    paint = _tint((112, 112, 110), grain)
    tracks = np.exp(-((np.abs(x - 0.1) - 0.72) ** 2) / 0.05)
    paint *= (1 - 0.10 * tracks)[..., None]
    pavement = (x > 2.3) | (x < -3.2)
    tiles = 1 - 0.12 * (((x * 2.5) % 1 < 0.05) | ((z * 2.5) % 1 < 0.05))
    paint = np.where(pavement[..., None], _tint((150, 158, 164), grain * tiles), paint)
    kerb = ((x > 2.3) & (x < 2.45)) | ((x > -3.35) & (x < -3.2))
    paint = np.where(kerb[..., None], _tint((176, 178, 178), grain), paint)
    edge = np.abs(x - 2.05) < 0.06
    middle = (np.abs(x + 1.75) < 0.06) & (z % 4 < 2.4)
    stop = (np.abs(z - 8.2) < 0.16) & (x > -1.6) & (x < 2.0)
    lines = edge | middle | stop
    paint = np.where(lines[..., None], _tint((214, 216, 216), grain), paint)
    return paint, z > 0


def _wall(at: _Hit) -> tuple[Values, NDArray[np.bool_]]:
    y, z, noise = at.y, at.z, at.noise
    row = np.floor(y / 0.09)
    joint = ((y / 0.09) % 1 < 0.12) | (((z + 0.12 * (row % 2)) / 0.24) % 1 < 0.06)
    light = (
        1 + 0.10 * _sample(noise, z, y, 21) - 0.16 * joint * np.clip(16 / np.maximum(z, 1), 0, 1)
    )
    paint = _tint((92, 108, 156), light)
    plaster = y < 0.55
    paint = np.where(plaster[..., None], _tint((150, 156, 158), light), paint)
    cap = y > 2.42
    paint = np.where(cap[..., None], _tint((122, 124, 126), light), paint)
    return paint, (y < 2.55) & (z > 0) & (z < _END_Z)


def _houses(at: _Hit) -> tuple[Values, NDArray[np.bool_]]:
    y, z, noise = at.y, at.z, at.noise
    house = np.floor(z / 11)
    tone = 0.86 + 0.14 * np.sin(house * 2.3) + 0.04 * _sample(noise, z, y, 9)
    paint = _tint((176, 190, 200), tone)
    across, up = (z % 2.75) / 2.75, ((y - 0.4) % 3.0) / 3.0
    window = (across > 0.24) & (across < 0.76) & (up > 0.28) & (up < 0.78) & (y > 0.4)
    frame = (np.abs(across - 0.5) < 0.015) | (np.abs(up - 0.62) < 0.012)
    glass = _tint((96, 86, 74), 0.9 + 0.3 * up)
    paint = np.where(window[..., None], glass, paint)
    paint = np.where((window & frame)[..., None], _tint((206, 206, 206), tone), paint)
    shop = (y < 3.1) & (y > 2.62)
    sign = _tint((60, 60, 168), 0.8 + 0.2 * np.cos(house * 1.7))
    paint = np.where(shop[..., None], sign, paint)
    roof = 8.2 + 1.6 * np.sin(house * 1.3)
    return paint, (y < roof) & (z > 2.0) & (z < _END_Z) & (z % 11 < 10.4)


def _end_of_road(at: _Hit) -> tuple[Values, NDArray[np.bool_]]:
    x, y = at.x, at.y
    block = np.floor(x / 14)
    roof = 13 + 4 * np.sin(block * 2.1)
    paint = _tint((178, 178, 180), 0.92 + 0.06 * np.sin(block * 3.7))
    window = ((x % 2.4) > 0.8) & ((y % 3.0) > 1.2) & (y > 1)
    paint = np.where(window[..., None], _tint((124, 116, 106), np.ones_like(x)), paint)
    return paint, y < roof


def _paint_trees(picture: Picture, camera: Camera, rng: np.random.Generator) -> None:
    for z in (44.0, 34.0, 26.0, 19.0, 13.5):
        for x in (3.6, -4.4):
            _tree(picture, camera, rng, x + rng.uniform(-0.3, 0.3), z + rng.uniform(-1, 1))


def _tree(picture: Picture, camera: Camera, rng: np.random.Generator, x: float, z: float) -> None:
    foot, crown = camera.project(np.array([[x, 0, z], [x, 3.4, z]]))
    scale = camera.focal * camera.width / z
    cv2.line(
        picture,
        (int(foot[0]), int(foot[1])),
        (int(crown[0]), int(crown[1])),
        (58, 70, 84),
        max(2, round(0.2 * scale)),
        cv2.LINE_AA,
    )
    for layer in range(3):
        for _ in range(60):
            angle, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
            at = crown + np.array([np.cos(angle), 0.8 * np.sin(angle)]) * far * 1.25 * scale
            at[1] -= layer * 0.12 * scale
            green = (
                38 + 14 * layer + rng.integers(0, 12),
                82 + 26 * layer + rng.integers(0, 20),
                62 + 16 * layer,
            )
            radius = max(2, round(rng.uniform(0.10, 0.26) * scale))
            colour = tuple(int(c) for c in green)
            cv2.circle(picture, (int(at[0]), int(at[1])), radius, colour, -1, cv2.LINE_AA)


def _paint_booth(picture: Picture, camera: Camera) -> None:
    """A gatekeeper's booth and a raised barrier on the left."""
    x0, x1, z0, z1 = -4.9, -3.5, 11.0, 12.6
    draw_polygon(
        picture,
        camera,
        Polygon(quad((x1, 0, z0), (x1, 2.4, z0), (x1, 2.4, z1), (x1, 0, z1)), (150, 152, 150)),
        vec(0, 0, 0),
    )
    draw_polygon(
        picture,
        camera,
        Polygon(quad((x0, 0, z0), (x1, 0, z0), (x1, 2.4, z0), (x0, 2.4, z0)), (206, 206, 200)),
        vec(0, 0, 0),
    )
    draw_polygon(
        picture,
        camera,
        Polygon(
            quad(
                (x0 + 0.2, 1.0, z0), (x1 - 0.2, 1.0, z0), (x1 - 0.2, 2.0, z0), (x0 + 0.2, 2.0, z0)
            ),
            (108, 92, 76),
        ),
        vec(0, 0, 0),
    )
    draw_polygon(
        picture,
        camera,
        Polygon(
            quad(
                (x0 - 0.2, 2.4, z0 - 0.2),
                (x1 + 0.2, 2.4, z0 - 0.2),
                (x1 + 0.2, 2.65, z0 - 0.2),
                (x0 - 0.2, 2.65, z0 - 0.2),
            ),
            (148, 84, 44),
        ),
        vec(0, 0, 0),
    )
    draw_polygon(
        picture,
        camera,
        Polygon(
            quad((-3.1, 0, 9.4), (-2.8, 0, 9.4), (-2.8, 1.1, 9.4), (-3.1, 1.1, 9.4)), (40, 150, 220)
        ),
        vec(0, 0, 0),
    )
    for i in range(8):
        low, high = 1.0 + 0.36 * i, 1.36 + 0.36 * i
        colour = (40, 40, 200) if i % 2 else (232, 232, 232)
        draw_polygon(
            picture,
            camera,
            Polygon(
                quad((-3.0, low, 9.4), (-2.9, low, 9.4), (-2.9, high, 9.4), (-3.0, high, 9.4)),
                colour,
            ),
            vec(0.04 * i, 0, 0),
        )


def _darken(picture: Picture, camera: Camera) -> Picture:
    """Night under sodium street lamps."""
    lit = np.full((*picture.shape[:2], 3), (0.13, 0.12, 0.115), np.float32)
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    lamps = [(2.9, z) for z in (6.0, 18.0, 32.0, 48.0)]
    for x, z in lamps:
        ground = camera.project(np.array([[x - 1.8, 0.0, z]]))[0]
        spread = camera.focal * camera.width / z * 3.0
        pool = np.exp(
            -(((columns - ground[0]) / spread) ** 2) - ((rows - ground[1]) / spread * 2) ** 2
        )
        lit += pool[..., None] * np.array((0.20, 0.27, 0.33), np.float32)
    dark = np.clip(picture * np.minimum(lit, 0.8), 0, 255).astype(np.uint8)
    for x, z in lamps[1:]:
        head = camera.project(np.array([[x, 5.2, z]]))[0]
        add_light(dark, head, camera.width * 0.5 / z, (150, 205, 240))
    return dark


def write_title(picture: Picture, title: str) -> None:
    """Write ``title`` into the right bottom corner, white on whatever is there."""
    size = max(12, picture.shape[1] // 48)
    x = picture.shape[1] - size * (len(title) + 1)
    y = picture.shape[0] - 2 * size
    for i, character in enumerate(title):
        if character.isspace():
            continue
        ink = font_ink(character, 500)
        scale = size / max(ink.shape)
        width, height = (max(1, round(side * scale)) for side in ink.shape[::-1])
        small = np.asarray(cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA))
        left, top = x + i * size, y + (size - height) // 2
        if left < 0 or left + width > picture.shape[1]:
            continue
        region = picture[top : top + height, left : left + width]
        share = (small.astype(np.float32) / 255)[..., None]
        region[:] = (region * (1 - share) + 245 * share).astype(np.uint8)
