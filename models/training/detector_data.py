"""Training samples for the plate detector: real scenes, scenes with other plates, and decoys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training import backdrops, effects
from models.training.backdrops import read_picture
from models.training.flat import random_flat
from models.training.glyphs import GlyphBank

SIDE: Final = 384
SMALLEST, LARGEST = 13.0, 340.0
"""Width of training plates in pixels."""

Picture = NDArray[np.uint8]


@dataclass(slots=True)
class DetectorSample:
    """A picture, uint8 (384, 384, 3) BGR, the corners (4, 2) and the rows of each plate in it.

    ``ignored`` holds corners of plates too small or too cut off to be counted either way.
    """

    picture: Picture
    corners: list[NDArray[np.float32]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    ignored: list[NDArray[np.float32]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """A real scene held as JPEG bytes, with the corners (4, 2) of its plates."""

    jpeg: NDArray[np.uint8]
    corners: tuple[NDArray[np.float32], ...]


class DetectorData:
    """Draws detector samples; without ``shared`` from rendered plates on made-up scenes alone."""

    def __init__(self, shared: Path | None) -> None:
        glyphs = shared / "plate_glyphs" / "font_model" if shared else None
        self._bank = GlyphBank(glyphs)
        self._scenes = _load(shared / "plate_scenes") if shared else []
        self._pictures = backdrops.library_pictures()
        self._free = [_without_plates(scene) for scene in self._scenes[::4]]

    def stream(self, seed: int) -> Iterator[DetectorSample]:
        """Endless samples of one seed."""
        rng = np.random.default_rng(seed)
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> DetectorSample:
        """One random sample."""
        form = rng.random()
        if self._scenes and form < 0.66:
            sample = self._from_scene(rng, replaced=form > 0.3)
        else:
            sample = DetectorSample(self._made_up(rng))
        for _ in range(int(rng.integers(0, 5)) if rng.random() < 0.6 else 0):
            _paste_decoy(sample, rng)
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.2 else 0):
            _paste_caption(sample, rng)
        if form >= 0.66 or rng.random() < 0.3:
            for _ in range(int(rng.choice([0, 1, 2, 3, 5], p=[0.3, 0.3, 0.2, 0.12, 0.08]))):
                self._paste_plate(sample, rng)
        sample.picture = _seen_by_camera(sample.picture, rng)
        return sample

    def _from_scene(self, rng: np.random.Generator, *, replaced: bool) -> DetectorSample:
        scene = self._scenes[int(rng.integers(len(self._scenes)))]
        whole = np.asarray(cv2.imdecode(scene.jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)
        corners, rows = list(scene.corners), [1] * len(scene.corners)
        if replaced:
            keep = [self._replace(whole, quad, rng) for quad in corners]
            corners = [quad for quad, _ in keep if quad is not None]
            rows = [r for quad, r in keep if quad is not None]
        widths = [float(np.linalg.norm(q[1] - q[0])) for q in scene.corners]
        target = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        factor = min(target / max(widths[0], 1.0), 2.5)
        centre = scene.corners[0].mean(0) if rng.random() < 0.85 else None
        view = _view(whole.shape[:2], factor, centre, rng)
        picture = self._made_up(rng)
        small = _prefiltered(whole, factor)
        move = (view @ _prefilter_inverse(factor)).astype(np.float32)
        cover = cv2.warpAffine(np.full(small.shape[:2], 255, np.uint8), move, (SIDE, SIDE))
        seen = cv2.warpAffine(small, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        picture[cover > 127] = seen[cover > 127]
        sample = DetectorSample(picture)
        for quad, row_count in zip(corners, rows, strict=True):
            moved = (quad @ view[:, :2].T + view[:, 2]).astype(np.float32)
            _keep(sample, moved, row_count)
        return sample

    def _replace(
        self, whole: Picture, quad: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32] | None, int]:
        """Covers the real plate with a rendered one, or, one time in five, with nothing."""
        _cover(whole, quad, 1.12)
        if rng.random() < 0.2:
            return None, 1
        flat = random_flat(rng, self._bank, scale=0.6)
        if flat.rows == 2:
            up = (quad[0] + quad[1] - quad[2] - quad[3]) / 2 * float(rng.uniform(0.3, 0.7))
            quad = quad + np.stack([up, up, up * 0, up * 0])
        quad = (quad + rng.normal(0, 2.0, (4, 2))).astype(np.float32)
        _warp_in(whole, flat.picture, flat.corners, quad)
        return quad, flat.rows

    def _made_up(self, rng: np.random.Generator) -> Picture:
        if not self._pictures or rng.random() < 0.3:
            return backdrops.texture((SIDE, SIDE), rng)
        pool = self._pictures if rng.random() < 0.4 or not self._free else self._free
        whole = pool[int(rng.integers(len(pool)))]
        side = int(rng.uniform(0.4, 1.0) * min(whole.shape[:2]))
        y = int(rng.integers(whole.shape[0] - side + 1))
        x = int(rng.integers(whole.shape[1] - side + 1))
        picture = cv2.resize(whole[y : y + side, x : x + side], (SIDE, SIDE))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(picture, dtype=np.uint8)

    def _paste_plate(self, sample: DetectorSample, rng: np.random.Generator) -> None:
        width = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        flat = random_flat(rng, self._bank, scale=min(0.7, max(0.12, width * 1.4 / 440)))
        aspect = float(np.ptp(flat.corners[:, 0]) / np.ptp(flat.corners[:, 1]))
        quad = _random_quad(width, width / aspect * float(rng.uniform(0.8, 1.25)), rng)
        if _touches(sample, quad):
            return
        if rng.random() < 0.6:
            _paint_bumper(sample.picture, quad, rng)
        _warp_in(sample.picture, flat.picture, flat.corners, quad)
        _keep(sample, quad, flat.rows)


def _load(folder: Path) -> list[Scene]:
    labels = folder / "labels.jsonl"
    scenes = []
    for line in labels.read_text(encoding="utf-8").splitlines() if labels.exists() else []:
        entry = json.loads(line)
        path = folder / entry["file"]
        if read_picture(path) is None:
            continue
        corners = tuple(np.array(p["corners"], np.float32) for p in entry["plates"])
        scenes.append(Scene(np.fromfile(path, np.uint8), corners))
    return scenes


def _without_plates(scene: Scene) -> Picture:
    """A scene at half size, its plates covered with the colour above them."""
    whole = np.asarray(cv2.imdecode(scene.jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)
    for quad in scene.corners:
        _cover(whole, quad, 1.25)
    return np.asarray(cv2.resize(whole, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _cover(whole: Picture, quad: NDArray[np.float32], growth: float) -> None:
    grown = quad.mean(0) + (quad - quad.mean(0)) * growth
    edge = whole[max(0, int(grown[:, 1].min()) - 3), min(int(grown[0, 0]), whole.shape[1] - 1)]
    cv2.fillConvexPoly(whole, grown.astype(np.int32), [int(v) for v in edge])


def _view(
    shape: tuple[int, int],
    factor: float,
    centre: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """A 2x3 transform from scene to sample: zoom, slight turn, random place."""
    height, width = shape
    if centre is None:
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)], np.float32)
    turn = _tilt(rng) * factor
    turn[:, 0] *= float(rng.uniform(0.88, 1.14))
    place = rng.uniform(0.06, 0.94, 2) * SIDE
    return np.column_stack([turn, place - turn @ centre]).astype(np.float32)


def _tilt(rng: np.random.Generator) -> NDArray[np.float64]:
    """A turn and a lean (2, 2), mostly slight, one in three as seen from the road's edge.

    From the side the plate's long edges fall off while its short ones stay upright.
    """
    spread, lean = (14.0, 0.24) if rng.random() < 0.35 else (5.0, 0.07)
    angle = np.deg2rad(rng.normal(0, spread))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(turn @ np.array([[1.0, 0.0], [rng.normal(0, lean), 1.0]]))


def _prefiltered(whole: Picture, factor: float) -> Picture:
    """The scene shrunk with averaging when it will be shrunk strongly, against aliasing."""
    if factor >= 0.6:
        return whole
    small = cv2.resize(whole, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _prefilter_inverse(factor: float) -> NDArray[np.float64]:
    scale = 1.0 if factor >= 0.6 else 1.0 / factor
    return np.array([[scale, 0, 0], [0, scale, 0], [0, 0, 1]])


def _random_quad(width: float, height: float, rng: np.random.Generator) -> NDArray[np.float32]:
    quad = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    quad = quad + rng.normal(0, 0.03, (4, 2)) * np.array([width * 0.6, height])
    quad[:, 0] += quad[:, 1] * rng.normal(0, 0.15)
    place = rng.uniform(0.03, 0.97, 2) * SIDE
    return np.asarray(quad @ _tilt(rng).T + place, dtype=np.float32)


def _touches(sample: DetectorSample, quad: NDArray[np.float32]) -> bool:
    low, high = quad.min(0) - 6, quad.max(0) + 6
    others = [*sample.corners, *sample.ignored]
    return any((low < o.max(0)).all() and (high > o.min(0)).all() for o in others)


def _keep(sample: DetectorSample, quad: NDArray[np.float32], rows: int) -> None:
    """Counts a plate when nearly all of it is inside and it is wide enough; ignores it else."""
    width = float(np.linalg.norm(quad[1] - quad[0]))
    inside = ((quad > -0.06 * width) & (quad < SIDE + 0.06 * width)).all()
    if inside and width >= SMALLEST - 1:
        sample.corners.append(quad)
        sample.rows.append(rows)
    else:
        sample.ignored.append(quad)


def _warp_in(
    picture: Picture,
    flat: Picture,
    corners: NDArray[np.float32],
    quad: NDArray[np.float32],
) -> None:
    """Draws a flat plate into a picture, in place, so that its corners land on ``quad``."""
    height, width = picture.shape[:2]
    outline = cv2.perspectiveTransform(
        np.array([[[0, 0], [flat.shape[1], 0], [flat.shape[1], flat.shape[0]], [0, flat.shape[0]]]],
                 np.float32),
        cv2.getPerspectiveTransform(corners, quad),
    )[0]  # fmt: skip
    low = np.clip(np.floor(outline.min(0)).astype(int), 0, (width - 1, height - 1))
    high = np.clip(np.ceil(outline.max(0)).astype(int) + 1, low + 1, (width, height))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    local = cv2.getPerspectiveTransform(corners, quad - low.astype(np.float32))
    seen = cv2.warpPerspective(flat, local, size, flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full(flat.shape[:2], 255, np.uint8), local, size)
    region = picture[low[1] : high[1], low[0] : high[0]]
    share = cover[..., None].astype(np.float32) / 255
    blended = seen.astype(np.float32) + region * (1 - share)
    region[:] = np.clip(blended, 0, 255).astype(np.uint8)


def _paint_bumper(picture: Picture, quad: NDArray[np.float32], rng: np.random.Generator) -> None:
    """A car's rear or front around the plate: body colour, a darker band, two lamps."""
    width = float(np.ptp(quad[:, 0]))
    cx, cy = quad.mean(0)
    body = (
        [int(v) for v in rng.integers(0, 256, 3)]
        if rng.random() < 0.4
        else [int(rng.integers(10, 245))] * 3
    )
    half = width * float(rng.uniform(0.9, 2.4))
    up, down = width * float(rng.uniform(0.4, 1.6)), width * float(rng.uniform(0.2, 0.8))
    box = (int(cx - half), int(cy - up)), (int(cx + half), int(cy + down))
    cv2.rectangle(picture, box[0], box[1], body, -1)
    band = [int(v * 0.5) for v in body]
    cv2.rectangle(picture, (box[0][0], int(cy + 0.12 * width)), (box[1][0], box[1][1]), band, -1)
    lamp = [(40, 30, 180), (210, 225, 235), (20, 120, 240)][int(rng.integers(3))]
    for side in (-1, 1):
        x = int(cx + side * half * 0.8)
        axes = (max(1, int(half * 0.18)), max(1, int(up * 0.2)))
        cv2.ellipse(picture, (x, int(cy - 0.3 * up)), axes, 0, 0, 360, lamp, -1, cv2.LINE_AA)


