"""Where benchmarks find model files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import load_settings
from models.catalogue import Store
from models.loading import integer_is_of
from models.precision import float_is_faster
from models.session import open_session

BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "models"
"""Model files for development may lie beside the checkout."""


class Precision(StrEnum):
    """Which variant of the plate networks is measured; the same on every machine."""

    FLOAT = "float"
    INT8 = "int8"


PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="Variant of the plate networks.")
]
MirrorOption = Annotated[
    Path | None, typer.Option("--mirror", help="Folder with model files.", file_okay=False)
]


def model_store(mirror: Path | None) -> Store:
    """The pulled models, then ``mirror``, the configured mirror, or the folder beside."""
    settings = load_settings()
    beside = BESIDE if BESIDE.is_dir() else None
    return Store(settings.models_dir, mirror or settings.models_mirror or beside)


def detector_file(weights: Path, precision: Precision = Precision.INT8) -> Path:
    """The plate detector in ``weights``; the float one where no good 8-bit one is."""
    return _variant(weights / "plate_detector.onnx", precision)


def reader_file(weights: Path, precision: Precision = Precision.INT8) -> Path:
    """The plate reader in ``weights``, as ``detector_file``."""
    return _variant(weights / "plate_reader.onnx", precision)


def faster_file(plain: Path, threads: int) -> Path:
    """Of a float network and its 8-bit twin what an edge worker takes on this machine."""
    integer = _variant(plain, Precision.INT8)
    if integer == plain:
        return plain
    with (
        open_session(integer, threads=threads) as one,
        open_session(plain, threads=threads) as other,
    ):
        return plain if float_is_faster(one, other, threads=threads) else integer


def _variant(plain: Path, precision: Precision) -> Path:
    integer = plain.with_stem(f"{plain.stem}_int8")
    good = integer.is_file() and integer_is_of(integer, plain)
    return integer if precision is Precision.INT8 and good else plain
