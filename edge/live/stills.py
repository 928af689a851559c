"""Stills for live view: a second decoder, masks burnt in, at most two JPEGs a second."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from config.live import MESSAGE_LIMIT_BYTES, FrameKind, LiveFrame
from edge.live.remux import CodedPicture, Source
from edge.streams.decoders import SecondDecoder
from edge.watching.masks import MaskBurner, Polygon

INTERVAL_MS = 500
WIDTH_PX = 1280
QUALITY = 80


class Stiller:
    """Decodes one channel and writes JPEGs.

    Args:
        source: the stream.
        channel: number that the messages carry.
        masks: polygons that nobody may see behind.
        keys_only: decode key frames only, for a large stream.
    """

    def __init__(
        self, source: Source, channel: int, masks: Sequence[Polygon], *, keys_only: bool
    ) -> None:
        self._decoder = SecondDecoder(source.codec, source.extradata)
        self._channel = channel
        self._masks = MaskBurner(masks)
        self._keys_only = keys_only
        self._started = False
        self._last_ms: int | None = None

    def feed(self, picture: CodedPicture) -> list[LiveFrame]:
        """The JPEG of this packet, when one is due; [] else, or when the packet is damaged."""
        self._started = self._started or picture.is_key
        if not self._started or (self._keys_only and not picture.is_key):
            return []
        decoded = self._decoder.decode(picture.data, alone=self._keys_only)
        if not decoded or not self._due(picture.at_ms):
            return []
        jpeg = self._jpeg(decoded[-1].bgr())
        if jpeg is None:
            return []
        self._last_ms = picture.at_ms
        still = LiveFrame.make(
            FrameKind.STILL, channel=self._channel, at_ms=picture.at_ms, payload=jpeg
        )
        return [still]

    def _due(self, at_ms: int) -> bool:
        return self._last_ms is None or not 0 <= at_ms - self._last_ms < INTERVAL_MS

    def _jpeg(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes | None:
        self._masks.burn(image)
        height, width = image.shape[:2]
        if width > WIDTH_PX:
            size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        done, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        jpeg = coded.tobytes() if done else b""
        return jpeg if 0 < len(jpeg) < MESSAGE_LIMIT_BYTES - 1024 else None
