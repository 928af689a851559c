"""Training pictures for the face head: people put into streets, rooms and crowds."""

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

LABEL: Final = np.dtype([("box", "f4", 4), ("landmarks", "f4", (5, 2)), ("yaw", "f4")])
"""What is known of a portrait, see ``studio.Portrait``."""
PIXELS, LABELS = "pixels.npy", "labels.npy"
"""Files of a folder of portraits: uint8 (n, H, H, 4) BGRA, and a ``LABEL`` of each."""
SIDE: Final = 320
SMALLEST, LARGEST = 8.0, 260.0
"""Heights of training faces in pixels."""
SIDEWAYS, BEHIND = 1.6, 1.9
"""Turn of a head in radians from which a face is not asked for, and from which there is none."""
COVERED: Final = 0.5
"""Share of a face behind others above which it is not asked for."""
WITH_PEOPLE: Final = frozenset({"astronaut", "camera", "no_time_for_that_tiny"})
"""Photographs of the library that show people, whom no label would tell."""
RECOGNISABLE: Final = 20.0
"""Height of a head in pixels from which it shows whether it has a face."""
OTHER_SIDE: Final = np.array([1, 0, 2, 4, 3])
"""Landmarks of a mirrored face."""

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(slots=True)
class FaceSample:
    """A picture, uint8 (320, 320, 3) BGR, and its faces.

    Attributes:
        picture: the pixels.
        boxes: float32 (4,) each: left, top, right, bottom.
        landmarks: float32 (5, 2) each: right eye, left eye, nose, corners of the mouth.
        ignored: boxes of heads that count neither way.
    """

    picture: Picture
    boxes: list[Floats] = field(default_factory=list)
    landmarks: list[Floats] = field(default_factory=list)
    ignored: list[Floats] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cutting:
    """A portrait at the size at which it is pasted, in pixels from its own corner."""

    pixels: Floats
    box: Floats
    landmarks: Floats
    yaw: float


