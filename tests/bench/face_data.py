"""Reads labelled face pictures, and undoes it where the pictures were squashed after labelling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.images import load_image
from models.types import Image
from tests.bench.label_file import label_lines
from tests.bench.wider import overlaps

Locate = Callable[[Image], NDArray[np.float64]]
"""Sure face boxes (d, 4) of a picture."""
_FACTORS: Final = np.arange(0.5, 2.6, 0.02)
_MATCH: Final = 0.5


class Geometry(StrEnum):
    """How the labels lie on the pictures."""

    AUTO = "auto"
    GIVEN = "given"
    RESTORED = "restored"


@dataclass(frozen=True, eq=False)
class FacePicture:
    """One picture with its labels: boxes (g, 4) in its pixels, and g level names."""

    name: str
    image: Image
    boxes: NDArray[np.float64]
    levels: tuple[str, ...]


def read_faces(folder: Path) -> list[FacePicture]:
    """The pictures named in ``labels.jsonl``.

    Raises:
        UserError: the labels or a picture cannot be read; it names the line.
    """
    return list(_read(folder / "labels.jsonl"))


def _read(labels: Path) -> Iterator[FacePicture]:
    for number, line in enumerate(label_lines(labels), start=1):
        try:
            entry = json.loads(line)
            faces = entry["faces"]
            boxes = np.array([face["box"] for face in faces], np.float64).reshape(-1, 4)
            levels = tuple(str(face["level"]) for face in faces)
            name = str(entry["file"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                where=str(labels),
                line=number,
                problem=f"not a face label: {error}",
                remedy='write {"file": …, "faces": [{"box": [x, y, w, h], "level": …}]}',
            ) from error
        yield FacePicture(name, load_image(labels.parent / name), boxes, levels)


def with_geometry(
    pictures: list[FacePicture], geometry: Geometry, locate: Locate
) -> tuple[list[FacePicture], bool]:
    """Pictures on which the labels lie, and whether their aspect had to be restored for it.

    Sets exist whose pictures were all squashed to one square after their labels had been scaled
    with the aspect kept, so that every label lies too high or too low. The lost height of each
    picture is the one at which the labels meet most of the faces that ``locate`` finds; the
    picture is stretched back to it. With ``auto`` this happens only to sets whose pictures are
    all one square, and only if it at least doubles the labels that meet a face.
    """
    squares = {picture.image.shape[:2] for picture in pictures}
    square = len(squares) == 1 and len(pictures) > 1 and len(set(next(iter(squares)))) == 1
    if geometry is Geometry.GIVEN or (geometry is Geometry.AUTO and not square):
        return pictures, False
    fits = [_fit(picture, locate(picture.image)) for picture in pictures]
    given, best = sum(fit.given for fit in fits), sum(fit.best for fit in fits)
    if geometry is Geometry.AUTO and best < 2 * max(given, 1):
        return pictures, False
    known = [fit.factor for fit in fits if fit.best]
    usual = float(np.median(known)) if known else 1.0
    restored = [
        _stretched(picture, fit.factor if fit.best else usual)
        for picture, fit in zip(pictures, fits, strict=True)
    ]
    return restored, True


@dataclass(frozen=True)
class _Fit:
    factor: float
    best: int
    given: int


def _fit(picture: FacePicture, found: NDArray[np.float64]) -> _Fit:
    if len(found) == 0 or len(picture.boxes) == 0:
        return _Fit(1.0, 0, 0)
    scores = []
    for factor in _FACTORS:
        labels = picture.boxes * (1.0, factor, 1.0, factor)
        closest = overlaps(found, labels).max(axis=1)
        scores.append((int((closest >= _MATCH).sum()), float(closest.mean())))
    best = max(range(len(scores)), key=lambda index: scores[index])
    given = overlaps(found, picture.boxes).max(axis=1)
    return _Fit(float(_FACTORS[best]), scores[best][0], int((given >= _MATCH).sum()))


def _stretched(picture: FacePicture, factor: float) -> FacePicture:
    height, width = picture.image.shape[:2]
    size = (width, max(2, round(height / factor)))
    method = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(picture.image, size, interpolation=method), np.uint8)
    return replace(picture, image=image)
