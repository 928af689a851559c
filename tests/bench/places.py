"""Where benchmarks find model files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import load_settings
from models.catalogue import Store

BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "models"
"""Model files for development may lie beside the checkout."""

MirrorOption = Annotated[
    Path | None, typer.Option("--mirror", help="Folder with model files.", file_okay=False)
]


def model_store(mirror: Path | None) -> Store:
    """The pulled models, then ``mirror``, the configured mirror, or the folder beside."""
    settings = load_settings()
    beside = BESIDE if BESIDE.is_dir() else None
    return Store(settings.models_dir, mirror or settings.models_mirror or beside)
