"""Turns faces into comparable vectors, only where a camera's face policy asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from models.alignment import ARCFACE_112, OPEN_MODEL_ZOO_128, align
from models.session import CPU, Session, open_session
from models.types import Image

POLICIES_WITH_IDENTITY: Final = frozenset({"household", "watch"})
"""Face policies of a camera under which a vector may exist at all (config.site)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    template: NDArray[np.float32]
    side: int


_KINDS: Final = {
    "face-reid-0095": _Kind(OPEN_MODEL_ZOO_128, 128),
    "sface": _Kind(ARCFACE_112, 112),
}


class FaceEmbedder:
    """Makes vectors of faces. They live in memory with the caller and are never written here.

    Args:
        session: the network of ``model``.
        model: its name in the catalogue.
        policy: the face policy of the camera the faces come from.

    Raises:
        UserError: the policy does not allow identity, or ``model`` is no face embedding.
    """

    def __init__(self, session: Session, *, model: str, policy: str) -> None:
        _require(policy, model)
        self.session = session
        self._kind = _KINDS[model]
        self._input_name, shape = next(iter(session.input_shapes.items()))
        self._batch = shape[0] or 16
        side = self._kind.side
        self._pixels = np.zeros((self._batch, 3, side, side), np.float32)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        model: str,
        policy: str,
        sha256: str | None = None,
        threads: int = 1,
        providers: Sequence[str] = (CPU,),
    ) -> FaceEmbedder:
        """Load ``path``; nothing is loaded when the policy does not allow it.

        Raises:
            UserError: as the class, or as models.session.open_session.
        """
        _require(policy, model)
        session = open_session(path, threads=threads, providers=providers, sha256=sha256)
        return cls(session, model=model, policy=policy)

    def embed(self, image: Image, landmarks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Vectors of the faces of one picture.

        Args:
            image: uint8 (H, W, 3) BGR.
            landmarks: float32 (5, 2) of each face, as models.types.FaceDetection has them.

        Returns:
            float32 (n, d) of length one, so that the inner product of two is their cosine.

        Raises:
            ValueError: landmarks do not span a face.
        """
        kind = self._kind
        crops = [align(image, points, kind.template, kind.side) for points in landmarks]
        vectors = [
            self._run(crops[start : start + self._batch])
            for start in range(0, len(crops), self._batch)
        ]
        if not vectors:
            return np.zeros((0, 0), np.float32)
        return np.concatenate(vectors)

    def close(self) -> None:
        """Free the network."""
        self.session.close()

    def _run(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        # A fixed batch is filled up with black; only the asked rows are kept.
        for slot, crop in zip(self._pixels, crops, strict=False):
            np.copyto(slot, crop.transpose(2, 0, 1))
        try:
            (output,) = self.session.run({self._input_name: self._pixels}).values()
        finally:
            # No face stays here until the next one comes.
            self._pixels[: len(crops)] = 0
        vectors = output.reshape(self._batch, -1)[: len(crops)]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def _require(policy: str, model: str) -> None:
    if policy not in POLICIES_WITH_IDENTITY:
        raise UserError(
            where="face embedding",
            field="face",
            problem=f"the face policy {policy!r} does not allow telling who someone is",
            remedy="use policy 'household' or 'watch' where the law allows it, or go without",
        )
    if model not in _KINDS:
        raise UserError(
            where="face embedding",
            field=model,
            problem="is not a face embedding that is known here",
            remedy=f"use one of: {', '.join(_KINDS)}",
        )
