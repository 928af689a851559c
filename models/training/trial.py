"""Holds readers against the first: python -m models.training.trial READER... --shared DIR."""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plates.candidates import PlateDetection
from models.plates.grammar import choose_kind
from models.plates.reader import PlateReader
from models.training import effects
from models.training.flat import random_flat
from models.training.glyphs import GlyphBank
from models.training.reader_data import (
    ReaderData,
    RealPlate,
    held_back,
    jitter,
    load_crops,
    load_scenes,
    place,
)
from models.training.swap import swap_characters
from models.training.tilt import SMALL, tilted_crop

TURNS: Final = 3
"""How often each held-back plate is spoilt."""
DRAWN: Final = 5000
NOTHING: Final = 600
AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A plate to be read, of a group of them.

    ``corners`` float32 (4, 2) are those of a detection in ``picture``, uint8 (H, W, 3) BGR, or None
    for a crop that is a plate from edge to edge.
    """

    group: str
    picture: NDArray[np.uint8]
    corners: NDArray[np.float32] | None
    rows: int
    text: str


class Trial:
    """Held-back real plates, as they are and spoilt, drawn plates by kind, and what is no plate.

    A network that has learned the held-back plates has an advantage where they are as they are.

    Args:
        shared: folder of training data.
        seed: of everything drawn.
    """

    def __init__(self, shared: Path, *, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)
        self._data = ReaderData(shared, hold_back=True)
        self._bank = GlyphBank(shared / "plate_glyphs" / "font_model")
        self._shared = shared

    def questions(self) -> Iterator[Question]:
        """All of them, the same for a seed."""
        crops = [p for p in load_crops(self._shared / "plate_crops") if held_back(p.text)]
        scenes = [p for p in load_scenes(self._shared / "plate_scenes")[0] if held_back(p.text)]
        for plate in crops:
            small = cv2.resize(plate.picture, SMALL)
            yield Question("crop", np.asarray(small, np.uint8), None, 1, plate.text)
            for _ in range(TURNS):
                yield self._spoilt_crop(plate)
                if plate.straight is not None:
                    yield self._tilted(plate, plate.straight, "crop, tilted")
        for plate in scenes:
            yield Question("scene", plate.picture, jitter(plate.corners, self._rng), 1, plate.text)
            for _ in range(TURNS):
                yield self._spoilt_scene(plate)
                yield self._tilted(plate, plate.corners, "scene, tilted")
        for _ in range(DRAWN):
            yield self._drawn()
        for _ in range(NOTHING):
            yield Question("nothing", self._data.nothing(self._rng), None, 1, "")

    def _spoilt(self, picture: NDArray[np.uint8], most: float) -> NDArray[np.uint8]:
        strength = float(self._rng.uniform(0.2, most))
        picture = effects.apply(picture, self._rng, effects.ON_THE_ROAD, strength)
        return effects.apply(picture, self._rng, effects.IN_THE_CAMERA, strength)

    def _changed(
        self, plate: RealPlate, own: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.uint8], str]:
        if own is None or self._rng.random() < 0.4:
            return plate.picture, plate.text
        return swap_characters(plate.picture, own, plate.text, self._bank, self._rng)

    def _spoilt_crop(self, plate: RealPlate) -> Question:
        picture, text = self._changed(plate, plate.straight)
        small = cv2.resize(self._spoilt(picture, 0.7), SMALL)
        return Question("crop, spoilt", np.asarray(small, np.uint8), None, 1, text)

    def _spoilt_scene(self, plate: RealPlate) -> Question:
        picture, text = self._changed(plate, plate.corners)
        factor = float(self._rng.uniform(0.3, 0.9))
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        picture = self._spoilt(np.asarray(small, np.uint8), 0.7)
        corners = jitter(plate.corners * factor, self._rng)
        return Question("scene, spoilt", picture, corners, 1, text)

    def _tilted(self, plate: RealPlate, own: NDArray[np.float32], group: str) -> Question:
        picture, text = self._changed(plate, own)
        crop, _, _ = tilted_crop(picture, own, self._data.background, self._rng)
        return Question(group, self._spoilt(crop, 0.5), None, 1, text)

    def _drawn(self) -> Question:
        height = float(np.exp(self._rng.uniform(np.log(13), np.log(48))))
        flat = random_flat(self._rng, self._bank, scale=min(0.55, max(0.18, height * 1.4 / 140)))
        high = height * 1.5 if flat.rows == 2 else height
        seen = place(flat.picture, flat.corners, high, self._data.background, self._rng)
        kind = choose_kind(flat.text, flat.colour, flat.rows)
        group = f"drawn {kind.value if kind else 'outside the rules'}"
        corners = jitter(seen[1], self._rng)
        return Question(group, self._spoilt(seen[0], 0.7), corners, flat.rows, flat.text)


def answers(reader: PlateReader, asked: Sequence[Question]) -> list[str]:
    """What a reader makes of each question."""
    texts: list[str] = []
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        crops = [one for one in part if one.corners is None]
        plates = [[_detection(one)] if one.corners is not None else [] for one in part]
        whole = iter(reader.read_crops([one.picture for one in crops]))
        found = reader.read_all([one.picture for one in part], plates)
        texts += [reads[0].text if reads else next(whole).text for reads in found]
    return texts


def _detection(one: Question) -> PlateDetection:
    assert one.corners is not None
    return PlateDetection(one.corners, 1.0, 2 if one.rows == 2 else 1)


def chance(gained: int, lost: int) -> float:
    """McNemar's exact test: how likely as uneven a split of the changed answers is by chance."""
    changed = gained + lost
    tail = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**changed))


def tell(asked: Sequence[Question], first: Sequence[str], other: Sequence[str]) -> None:
    """Prints, by group, how many are read exactly by each, gained, lost, and the chance of that."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for one, before, after in zip(asked, first, other, strict=True):
        was, now = before == one.text, after == one.text
        groups = [one.group, "all"] if one.text else [one.group]
        for group in groups:
            told = {"n": 1, "was": was, "now": now, "gained": now > was, "lost": was > now}
            sums[group].update({name: int(value) for name, value in told.items()})
    for group, c in sorted(sums.items()):
        shares = f"{c['was'] / c['n']:7.2%} {c['now'] / c['n']:7.2%}"
        split = f"+{c['gained']} -{c['lost']} p={chance(c['gained'], c['lost']):.3g}"
        print(f"{group:28} {c['n']:5} {shares} {split}", flush=True)


def main() -> None:
    """Parses the command line and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", type=Path, nargs="+", metavar="READER")
    parser.add_argument("--shared", type=Path, required=True, help="folder of training data")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    asked = list(Trial(options.shared, seed=options.seed).questions())
    read = [answers(PlateReader.open(path), asked) for path in options.readers]
    for path, other in zip(options.readers[1:], read[1:], strict=True):
        print(f"{options.readers[0]} and {path}")
        tell(asked, read[0], other)


if __name__ == "__main__":
    main()