class FaceData:
    """Draws face samples.

    Args:
        portraits: folder written by ``portraits.take``.
        shared: folder with ``plate_scenes`` as backgrounds; without it they are made up.
    """

    def __init__(self, portraits: Path, shared: Path | None) -> None:
        self._pixels = np.load(portraits / PIXELS, mmap_mode="r")
        self._labels = np.load(portraits / LABELS)
        scenes = _scenes(shared / "plate_scenes") if shared else []
        self._places = backdrops.library_pictures(without=WITH_PEOPLE) + scenes

    def stream(self, seed: int) -> Iterator[FaceSample]:
        """Endless samples of one seed."""
        rng = np.random.default_rng(seed)
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> FaceSample:
        """One random sample: a crowd, some people, or nobody."""
        sample = FaceSample(self._background(rng))
        for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.3 else 0):
            _paste_flat(sample.picture, backdrops.decoy(rng), rng)
        for _ in range(int(rng.integers(2, 16)) if rng.random() < 0.6 else 0):
            self._paste_scrap(sample.picture, rng)
        form = rng.random()
        if form < 0.28:
            places = _crowd(rng)
        elif form < 0.92:
            places = _some(rng)
        else:
            places = []
        tone = _tone(sample.picture, rng)
        for centre, height in places:
            self._paste(sample, centre, height, tone, rng)
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.5 else 0):
            self._paste_body(sample, tone, rng)
        # What would be lost on small faces is not done to them: nobody learns from grey spots.
        smallest = min((float(box[3] - box[1]) for box in sample.boxes), default=LARGEST)
        strength = 0.7 if smallest >= RECOGNISABLE else 0.35
        sample.picture = effects.apply(sample.picture, rng, CHAIN, strength)
        if rng.random() < 0.1:
            grey = cv2.cvtColor(sample.picture, cv2.COLOR_BGR2GRAY)
            sample.picture = np.repeat(grey[..., None], 3, 2).astype(np.uint8)
        return sample

    def _background(self, rng: np.random.Generator) -> Picture:
        if rng.random() < 0.12 or not self._places:
            return backdrops.texture((SIDE, SIDE), rng)
        part = backdrops.cut_out(self._place(rng), (SIDE, SIDE), rng)
        return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)

    def _place(self, rng: np.random.Generator) -> Picture:
        return self._places[int(rng.integers(len(self._places)))]

    def _paste_scrap(self, picture: Picture, rng: np.random.Generator) -> None:
        """A piece of another place with an outline of its own: edges and things, but no face."""
        size = np.exp(rng.uniform(np.log(8), np.log(120), 2)).astype(int)
        scrap = (
            backdrops.cut_out(self._place(rng), (int(size[0]), int(size[1])), rng)
            if self._places and rng.random() < 0.8
            else backdrops.plain_background((int(size[0]), int(size[1])), rng)
        )
        mask = np.zeros(scrap.shape[:2], np.uint8)
        if rng.random() < 0.6:
            axes = (int(size[0]) // 2, int(size[1]) // 2)
            cv2.ellipse(mask, axes, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        else:
            corners = (rng.random((5, 2)) * size).astype(np.int32)
            cv2.fillPoly(mask, [cv2.convexHull(corners)], 255, cv2.LINE_AA)
        colours = scrap.astype(np.float32) * (mask[..., None] / np.float32(255))
        _lay(
            picture,
            np.dstack([colours, mask.astype(np.float32)]),
            rng.integers(-10, SIDE - 5, 2),
            np.ones(3, np.float32),
        )

    def _cutting(self, height: float, rng: np.random.Generator) -> Cutting:
        """A random portrait whose face is ``height`` pixels high."""
        place = int(rng.integers(len(self._labels)))
        label, pixels = self._labels[place], self._pixels[place]
        box, marks = label["box"].copy(), label["landmarks"].copy()
        side, yaw = pixels.shape[0], float(label["yaw"])
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
            box[[0, 2]] = side - box[[2, 0]]
            marks[:, 0] = side - marks[:, 0]
            marks, yaw = marks[OTHER_SIDE], -yaw
        scale = height / max(float(box[3] - box[1]), 1.0) * np.array([rng.uniform(0.9, 1.1), 1.0])
        size = np.maximum(np.round(side * scale), 2).astype(int)
        own = size / side
        clear = pixels.astype(np.float32)
        clear[..., :3] *= clear[..., 3:] / 255
        shrinks = own.max() < 1
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(clear, size.tolist(), interpolation=way)
        return Cutting(
            np.asarray(small, np.float32),
            (box * np.tile(own, 2)).astype(np.float32),
            (marks * own).astype(np.float32),
            yaw,
        )

    def _paste(
        self,
        sample: FaceSample,
        centre: Floats,
        height: float,
        tone: Floats,
        rng: np.random.Generator,
    ) -> None:
        cutting = self._cutting(height, rng)
        faceless = rng.random() < 0.15
        if faceless:
            self._take_face_off(cutting, rng)
        corner = np.round(centre - (cutting.box[:2] + cutting.box[2:]) / 2).astype(int)
        _count_covered(sample, cutting, corner)
        _lay(sample.picture, _with_body(cutting.pixels, rng), corner, tone)
        box = cutting.box + np.tile(corner, 2)
        shown = np.clip(box, 0, SIDE)
        share = np.prod(shown[2:] - shown[:2]) / max(np.prod(box[2:] - box[:2]), 1.0)
        if share <= 0 or abs(cutting.yaw) > BEHIND:
            return
        if faceless and height >= RECOGNISABLE:
            return
        if faceless or share < 0.6 or height < SMALLEST or abs(cutting.yaw) > SIDEWAYS:
            sample.ignored.append(box.astype(np.float32))
            return
        sample.boxes.append(box.astype(np.float32))
        sample.landmarks.append((cutting.landmarks + corner).astype(np.float32))

    def _take_face_off(self, cutting: Cutting, rng: np.random.Generator) -> None:
        """Puts something else where the face was, in place: a head alone makes no face."""
        low = np.maximum(cutting.box[:2], 0).astype(int)
        high = np.minimum(cutting.box[2:], cutting.pixels.shape[1::-1]).astype(int)
        inner = cutting.pixels[low[1] : high[1], low[0] : high[0]]
        if min(inner.shape[:2]) < 4:
            return
        size = (inner.shape[1], inner.shape[0])
        form = rng.random()
        if form < 0.4:
            coarse = cv2.resize(inner[..., :3], (2, 2), interpolation=cv2.INTER_AREA)
            other = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
        elif form < 0.7 and self._places:
            other = backdrops.cut_out(self._place(rng), size, rng).astype(np.float32)
        else:
            grid = cv2.resize(inner[..., :3], (3, 4), interpolation=cv2.INTER_AREA)
            mixed = rng.permutation(grid.reshape(-1, 3)).reshape(grid.shape)
            other = cv2.resize(mixed, size, interpolation=cv2.INTER_LINEAR)
        mask = np.zeros(size[::-1], np.float32)
        middle, axes = (size[0] // 2, size[1] // 2), (size[0] // 2, int(size[1] * 0.55))
        cv2.ellipse(mask, middle, axes, 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, size[0] / 12))[..., None]
        mask = mask * inner[..., 3:] / 255
        inner[..., :3] = inner[..., :3] * (1 - mask) + other * mask

    def _paste_body(self, sample: FaceSample, tone: Floats, rng: np.random.Generator) -> None:
        """Skin and clothes without a head."""
        cutting = self._cutting(float(np.exp(rng.uniform(np.log(15), np.log(150)))), rng)
        neck = int(cutting.box[3] + 0.25 * (cutting.box[3] - cutting.box[1]))
        below = np.rot90(cutting.pixels[neck:], int(rng.choice([0, 0, 1, 2, 3])))
        if min(below.shape[:2]) < 4:
            return
        corner = rng.integers(-20, SIDE - 20, 2)
        low, high = corner, corner + np.array(below.shape[1::-1])
        faces = [*sample.boxes, *sample.ignored]
        if not any((low < box[2:]).all() and (high > box[:2]).all() for box in faces):
            _lay(sample.picture, below, corner, tone)


CHAIN: Final = (
    (0.15, effects.shadow),
    (0.05, effects.glare),
    (0.60, effects.light),
    (0.06, effects.wash_out),
    (0.06, effects.night),
    (0.30, effects.defocus),
    (0.12, effects.motion_blur),
    (0.03, effects.rain),
    (0.15, effects.resample),
    (0.30, effects.noise),
    (0.20, effects.sharpen),
    (0.45, effects.compress),
)


def _crowd(rng: np.random.Generator) -> list[tuple[Floats, float]]:
    """Many small faces, the farther ones first and higher up."""
    count = int(rng.integers(6, 26))
    height = float(np.exp(rng.uniform(np.log(9), np.log(45))))
    low, high = np.sort(rng.uniform(0.05, 0.95, 2)) * SIDE
    y = np.sort(rng.uniform(low, max(high, low + 2 * height), count))
    grow = float(rng.uniform(0.0, 1.0))
    spread = rng.uniform(0.8, 1.25, count)
    heights = height * spread * (1 + grow * (y - y[0]) / SIDE * 2)
    x = rng.uniform(0, SIDE, count)
    return [(np.array(at, np.float32), float(h)) for *at, h in zip(x, y, heights, strict=True)]


def _some(rng: np.random.Generator) -> list[tuple[Floats, float]]:
    """A few people anywhere, of any size, the small ones behind."""
    count = int(rng.choice([1, 2, 3, 4, 6], p=(0.3, 0.25, 0.2, 0.15, 0.1)))
    heights = np.sort(np.exp(rng.uniform(np.log(SMALLEST - 2), np.log(LARGEST), count)))
    if count > 2:
        heights = np.minimum(heights, 140)
    places = rng.uniform(0.02, 0.98, (count, 2)) * SIDE
    return [(place.astype(np.float32), float(h)) for place, h in zip(places, heights, strict=True)]


def _tone(picture: Picture, rng: np.random.Generator) -> Floats:
    """Gain (3,) that brings people towards the light and colour of the place."""
    mean = picture.reshape(-1, 3).mean(0) + 10
    towards = (mean / 100) ** float(rng.uniform(0.0, 0.5))
    return np.asarray(np.clip(towards, 0.5, 1.5), np.float32)


def _with_body(pixels: Floats, rng: np.random.Generator) -> Floats:
    """The portrait with its last row drawn on downwards: nobody ends at the chest."""
    rows = int(len(pixels) * rng.uniform(0.2, 1.5))
    shade = np.linspace(1.0, float(rng.uniform(0.5, 0.9)), rows)[:, None, None]
    below = np.repeat(pixels[-1:], rows, 0)
    below[..., :3] *= shade
    return np.concatenate([pixels, below])


def _lay(picture: Picture, pixels: Floats, corner: NDArray[np.int_], tone: Floats) -> None:
    """Puts premultiplied BGRA pixels over a picture, in place."""
    low = np.maximum(corner, 0)
    high = np.minimum(corner + np.array(pixels.shape[1::-1]), SIDE)
    if (high <= low).any():
        return
    (x0, y0), (x1, y1) = low - corner, high - corner
    part = pixels[y0:y1, x0:x1]
    under = picture[low[1] : high[1], low[0] : high[0]]
    mixed = part[..., :3] * tone + under * (1 - part[..., 3:] / 255)
    under[:] = mixed.clip(0, 255).astype(np.uint8)


def _count_covered(sample: FaceSample, cutting: Cutting, corner: NDArray[np.int_]) -> None:
    """Faces that the one coming before them hides too much of are not asked for any more."""
    left, keep = cutting.box + np.tile(corner, 2), []
    reach = (left[2:] - left[:2]) * (0.35, 0.25)
    low, high = left[:2] - reach, np.array([left[2] + reach[0], SIDE])
    for place, box in enumerate(sample.boxes):
        shared = (np.minimum(high, box[2:]) - np.maximum(low, box[:2])).clip(0)
        if np.prod(shared) / max(np.prod(box[2:] - box[:2]), 1.0) > COVERED:
            sample.ignored.append(box)
        else:
            keep.append(place)
    sample.boxes = [sample.boxes[place] for place in keep]
    sample.landmarks = [sample.landmarks[place] for place in keep]


def _paste_flat(picture: Picture, flat: Picture, rng: np.random.Generator) -> None:
    width = int(np.exp(rng.uniform(np.log(20), np.log(200))))
    height = max(4, min(SIDE - 1, width * flat.shape[0] // flat.shape[1]))
    small = cv2.resize(flat, (width, height), interpolation=cv2.INTER_AREA)
    x, y = int(rng.integers(SIDE - width)), int(rng.integers(SIDE - height))
    picture[y : y + height, x : x + width] = small


def _scenes(folder: Path) -> list[Picture]:
    """The labelled scenes at two thirds of their size."""
    labels = folder / "labels.jsonl"
    lines = labels.read_text(encoding="utf-8").splitlines() if labels.exists() else []
    pictures = (read_picture(folder / json.loads(line)["file"]) for line in lines)
    return [
        np.asarray(cv2.resize(one, None, fx=2 / 3, fy=2 / 3, interpolation=cv2.INTER_AREA))
        for one in pictures
        if one is not None
    ]
