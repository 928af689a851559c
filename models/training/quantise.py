"""Makes the integer networks: python -m models.training.quantise FROM TO --shared DIR."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.catalogue import sha256_of
from models.letterbox import input_size
from models.loading import SOURCE_KEY
from models.plates.rectify import rectify
from models.training.backdrops import read_picture
from models.training.faces.data import FaceData
from models.training.integers.scales import Scales, find_scales
from models.training.integers.steps import Steps, read_steps
from models.training.integers.writer import Writer

STRIPS_AT_ONCE: Final = 8
WIDTH: Final = 640
PLATES: Final = "map_"
"""How the names of maps of plates begin."""


def quantise(
    source: Path, target: Path, *, shared: Path, portraits: Path | None = None, count: int = 96
) -> None:
    """Writes the integer variant of a detector or reader, measured on training pictures.

    Args:
        source: float network written by ``models.training.export``.
        target: file to write.
        shared: folder with ``train/plate_scenes`` and ``train/plate_crops``; never evaluation.
        portraits: folder of ``faces.portraits`` whose people to look at as well.
        count: inputs to measure with, pictures or batches of eight strips.
    """
    steps = read_steps(source)
    pictures = _scenes(shared) if steps.of_bytes else _strips(shared)
    scales = find_scales(steps, list(itertools.islice(pictures, count)))
    if portraits is not None:
        seen = itertools.chain.from_iterable(
            zip(_scenes(shared), _people(portraits, shared), strict=False)
        )
        scales = _for_faces(steps, scales, find_scales(steps, list(itertools.islice(seen, count))))
    # Held against the float network's hash before use, so that a new one makes this one stale.
    notes = {"quantised": "8 bit, channels last", SOURCE_KEY: sha256_of(source)}
    Writer(steps, scales).write(target, notes)
    print(f"{target}: {target.stat().st_size} bytes, measured on {count} inputs")


def _for_faces(steps: Steps, streets: Scales, people: Scales) -> Scales:
    """Steps measured with people among the pictures, where they lead to faces alone.

    What leads to plates is measured as for the plate detector, so that both say nearly the same.
    """
    plates = steps.leading_to(name for name in steps.maps if name.startswith(PLATES))
    kept = {step.target: streets.sizes[step.target] for step in plates if steps.is_byte(step)}
    return replace(people, sizes={**people.sizes, **kept})


def _people(portraits: Path, shared: Path) -> Iterator[NDArray[np.uint8]]:
    for sample in FaceData(portraits, shared / "train").stream(0):
        yield sample.picture[None]


def _scenes(shared: Path) -> Iterator[NDArray[np.uint8]]:
    # Cameras stand in landscape, the training scenes in portrait: both shapes calibrate.
    for index, path in enumerate(_files(shared / "train" / "plate_scenes")):
        image = _read(path)
        if index % 2:
            image = image[: image.shape[1] * 9 // 16]
        size = input_size(image.shape[0], image.shape[1], WIDTH)
        canvas = np.zeros((1, *size, 3), np.uint8)
        scale = min(1.0, size[0] / image.shape[0], size[1] / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        canvas[0, : small.shape[0], : small.shape[1]] = small[: size[0], : size[1]]
        yield canvas


def _strips(shared: Path) -> Iterator[NDArray[np.uint8]]:
    strips = []
    for path in _files(shared / "train" / "plate_crops"):
        image = _read(path)
        right, bottom = image.shape[1] - 1, image.shape[0] - 1
        corners = np.array([[[0, 0], [right, 0], [right, bottom], [0, bottom]]], np.float32)
        strips.append(rectify(image, corners, [1])[0])
        if len(strips) == STRIPS_AT_ONCE:
            yield np.stack(strips)
            strips = []


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix == ".jpg")
    # Shuffled the same every time: neighbours in a folder are often alike.
    return [files[index] for index in np.random.default_rng(0).permutation(len(files))]


def _read(path: Path) -> NDArray[np.uint8]:
    image = read_picture(path)
    if image is None:
        raise ValueError(f"{path} is not a picture")
    return image


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, help="for faces: folder of ``faces.portraits``")
    parser.add_argument("--count", type=int, default=96)
    asked = parser.parse_args()
    quantise(
        asked.source,
        asked.target,
        shared=asked.shared,
        portraits=asked.portraits,
        count=asked.count,
    )


if __name__ == "__main__":
    main()
