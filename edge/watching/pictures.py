"""Evidence pictures of an event: the whole scene, the object cut out, and a small thumbnail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import cv2
import numpy as np
import numpy.typing as npt

from config.event import THUMBNAIL_LIMIT_BYTES
from edge.events.geometry import Box, car_around, clip, grown
from edge.events.tracker import ObjectClass
from models.planes import Picture, PlanarFrame, part_of

_THUMBNAIL_PX = 360
_SCENE_WIDTH_PX = 1920
_MARGINS: dict[ObjectClass, tuple[float, float]] = {
    # Share of the box added on each side.
    ObjectClass.FACE: (0.6, 0.6),
    ObjectClass.MOVER: (0.1, 0.1),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """The best picture of an object so far, already as JPEG; ``at`` in UTC, ``box`` in shares."""

    at: datetime
    box: Box
    score: float
    scene: bytes
    crop: bytes
    thumbnail: bytes


@dataclass(slots=True)
class Scene:
    """One analysed picture; its whole-scene JPEG is made once, and only if an event wants it."""

    picture: Picture
    at: datetime
    _jpeg: bytes | None = field(default=None, init=False)

    def shot(self, box: Box, object_class: ObjectClass, score: float) -> Shot:
        """Scene, crop and thumbnail of the object at ``box``."""
        cut = self._cut(_region(clip(box), object_class))
        return Shot(
            at=self.at,
            box=clip(box),
            score=score,
            scene=self._scene(),
            crop=jpeg(cut, quality=90),
            thumbnail=thumbnail(cut),
        )

    def _scene(self) -> bytes:
        if self._jpeg is None:
            self._jpeg = jpeg(_at_most(_in_colour(self.picture), _SCENE_WIDTH_PX), quality=82)
        return self._jpeg

    def _cut(self, region: Box) -> npt.NDArray[np.uint8]:
        """The pixels of ``region``; at least 16x16 (or what the picture has) around its middle."""
        height, width = self.picture.shape[:2]
        left, right = _span(region[0], region[2], width)
        top, bottom = _span(region[1], region[3], height)
        return part_of(self.picture, left, top, right, bottom)


def _in_colour(picture: Picture) -> npt.NDArray[np.uint8]:
    return picture.bgr() if isinstance(picture, PlanarFrame) else picture


def _region(box: Box, object_class: ObjectClass) -> Box:
    """What to cut out: a plate is shown with its car."""
    if object_class is ObjectClass.PLATE:
        return car_around(box)
    sideways, up_down = _MARGINS[object_class]
    return grown(box, sideways=sideways, up_down=up_down)


def _span(start: float, length: float, size: int, least: int = 16) -> tuple[int, int]:
    first, last = int(start * size), int(np.ceil((start + length) * size))
    if last - first < least:
        first = max(0, min((first + last - least) // 2, size - least))
        last = first + least
    return first, min(last, size)


def no_wider(image: npt.NDArray[np.uint8], width_px: int) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3) with W at most ``width_px``; the picture itself when it is no wider."""
    return _shrunk(image, width_px / image.shape[1])


def _at_most(image: npt.NDArray[np.uint8], longest_px: int) -> npt.NDArray[np.uint8]:
    return _shrunk(image, longest_px / max(image.shape[:2]))


def _shrunk(image: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: npt.NDArray[np.uint8], *, quality: int) -> bytes:
    """JPEG of a uint8 (H,W,3) BGR picture; ``quality`` 1 to 100."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} cannot be written as JPEG")
    return data.tobytes()


def thumbnail(image: npt.NDArray[np.uint8]) -> bytes:
    """JPEG of at most 20 kB (THUMBNAIL_LIMIT_BYTES), smaller and coarser until it fits."""
    size = _THUMBNAIL_PX
    while True:
        small = _at_most(image, size)
        for quality in (80, 60, 40):
            data = jpeg(small, quality=quality)
            if len(data) <= THUMBNAIL_LIMIT_BYTES:
                return data
        size //= 2
