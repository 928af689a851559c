"""How well a shot shows a face, from its size, pose, sharpness and light; and the best shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import FaceDetection, Image

_CROP: Final = 64
"""Side of the grey crop that sharpness and light are measured on."""
_USEFUL_EYES_PX: Final = (6.0, 40.0)
"""Distance between the eyes from which a face is of any use, and from which more adds nothing."""
_DETAIL: Final = (0.01, 0.3)
"""Variance of both second derivatives over that of the crop: of a face blurred by a twelfth of
its width, and of one in focus (measured on a portrait in the public domain)."""


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """The four parts, each 0 (useless) to 1 (nothing left to gain), and what they amount to.

    ``score`` is their geometric mean, so that one useless part makes the shot useless.
    """

    size: float
    pose: float
    sharpness: float
    light: float

    @property
    def score(self) -> float:
        """0 to 1."""
        return float((self.size * self.pose * self.sharpness * self.light) ** 0.25)


def face_quality(
    image: Image, box: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> FaceQuality:
    """Measure one face.

    Args:
        image: uint8 (H, W, 3) BGR.
        box: float32 (4,): left, top, width, height in pixels; may lie partly outside.
        landmarks: float32 (5, 2): eyes, nose tip, mouth corners, left ones of the picture first.
    """
    crop = _grey_crop(image, box)
    if crop is None or not np.isfinite(landmarks).all():
        return FaceQuality(0.0, 0.0, 0.0, 0.0)
    return FaceQuality(
        size=_size(landmarks, box),
        pose=_pose(landmarks),
        sharpness=_sharpness(crop),
        light=_light(crop),
    )


def best_shot(faces: Sequence[FaceDetection]) -> int:
    """Index of the face worth keeping: highest quality, the detector's score breaking ties.

    Raises:
        ValueError: there are no faces.
    """
    if not faces:
        raise ValueError("no faces to choose from")
    return max(range(len(faces)), key=lambda index: (faces[index].quality, faces[index].score))


def _grey_crop(image: Image, box: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    height, width = image.shape[:2]
    if not np.isfinite(box).all():
        return None
    left, top = np.clip(np.floor(box[:2]), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(box[:2] + box[2:]), 0, (width, height)).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    # Shrinking by area keeps detail that survives at the size faces are compared at, and no
    # more; a small face is enlarged, which blurs it as it should.
    shrinks = max(right - left, bottom - top) > _CROP
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    crop = cv2.resize(image[top:bottom, left:right], (_CROP, _CROP), interpolation=method)
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def _size(landmarks: NDArray[np.float32], box: NDArray[np.float32]) -> float:
    # A profile brings the eyes together without making the face small: the width speaks too.
    eyes = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    reach = max(eyes, 0.4 * float(min(box[2], box[3])))
    low, high = _USEFUL_EYES_PX
    return _unit((reach - low) / (high - low))


def _pose(landmarks: NDArray[np.float32]) -> float:
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.astype(np.float64)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    eye_distance, face_length = float(np.hypot(*across)), float(np.hypot(*down))
    if eye_distance < 1e-6 or face_length < 1e-6:
        return 0.0
    # Turned sideways the nose leaves the middle line and the eyes close up; nodding, it leaves
    # the middle between eyes and mouth.
    sideways = abs(float((nose - eyes) @ across)) / eye_distance**2
    narrow = eye_distance / face_length
    along = float((nose - eyes) @ down) / face_length**2
    yaw = _unit(1.0 - sideways / 0.6) * _unit(narrow / 0.8)
    pitch = _unit(1.0 - max(0.0, abs(along - 0.55) - 0.1) / 0.4)
    roll = _unit(1.0 - abs(float(np.arctan2(across[1], across[0]))) / (np.pi / 2))
    return yaw * pitch * float(np.sqrt(roll))


def _sharpness(crop: NDArray[np.uint8]) -> float:
    # Second derivatives lose more to blur than the picture itself does; their ratio does not
    # depend on contrast. Motion blurs one direction only, so the worse of the two counts.
    variance = max(float(crop.var()), 1.0)
    across, down = (
        float(cv2.Sobel(crop, cv2.CV_16S, dx, 2 - dx, ksize=1).astype(np.float32).var())
        for dx in (2, 0)
    )
    detail = 2 * min(across, down) / variance
    blurred, sharp = _DETAIL
    return _unit(float(np.log(max(detail, 1e-9) / blurred) / np.log(sharp / blurred)))


def _light(crop: NDArray[np.uint8]) -> float:
    mean, contrast = float(crop.mean()), float(crop.std())
    clipped = float(np.count_nonzero((crop < 8) | (crop > 247))) / crop.size
    exposure = _unit(mean / 80.0) * _unit((255.0 - mean) / 60.0)
    return exposure * _unit(contrast / 32.0) * (1.0 - clipped)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