def _paste_decoy(sample: DetectorSample, rng: np.random.Generator) -> None:
    flat = backdrops.decoy(rng)
    height, width = flat.shape[:2]
    shown = float(np.exp(rng.uniform(np.log(20), np.log(260))))
    quad = _random_quad(shown, shown * height / width, rng)
    if _touches(sample, quad):
        return
    corners = np.array(
        [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32
    )
    _warp_in(sample.picture, flat, corners, quad)


def _paste_caption(sample: DetectorSample, rng: np.random.Generator) -> None:
    """What cameras and editors write over a picture: dates, places, lanes."""
    mask = backdrops.caption(rng)
    height, width = mask.shape
    if width >= SIDE or height >= SIDE:
        return
    x, y = int(rng.integers(SIDE - width)), int(rng.integers(SIDE - height))
    low, high = np.array([x, y]), np.array([x + width, y + height])
    if any((low < o.max(0)).all() and (high > o.min(0)).all() for o in sample.corners):
        return
    region = sample.picture[y : y + height, x : x + width]
    ink = np.array(rng.choice([(255, 255, 255), (0, 255, 255), (0, 0, 0), (0, 0, 255)]))
    share = mask[..., None].astype(np.float32) / 255
    region[:] = (region * (1 - share) + ink * share).astype(np.uint8)


def _seen_by_camera(picture: Picture, rng: np.random.Generator) -> Picture:
    picture = effects.apply(picture, rng, ROAD)
    if rng.random() < 0.4:
        sigma = float(rng.uniform(0.3, 1.6))
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)
    if rng.random() < 0.1:
        kernel = np.full((1, int(rng.integers(2, 8))), 1.0, np.float32)
        kernel = kernel if rng.random() < 0.7 else kernel.T
        picture = np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), dtype=np.uint8)
    return effects.apply(picture, rng, CAMERA)


ROAD: Final = (
    (0.15, effects.shadow),
    (0.04, effects.glare),
    (0.60, effects.light),
    (0.06, effects.wash_out),
    (0.10, effects.night),
)
CAMERA: Final = (
    (0.05, effects.rain),
    (0.25, effects.noise),
    (0.12, effects.sharpen),
    (0.40, effects.compress),
)
