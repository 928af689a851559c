"""Where benchmarks find model files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import load_settings
from models.catalogue import Store
from models.core import integer_is_of

BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "models"
"""Model files for development may lie beside the checkout."""


class Precision(StrEnum):
    """Which variant of the plate reader is measured."""

    AUTO = "auto"
    FP32 = "fp32"
    INT8 = "int8"


PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="Variant of the plate reader.")
]
MirrorOption = Annotated[
    Path | None, typer.Option("--mirror", help="Folder with model files.", file_okay=False)
]


def model_store(mirror: Path | None) -> Store:
    """The pulled models, then ``mirror``, the configured mirror, or the folder beside."""
    settings = load_settings()
    beside = BESIDE if BESIDE.is_dir() else None
    return Store(settings.models_dir, mirror or settings.models_mirror or beside)


def reader_file(weights: Path, precision: Precision) -> Path:
    """The plate reader in ``weights``; ``auto`` is what an edge worker takes on a CPU."""
    plain, integer = weights / "plate_reader.onnx", weights / "plate_reader_int8.onnx"
    usual = integer.is_file() and integer_is_of(integer, plain)
    if precision is Precision.INT8 or (precision is Precision.AUTO and usual):
        return integer
    return plain
