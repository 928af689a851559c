"""Training samples for the plate reader: rendered plates and labelled real ones, as strips."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.alphabet import CHARACTER_INDEX, DIGITS
from models.plates.grammar import PlateColour
from models.plates.rectify import STRIP_HEIGHT, STRIP_WIDTH, rectify
from models.training import backdrops, effects
from models.training.backdrops import plain_background, read_picture
from models.training.flat import random_flat
from models.training.glyphs import GlyphBank
from models.training.straighten import Straightener
from models.training.swap import swap_characters
from models.training.tilt import tilted_crop

UNKNOWN_COLOUR: Final = -1
SWAPPED: Final = 0.5
"""Share of real plates that are shown with another province and some other characters."""
TILTED_CROPS: Final = 0.4
TILTED_SCENES: Final = 0.15
TILTED_DRAWN: Final = 0.15
"""Shares of plates that are tilted and cut out by the upright box around them."""
HELD_BACK: Final = 6
"""One real plate in so many is for ``models.training.trial`` when the rest is to be learned."""
MILD: Final = 0.45
"""Share of drawn plates that weather and camera spare in part: most plates on the road are seen
well, and a network shown ruins alone learns to guess."""
_COLOURS: Final = tuple(PlateColour)


@dataclass(frozen=True, slots=True)
class ReaderSample:
    """One strip, uint8 (48, 160, 3) BGR; its text; its colour's index or -1.

    ``offsets`` is float32 (8,), how far the true corners lie from those used (x and y in shares of
    the plate), or None where they are unknown or the plate has two rows.
    """

    strip: NDArray[np.uint8]
    text: str
    colour: int
    offsets: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class RealPlate:
    """A labelled plate: a picture around it, its four corners there, its text.

    ``loose`` says that the corners are those of an upright box; ``straight`` are then the plate's
    own as well as they could be found, or None.
    """

    picture: NDArray[np.uint8]
    corners: NDArray[np.float32]
    text: str
    colour: int
    loose: bool
    straight: NDArray[np.float32] | None = None


class ReaderData:
    """Draws reader samples.

    Args:
        shared: folder with ``plate_glyphs``, ``plate_crops`` and ``plate_scenes``; whatever is
            absent is left out, and rendered plates alone remain.
        real_share: share of samples cut from real pictures, when there are any.
        hold_back: leave out the plates that ``held_back`` says.
    """

    def __init__(
        self, shared: Path | None, *, real_share: float = 0.3, hold_back: bool = False
    ) -> None:
        glyphs = shared / "plate_glyphs" / "font_model" if shared else None
        self._bank = GlyphBank(glyphs)
        self._crops = load_crops(shared / "plate_crops") if shared else []
        self._scenes, self._backgrounds = (
            load_scenes(shared / "plate_scenes") if shared else ([], [])
        )
        if hold_back:
            self._crops = [plate for plate in self._crops if not held_back(plate.text)]
            self._scenes = [plate for plate in self._scenes if not held_back(plate.text)]
        self._real_share = real_share if self._crops or self._scenes else 0.0
        self._pictures = backdrops.library_pictures()

    def draw(self, rng: np.random.Generator) -> ReaderSample:
        """One random sample."""
        if rng.random() < self._real_share:
            pool = self._crops if rng.random() < 0.6 or not self._scenes else self._scenes
            return self._real(pool[int(rng.integers(len(pool)))], rng)
        if rng.random() < 0.06:
            return ReaderSample(self.nothing(rng), "", UNKNOWN_COLOUR)
        return self._rendered(rng)

    def stream(self, seed: int) -> Iterator[ReaderSample]:
        """Endless samples of one seed."""
        rng = np.random.default_rng(seed)
        while True:
            yield self.draw(rng)

    def _real(self, plate: RealPlate, rng: np.random.Generator) -> ReaderSample:
        picture, corners, text = plate.picture, plate.corners, plate.text
        own = plate.straight if plate.loose else corners
        if own is not None and rng.random() < SWAPPED and len(text) in (7, 8):
            picture, text = swap_characters(picture, own, text, self._bank, rng)
        strength = 0.7 if not plate.loose or rng.random() < 0.4 else 0.35
        if own is not None and rng.random() < (TILTED_CROPS if plate.loose else TILTED_SCENES):
            shown = replace(plate, picture=picture, text=text, straight=own)
            return self._boxed(shown, strength, rng)
        if not plate.loose and rng.random() < 0.4:
            factor = float(rng.uniform(0.25, 0.9))
            shrunk = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            picture, corners = np.asarray(shrunk, dtype=np.uint8), corners * factor
        used = jitter(corners, rng)
        if plate.loose and own is not None and rng.random() < 0.4:
            used = jitter(own, rng)
        elif plate.loose:
            used = _shaken(corners, picture, rng)
        picture = effects.apply(picture, rng, effects.ON_THE_ROAD, strength)
        picture = effects.apply(picture, rng, effects.IN_THE_CAMERA, strength)
        strip = rectify(picture, used[None], [1])[0]
        offsets = None if plate.loose else corner_offsets(corners, used)
        return ReaderSample(strip, text, plate.colour, offsets)

    def _boxed(
        self,
        plate: RealPlate,
        strength: float,
        rng: np.random.Generator,
    ) -> ReaderSample:
        """A plate tilted and cut out by its upright box."""
        assert plate.straight is not None
        picture, box, true = tilted_crop(plate.picture, plate.straight, self.background, rng)
        picture = effects.apply(picture, rng, effects.ON_THE_ROAD, strength)
        picture = effects.apply(picture, rng, effects.IN_THE_CAMERA, strength)
        used = _shaken(box, picture, rng)
        strip = rectify(picture, used[None], [1])[0]
        offsets = None if plate.loose else corner_offsets(true, used)
        return ReaderSample(strip, plate.text, plate.colour, offsets)

    def _rendered(self, rng: np.random.Generator) -> ReaderSample:
        height = float(np.exp(rng.uniform(np.log(11), np.log(64))))
        scale = min(0.55, max(0.18, height * 1.4 / 140))
        flat = random_flat(rng, self._bank, scale=scale)
        if flat.rows == 2:
            height *= 1.5
        picture, corners = place(flat.picture, flat.corners, height, self.background, rng)
        strength = float(rng.uniform(0.2, 0.7)) if rng.random() < MILD else 1.0
        colour = _COLOURS.index(flat.colour)
        if flat.rows == 1 and rng.random() < TILTED_DRAWN:
            shown = RealPlate(picture, corners, flat.text, colour, False, straight=corners)
            return self._boxed(shown, strength, rng)
        picture = effects.apply(picture, rng, effects.ON_THE_ROAD, strength)
        picture = effects.apply(picture, rng, effects.IN_THE_CAMERA, strength)
        used = jitter(corners, rng)
        strip = rectify(picture, used[None], [flat.rows])[0]
        offsets = corner_offsets(corners, used) if flat.rows == 1 else None
        return ReaderSample(strip, flat.text, colour, offsets)

    def background(self, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
        """What may lie around a plate, uint8 (H, W, 3) BGR of a width and height."""
        width, height = size
        if not self._backgrounds or rng.random() < 0.4:
            return plain_background(size, rng)
        source = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
        h, w = source.shape[:2]
        if h <= height or w <= width:
            return np.asarray(cv2.resize(source, size), dtype=np.uint8)
        y, x = int(rng.integers(h - height)), int(rng.integers(w - width))
        return source[y : y + height, x : x + width].copy()

    def nothing(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A strip of anything but a plate, which must read as no text."""
        width = int(rng.integers(24, 300))
        size = (width, max(10, int(width / rng.uniform(1.5, 5))))
        form = rng.random()
        if form < 0.35 and self._pictures:
            whole = self._pictures[int(rng.integers(len(self._pictures)))]
            patch = backdrops.cut_out(whole, size, rng)
        elif form < 0.5:
            patch = backdrops.grille(rng)
        elif form < 0.6:
            patch = backdrops.blank_board(rng)
        else:
            patch = self.background(size, rng)
        patch = effects.apply(patch, rng, effects.ON_THE_ROAD, 0.6)
        patch = effects.apply(patch, rng, effects.IN_THE_CAMERA, 0.6)
        return np.asarray(cv2.resize(patch, (STRIP_WIDTH, STRIP_HEIGHT)), dtype=np.uint8)


