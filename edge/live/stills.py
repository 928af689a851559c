"""Stills for live view: a second decoder, masks burnt in, at most two JPEGs a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.live import MESSAGE_LIMIT_BYTES, FrameKind, LiveFrame
from edge.live.remux import CodedPicture, Source
from edge.streams.decoders import SecondDecoder
from edge.watching.masks import MaskBurner, Polygon
from edge.watching.pictures import jpeg, no_wider

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
        coded = self._still(decoded[-1].bgr())
        if coded is None:
            return []
        self._last_ms = picture.at_ms
        still = LiveFrame.make(
            FrameKind.STILL, channel=self._channel, at_ms=picture.at_ms, payload=coded
        )
        return [still]

    def _due(self, at_ms: int) -> bool:
        return self._last_ms is None or not 0 <= at_ms - self._last_ms < INTERVAL_MS

    def _still(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes | None:
        self._masks.burn(image)
        coded = jpeg(no_wider(image, WIDTH_PX), quality=QUALITY)
        return coded if len(coded) < MESSAGE_LIMIT_BYTES - 1024 else None
