"""Opt-in: a face detector of an InsightFace pack, run by the insightface package itself."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from config.logs import get_logger
from models.quality import face_quality
from models.session import CPU, resolve_providers, session_options
from models.types import FaceDetection, Image

LICENCE: Final = "InsightFace's weights are for non-commercial research only"
_log = get_logger(__name__)


class InsightFaceDetector:
    """Faces by ``insightface``, for comparison and research. Never a default.

    Args:
        model: what ``insightface.model_zoo.get_model`` returned for a detector.
        long_side: side of the square that pictures are shrunk into.
        threshold: lowest score that counts as a face, 0 to 1.
    """

    def __init__(self, model: Any, *, long_side: int = 640, threshold: float = 0.5) -> None:
        self._model = model
        model.prepare(ctx_id=-1, input_size=(long_side, long_side), det_thresh=threshold)

    @classmethod
    def open(
        cls,
        pack: Path | str,
        *,
        long_side: int = 640,
        threshold: float = 0.5,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
    ) -> InsightFaceDetector:
        """Load the detector of a pack; the licence is logged every time.

        Args:
            pack: a folder with a ``det_*.onnx`` (``~/.insightface/models/buffalo_s``), or such
                a file.

        Raises:
            UserError: the package or the detector is missing, or the file is no detector.
        """
        file = _detector_file(Path(pack))
        _log.warning("research-only weights in use", licence=LICENCE, file=file.name)
        zoo = _package()
        try:
            model = zoo.get_model(
                str(file),
                providers=list(resolve_providers(providers)),
                sess_options=session_options(threads),
            )
        except Exception as error:  # the package passes on whatever its libraries raise
            raise _unusable(file, str(error)) from error
        if not hasattr(model, "detect"):
            raise _unusable(file, "it is another kind of network")
        return cls(model, long_side=long_side, threshold=threshold)

    def detect(self, images: Sequence[Image]) -> list[tuple[FaceDetection, ...]]:
        """Faces of each picture, best first, one picture after the other as the package does."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> tuple[FaceDetection, ...]:
        rows, points = self._model.detect(image)
        return tuple(
            _detection(image, np.asarray(row, np.float32), np.asarray(landmarks, np.float32))
            for row, landmarks in zip(rows, points, strict=True)
        )


def _detection(
    image: Image, row: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> FaceDetection:
    box = np.concatenate([row[:2], row[2:4] - row[:2]])
    return FaceDetection(box, landmarks, float(row[4]), face_quality(image, box, landmarks).score)


def _detector_file(pack: Path) -> Path:
    pack = pack.expanduser()
    files = sorted(pack.glob("det_*.onnx")) if pack.is_dir() else [pack]
    if not files or not files[0].is_file():
        raise UserError(
            where=str(pack),
            problem="has no InsightFace detector (det_*.onnx)",
            remedy="give the folder of a pack, ~/.insightface/models/buffalo_s for example",
        )
    return files[0]


def _package() -> Any:
    try:
        return importlib.import_module("insightface.model_zoo")
    except ImportError as error:
        raise UserError(
            where="insightface",
            problem=f"the package cannot be imported ({error})",
            remedy="run: pip install 'menshen[insightface]'",
        ) from error


def _unusable(file: Path, cause: str) -> UserError:
    return UserError(
        where=str(file),
        problem=f"insightface cannot use this file as a face detector: {cause[:200]}",
        remedy="give a det_*.onnx of one of its packs",
    )
