"""Turns a face upright and to a fixed size, from its five landmarks."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Image

ARCFACE_112: Final = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
"""Where the landmarks lie in a 112x112 crop, as ArcFace, SFace and the LFW crops have them."""

OPEN_MODEL_ZOO_128: Final = 128 * np.array(
    [
        [0.31556875, 0.46157411],
        [0.68262292, 0.46157411],
        [0.50026250, 0.64050536],
        [0.34947188, 0.82469196],
        [0.65343646, 0.82469196],
    ],
    np.float32,
)
"""Where the landmarks lie in a 128x128 crop, from the description of the Open Model Zoo's
face-reidentification-retail-0095."""


def similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rotation, scaling and shift that brings ``source`` nearest to ``target``.

    Least squares without reflection (Umeyama, IEEE TPAMI 13(4), 1991).

    Args:
        source: (n, 2) points.
        target: (n, 2) points.

    Returns:
        float32 (2, 3), to be multiplied with (x, y, 1).

    Raises:
        ValueError: the points of ``source`` are all one, or not finite.
    """
    if not np.isfinite(source).all():
        raise ValueError("landmarks do not span a face: one is not a number")
    source, target = source.astype(np.float64), target.astype(np.float64)
    centre_source, centre_target = source.mean(0), target.mean(0)
    spread = float(((source - centre_source) ** 2).sum())
    if spread < 1e-9:
        raise ValueError("landmarks do not span a face")
    left, stretch, right = np.linalg.svd((target - centre_target).T @ (source - centre_source))
    mirror = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = (left * mirror) @ right * float((stretch * mirror).sum()) / spread
    shift = centre_target - rotation @ centre_source
    return np.concatenate([rotation, shift[:, None]], axis=1).astype(np.float32)


def align(
    image: Image, landmarks: NDArray[np.float32], template: NDArray[np.float32], side: int
) -> Image:
    """The face as uint8 (side, side, 3), its landmarks on those of ``template`` (5, 2).

    Raises:
        ValueError: the landmarks do not span a face.
    """
    matrix = similarity(landmarks, template)
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)
