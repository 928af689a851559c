"""How well a shot shows a face, from its size, pose, sharpness and light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from models.planes import Picture, PlanarFrame

Box = tuple[float, float, float, float]
Points = list[tuple[float, float]]

_CROP: Final = 64
"""Side of the grey crop that sharpness and light are measured on."""
_USEFUL_EYES_PX: Final = (6.0, 40.0)
"""Distance between the eyes from which a face is of any use, and from which more adds nothing."""
_STUDIO_TO_FULL: Final = np.clip((np.arange(256) - 16) * (255 / 219), 0, 255).astype(np.uint8)
"""A decoder's luma has black at 16 and white at 235 (ITU-R BT.601)."""
_IS_CLIPPED: Final = np.isin(np.arange(256), [*range(8), *range(248, 256)]).astype(np.uint8)
"""Grey levels so near to black or white that they have lost what they showed."""
_SECOND_DERIVATIVE: Final = np.array([[1, -2, 1]], np.float32)
_TOGETHER: Final = 64
"""Crops that are measured at once, as channels of one; OpenCV 5 takes at most 128."""
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


_USELESS: Final = FaceQuality(0.0, 0.0, 0.0, 0.0)


def face_quality(
    image: Picture, box: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> FaceQuality:
    """As ``face_qualities``, of one face: a box (4,) and landmarks (5, 2)."""
    return face_qualities(image, box[None], landmarks[None])[0]


def face_qualities(
    image: Picture, boxes: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> list[FaceQuality]:
    """Measure the faces of one picture, together: most of the time is calls, not pixels.

    Args:
        image: uint8 (H, W, 3) BGR, or the decoder's planes.
        boxes: float32 (N, 4): left, top, width, height in pixels; may lie partly outside.
        landmarks: float32 (N, 5, 2): eyes, nose tip, mouth corners, left ones of the picture
            first.
    """
    sides: list[Box] = boxes.tolist()
    points: list[Points] = landmarks.tolist()
    qualities = [_USELESS] * len(sides)
    crops = {}
    for index, box in enumerate(sides):
        crop = _grey_crop(image, box) if _are_finite(points[index]) else None
        if crop is not None:
            crops[index] = crop
    studio = isinstance(image, PlanarFrame)
    for index, shade in zip(crops, _shades(list(crops.values()), studio=studio), strict=True):
        qualities[index] = FaceQuality(
            size=_size(points[index], sides[index]),
            pose=_pose(points[index]),
            sharpness=_sharpness(shade),
            light=_light(shade),
        )
    return qualities


def _are_finite(points: Points) -> bool:
    return all(math.isfinite(x) and math.isfinite(y) for x, y in points)


def _grey_crop(image: Picture, box: Box) -> NDArray[np.uint8] | None:
    height, width = image.shape[:2]
    left, top, wide, high = box
    if not math.isfinite(left + top + wide + high):
        return None
    x, right = max(0, math.floor(left)), min(width, math.ceil(left + wide))
    y, bottom = max(0, math.floor(top)), min(height, math.ceil(top + high))
    if right - x < 2 or bottom - y < 2:
        return None
    if isinstance(image, PlanarFrame):
        return _shrunk(image.luma[y:bottom, x:right])
    return _shrunk(np.asarray(cv2.cvtColor(image[y:bottom, x:right], cv2.COLOR_BGR2GRAY)))


def _shrunk(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The crop at the size faces are compared at, with the detail that survives there.

    Averaging twice as large a sampling costs a fifth of averaging the crop itself and is the
    same up to twice that size; a small face is enlarged, which blurs it as it should.
    """
    if max(grey.shape) > _CROP:
        grey = np.asarray(cv2.resize(grey, (2 * _CROP, 2 * _CROP), interpolation=cv2.INTER_LINEAR))
    method = cv2.INTER_AREA if max(grey.shape) > _CROP else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (_CROP, _CROP), interpolation=method))


@dataclass(frozen=True, slots=True)
class _Shade:
    """Of a grey crop: mean, contrast, the lesser spread of its second derivatives across and
    down, and the share of pixels that are too dark or too bright to show anything."""

    mean: float
    contrast: float
    detail: float
    clipped: float


def _shades(crops: Sequence[NDArray[np.uint8]], *, studio: bool) -> list[_Shade]:
    shades: list[_Shade] = []
    for start in range(0, len(crops), _TOGETHER):
        stack = cv2.merge(crops[start : start + _TOGETHER])
        if studio:
            stack = cv2.LUT(stack, _STUDIO_TO_FULL)
        means, contrasts = _means_and_spreads(stack)
        across, down = (
            _means_and_spreads(cv2.filter2D(stack, cv2.CV_16S, kernel))[1]
            for kernel in (_SECOND_DERIVATIVE, _SECOND_DERIVATIVE.T)
        )
        clipped, _ = _means_and_spreads(cv2.LUT(stack, _IS_CLIPPED))
        shades += map(_Shade, means, contrasts, map(min, across, down), clipped)
    return shades


def _size(points: Points, box: Box) -> float:
    # A profile brings the eyes together without making the face small: the width speaks too.
    reach = max(math.dist(points[0], points[1]), 0.4 * min(box[2], box[3]))
    low, high = _USEFUL_EYES_PX
    return _unit((reach - low) / (high - low))


def _pose(points: Points) -> float:
    (x0, y0), (x1, y1), (nose_x, nose_y), (x3, y3), (x4, y4) = points
    eyes_x, eyes_y = (x0 + x1) / 2, (y0 + y1) / 2
    across_x, across_y = x1 - x0, y1 - y0
    down_x, down_y = (x3 + x4) / 2 - eyes_x, (y3 + y4) / 2 - eyes_y
    eye_distance, face_length = math.hypot(across_x, across_y), math.hypot(down_x, down_y)
    if eye_distance < 1e-6 or face_length < 1e-6:
        return 0.0
    # Turned sideways the nose leaves the middle line and the eyes close up; nodding, it leaves
    # the middle between eyes and mouth.
    nose_x, nose_y = nose_x - eyes_x, nose_y - eyes_y
    sideways = abs(nose_x * across_x + nose_y * across_y) / eye_distance**2
    along = (nose_x * down_x + nose_y * down_y) / face_length**2
    yaw = _unit(1.0 - sideways / 0.6) * _unit(eye_distance / face_length / 0.8)
    pitch = _unit(1.0 - max(0.0, abs(along - 0.55) - 0.1) / 0.4)
    roll = _unit(1.0 - abs(math.atan2(across_y, across_x)) / (math.pi / 2))
    return yaw * pitch * math.sqrt(roll)


def _sharpness(shade: _Shade) -> float:
    # Second derivatives lose more to blur than the picture itself does; their ratio does not
    # depend on contrast. Motion blurs one direction only, so the worse of the two counts.
    detail = 2 * (shade.detail / max(shade.contrast, 1.0)) ** 2
    blurred, sharp = _DETAIL
    return _unit(math.log(max(detail, 1e-9) / blurred) / math.log(sharp / blurred))


def _light(shade: _Shade) -> float:
    exposure = _unit(shade.mean / 80.0) * _unit((255.0 - shade.mean) / 60.0)
    return exposure * _unit(shade.contrast / 32.0) * (1.0 - shade.clipped)


def _means_and_spreads(stack: MatLike) -> tuple[list[float], list[float]]:
    """Of each channel."""
    means, spreads = cv2.meanStdDev(stack)
    return means[:, 0].tolist(), spreads[:, 0].tolist()


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
