"""Reads labelled plates: crops named by their text, and scenes with corners and texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.images import load_image
from models.types import Image
from tests.bench.label_file import label_lines

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


@dataclass(frozen=True, eq=False)
class PlateLabel:
    """One labelled plate: corners float64 (4, 2) in pixels, in any order, and its text."""

    corners: NDArray[np.float64]
    text: str
    colour: str


@dataclass(frozen=True, eq=False)
class PlateScene:
    """One picture and the plates in it; none where the set has none."""

    name: str
    image: Image
    plates: tuple[PlateLabel, ...]


def read_crops(folder: Path) -> list[tuple[str, Image]]:
    """Texts and pictures of a folder of crops; the file name, without suffix, is the text.

    A name may end in ``_`` and a number, where one text occurs more than once.

    Raises:
        UserError: the folder has no pictures, or one cannot be read.
    """
    paths = sorted(path for path in _listing(folder) if path.suffix.lower() in _PICTURES)
    if not paths:
        raise UserError(
            where=str(folder),
            problem="has no pictures",
            remedy="give a folder of plate crops whose names are the texts",
        )
    return [(path.stem.split("_")[0], load_image(path)) for path in paths]


def scenes(folder: Path) -> Iterator[PlateScene]:
    """Pictures and labels of ``labels.jsonl``, one at a time.

    A line without the key ``plates`` (a set of faces, say) is a picture without plates.

    Raises:
        UserError: the labels or a picture cannot be read; it names the line.
    """
    labels = folder / "labels.jsonl"
    for number, line in enumerate(label_lines(labels), start=1):
        try:
            entry = json.loads(line)
            plates = tuple(_label(plate) for plate in entry.get("plates", ()))
            name = str(entry["file"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                where=str(labels),
                line=number,
                problem=f"not a plate label: {error}",
                remedy='write {"file": …, "plates": [{"corners": [[x, y] * 4], "text": …}]}',
            ) from error
        yield PlateScene(name, load_image(folder / name), plates)


def _label(plate: dict[str, object]) -> PlateLabel:
    corners = np.array(plate["corners"], np.float64).reshape(4, 2)
    colour, _, text = str(plate["text"]).rpartition(":")
    return PlateLabel(corners, text, colour)


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UserError(
            where=str(folder), problem="cannot be listed", remedy="give an existing folder"
        ) from error