def place(
    picture: NDArray[np.uint8],
    corners: NDArray[np.float32],
    height: float,
    background: object,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Sees a flat plate in perspective before a background, the plate ``height`` px high.

    Returns the picture, uint8 BGR, and the plate's corners in it, float32 (4, 2).
    """
    assert callable(background)
    aspect = np.ptp(corners[:, 0]) / np.ptp(corners[:, 1])
    w, h = height * aspect * float(rng.uniform(0.78, 1.12)), height
    quad = np.array([[-w, -h], [w, -h], [w, h], [-w, h]], np.float32) / 2
    quad += rng.normal(0, 0.035, (4, 2)) * np.array([w * 0.5, h])
    shear = rng.normal(0, 0.16)
    quad[:, 0] += quad[:, 1] * shear
    angle = np.deg2rad(rng.normal(0, 7))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = (quad @ turn.T).astype(np.float32)
    margin = np.array([0.16 * w, 0.5 * h])
    quad += (margin - quad.min(0)).astype(np.float32)
    size_f = quad.max(0) + margin
    size = (int(np.ceil(size_f[0])), int(np.ceil(size_f[1])))
    scene = background(size, rng)
    transform = cv2.getPerspectiveTransform(corners, quad)
    seen = cv2.warpPerspective(picture, transform, size, flags=cv2.INTER_LINEAR)
    cover = np.full(picture.shape[:2], 255, np.uint8)
    alpha = cv2.warpPerspective(cover, transform, size, flags=cv2.INTER_LINEAR)
    share = alpha[..., None].astype(np.float32) / 255
    mixed = seen.astype(np.float32) + scene.astype(np.float32) * (1 - share)
    return np.clip(mixed, 0, 255).astype(np.uint8), quad


def held_back(text: str) -> bool:
    """Whether the real plates of this text are kept for judging networks, the same every time."""
    return zlib.crc32(text.encode()) % HELD_BACK == 0


def _shaken(
    corners: NDArray[np.float32], picture: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float32]:
    shake = rng.normal(0, 1, (4, 2)) * np.array([0.015, 0.04]) * picture.shape[1::-1]
    return np.asarray(corners + shake, dtype=np.float32)


def jitter(corners: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Corners as a detector or a hand-drawn box gives them: off, loose, or upright."""
    x_edge, y_edge = corners[1] - corners[0], corners[3] - corners[0]
    width, height = np.linalg.norm(x_edge), np.linalg.norm(y_edge)
    x_axis, y_axis = x_edge / width, y_edge / height
    kind = rng.random()
    if kind < 0.12:
        left, top = corners.min(0)
        right, bottom = corners.max(0)
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    loose_x, loose_y = (0.012, 0.04) if kind < 0.5 else (0.04, 0.13)
    grow = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    pad_x = rng.normal(0.2, 1.0, 2) * loose_x * width
    pad_y = rng.normal(0.2, 1.0, 2) * loose_y * height
    pads = np.stack([pad_x[[0, 1, 1, 0]], pad_y[[0, 0, 1, 1]]], 1)
    moved = corners + (grow * pads) @ np.stack([x_axis, y_axis])
    spread = np.array([0.006, 0.025]) if kind < 0.5 else np.array([0.015, 0.06])
    shaken = rng.normal(0, 1, (4, 2)) * spread * np.array([width, height])
    return np.asarray(moved + shaken, dtype=np.float32)


def load_crops(folder: Path) -> list[RealPlate]:
    """Tight crops whose file names are their texts; texts outside the alphabet are left out."""
    plates, straightener = [], Straightener()
    for path in sorted(folder.glob("*.jpg")):
        picture = read_picture(path)
        if picture is None or any(c not in CHARACTER_INDEX for c in path.stem):
            continue
        height, width = picture.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        straight = straightener.corners(picture, corners, path.stem)
        plates.append(RealPlate(picture, corners, path.stem, UNKNOWN_COLOUR, True, straight))
    return plates


def load_scenes(folder: Path) -> tuple[list[RealPlate], list[NDArray[np.uint8]]]:
    """Plates of labelled scenes with some surroundings, and half-size scenes without plates."""
    plates: list[RealPlate] = []
    backgrounds: list[NDArray[np.uint8]] = []
    labels = folder / "labels.jsonl"
    if not labels.exists():
        return plates, backgrounds
    for i, line in enumerate(labels.read_text(encoding="utf-8").splitlines()):
        entry = json.loads(line)
        scene = read_picture(folder / entry["file"])
        if scene is None:
            continue
        for label in entry["plates"]:
            corners = np.array(label["corners"], np.float32)
            plates.append(_around(scene, corners, label["text"]))
        if i % 4 == 0:
            backgrounds.append(np.asarray(cv2.resize(_covered(scene, entry), None, fx=0.5, fy=0.5)))
    return plates, backgrounds


def _around(scene: NDArray[np.uint8], corners: NDArray[np.float32], text: str) -> RealPlate:
    low, high = corners.min(0), corners.max(0)
    margin = 0.5 * (high - low)
    x0, y0 = np.maximum(low - margin, 0).astype(int)
    x1, y1 = np.minimum(high + margin, (scene.shape[1], scene.shape[0])).astype(int)
    colour = PlateColour.GREEN if text[-1] in DIGITS else PlateColour.YELLOW_GREEN
    return RealPlate(
        scene[y0:y1, x0:x1].copy(),
        corners - np.array([x0, y0], np.float32),
        text,
        _COLOURS.index(colour),
        False,
    )


def corner_offsets(true: NDArray[np.float32], used: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where true corners lie from used ones, both (4, 2), in shares of the used plate; (8,)."""
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    to_unit = cv2.getPerspectiveTransform(used.astype(np.float32), unit)
    found = cv2.perspectiveTransform(true[None].astype(np.float32), to_unit)[0]
    return np.asarray(np.clip(found - unit, -0.6, 0.6), dtype=np.float32).ravel()


def _covered(scene: NDArray[np.uint8], entry: dict[str, object]) -> NDArray[np.uint8]:
    scene = scene.copy()
    labels = entry["plates"]
    assert isinstance(labels, list)
    for label in labels:
        corners = np.array(label["corners"], np.float32)
        grown = corners.mean(0) + (corners - corners.mean(0)) * 1.25
        shade = [int(v) for v in scene[max(0, int(grown[:, 1].min()) - 4), int(grown[0, 0])]]
        cv2.fillConvexPoly(scene, grown.astype(np.int32), shade)
    return scene
