"""Looks at an enrolment picture: exactly one face, and one good enough to learn; else why not."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from config.household import EnrolCode
from models.identity import eyes_px
from models.quality import FaceQuality, face_quality
from models.types import FaceDetection, Image

LEAST_EYES_PX: Final = 30.0
"""Between the eyes of a face that is learnt; measured pairs have 35."""
_LEAST: Final[tuple[tuple[str, float, EnrolCode], ...]] = (
    ("pose", 0.35, "turned"),
    ("sharpness", 0.25, "blurred"),
    ("light", 0.3, "bad_light"),
)
"""Parts of :class:`models.quality.FaceQuality` with the least that is learnt."""


class Faces(Protocol):
    """Finds faces (:class:`models.faces.FaceDetector`)."""

    def detect(self, images: list[Image]) -> list[tuple[FaceDetection, ...]]:
        """Faces of each picture, best first."""

    def close(self) -> None:
        """Free the network."""


def examine(faces: Faces, picture: Image) -> tuple[EnrolCode, NDArray[np.float32] | None]:
    """The one face of a picture.

    Returns:
        ``ok`` and its landmarks, float32 (5, 2) in pixels; or why it cannot be learnt, and None.
    """
    (found,) = faces.detect([picture])
    if len(found) != 1:
        return ("many_faces" if found else "no_face"), None
    (face,) = found
    if eyes_px(face.landmarks) < LEAST_EYES_PX:
        return "too_small", None
    problem = shortcoming(face_quality(picture, face.box, face.landmarks))
    return ("ok", face.landmarks) if problem is None else (problem, None)


def shortcoming(quality: FaceQuality) -> EnrolCode | None:
    """The first part of a face's quality that does not suffice; None when it does."""
    for name, least, code in _LEAST:
        if getattr(quality, name) < least:
            return code
    return None
