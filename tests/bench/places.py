"""Where benchmarks find model files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import load_settings
from models.catalogue import Store
from models.loading import integer_is_of

BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "models"
"""Model files for development may lie beside the checkout."""


class Precision(StrEnum):
    """Which variant of the plate networks is measured."""

    AUTO = "auto"
    FP32 = "fp32"
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


def detector_file(weights: Path, precision: Precision = Precision.AUTO) -> Path:
    """The plate detector in ``weights``; ``auto`` is what an edge worker takes on a CPU."""
    return _variant(weights / "plate_detector.onnx", precision)


def reader_file(weights: Path, precision: Precision = Precision.AUTO) -> Path:
    """The plate reader in ``weights``; ``auto`` is what an edge worker takes on a CPU."""
    return _variant(weights / "plate_reader.onnx", precision)


def face_plate_file(weights: Path, precision: Precision = Precision.AUTO) -> Path:
    """The detector of faces and plates, as ``detector_file``."""
    return _variant(weights / "face_plate_detector.onnx", precision)


def _variant(plain: Path, precision: Precision) -> Path:
    integer = plain.with_stem(f"{plain.stem}_int8")
    usual = integer.is_file() and integer_is_of(integer, plain)
    if precision is Precision.INT8 or (precision is Precision.AUTO and usual):
        return integer
    return plain
