"""Tells whether two faces are of one person: the vectors' network and its measured threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.catalogue import Store, entry_named
from models.embedding import FaceEmbedder
from models.loading import checked_file
from models.planes import Picture, part_of
from models.session import CPU

IDENTITY_MODEL: Final = "face-reid-0095"
"""The only embedding of the catalogue whose threshold we have measured."""
SAME_PERSON: Final = 0.5
"""Cosine from which two vectors are one person. Of 324,290 pairs of different people in LFW's
fold 1 five reach it (1.5 in 100,000); of 931 pairs of the same person 93.2 % do."""
LEAST_EYES_PX: Final = 12.0
"""Faces with their eyes nearer together are not compared: at 12 pixels still 89 % of the same
people are known again (false accepts stay where they are), at 8 only 59 %."""


class FaceIdentity:
    """Vectors of faces in pictures of any size, for comparing. For one thread at a time."""

    model: Final = IDENTITY_MODEL

    def __init__(self, embedder: FaceEmbedder) -> None:
        self._embedder = embedder

    @classmethod
    def open(
        cls, store: Store, *, policy: str, threads: int = 1, providers: Sequence[str] = (CPU,)
    ) -> FaceIdentity:
        """Load the network.

        Raises:
            UserError: the policy allows no identity, or the file is missing or another one; the
                remedy says how to get it.
        """
        path = checked_file(store, IDENTITY_MODEL)
        embedder = FaceEmbedder.open(
            path,
            model=IDENTITY_MODEL,
            policy=policy,
            sha256=entry_named(IDENTITY_MODEL).sha256,
            threads=threads,
            providers=providers,
        )
        return cls(embedder)

    def vector(self, picture: Picture, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (d,) of length one; only the pixels around the face are converted.

        Args:
            picture: uint8 (H, W, 3) BGR, or the decoder's planes.
            landmarks: float32 (5, 2) in its pixels.

        Raises:
            ValueError: the landmarks span no face inside the picture.
        """
        left, top, right, bottom = _around(picture, landmarks)
        cut = part_of(picture, left, top, right, bottom)
        corner = np.array([left, top], np.float32)
        return np.asarray(self._embedder.embed(cut, [landmarks - corner])[0], np.float32)

    def close(self) -> None:
        """Free the network."""
        self._embedder.close()


def eyes_px(landmarks: NDArray[np.float32]) -> float:
    """Distance between the eyes, in pixels."""
    return float(np.linalg.norm(landmarks[0] - landmarks[1]))


def _around(picture: Picture, landmarks: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what the aligned crop can reach, inside the picture."""
    height, width = picture.shape[:2]
    if not np.isfinite(landmarks).all():
        raise ValueError("landmarks do not span a face: one is not a number")
    middle = landmarks.mean(0)
    # The landmarks take up 48 of the 128 pixels of an aligned crop; its corners are this far.
    reach = 2.0 * float(np.ptp(landmarks, axis=0).max()) + 2.0
    left, top = np.floor(np.maximum(middle - reach, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(middle + reach, (width, height))).astype(int)
    if right - left < 2 or bottom - top < 2:
        raise ValueError("landmarks do not span a face inside the picture")
    return int(left), int(top), int(right), int(bottom)
