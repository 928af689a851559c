"""What a stream is made of: what it says of itself, its packets, its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from models.planes import PlanarFrame


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream says of itself when it is opened; ``frame_rate`` in 1/s, None if unknown."""

    codec: str
    profile: str
    width: int
    height: int
    frame_rate: float | None


@dataclass(frozen=True, slots=True)
class StreamPacket:
    """One coded picture.

    ``pts_s`` is on the stream's own clock; ``arrived_s`` is Unix time; ``at_s`` is the arrival
    on a clock that never jumps, which orders packets in the ring.
    """

    pts_s: float | None
    arrived_s: float
    at_s: float
    size: int
    is_keyframe: bool
    coded: Any


_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG: luma and colour use all of 0 to 255."""


class Picture:
    """One decoded picture, still in the decoder's own planes."""

    def __init__(self, frame: Any, pts_s: float | None) -> None:
        self._frame = frame
        self.pts_s = pts_s
        self.width: int = frame.width
        self.height: int = frame.height

    def grey(self, width: int) -> npt.NDArray[np.uint8]:
        """The luma plane shrunk to at most ``width`` pixels: uint8 (H,W), ours to change."""
        if self._frame.format.name in {"yuv420p", "yuvj420p", "nv12", "yuv422p", "yuvj422p"}:
            luma = _rows(self._frame.planes[0], self.height, self.width)
        else:
            luma = self._frame.to_ndarray(format="gray")
        if self.width <= width:
            return np.array(luma)
        size = (width, max(1, round(self.height * width / self.width)))
        shrunk = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, dtype=np.uint8)

    def planes(self) -> PlanarFrame:
        """The picture as YUV 4:2:0 in studio range, an odd last row or column left out.

        They are the decoder's own planes where it has such: look, but do not write.
        """
        frame = self._frame
        if frame.format.name not in {"yuv420p", "yuvj420p"}:
            frame = frame.reformat(format="yuv420p")
        height, width = self.height // 2 * 2, self.width // 2 * 2
        luma = _rows(frame.planes[0], height, width)
        blue, red = (_rows(plane, height // 2, width // 2) for plane in frame.planes[1:3])
        if frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE:
            luma = np.asarray(cv2.convertScaleAbs(luma, alpha=219 / 255, beta=16), np.uint8)
            blue, red = (
                np.asarray(cv2.convertScaleAbs(p, alpha=224 / 255, beta=128 * 31 / 255), np.uint8)
                for p in (blue, red)
            )
        return PlanarFrame(luma, blue, red)

    def bgr(self) -> npt.NDArray[np.uint8]:
        """The whole picture: uint8 (H,W,3) in B, G, R order, ours to change."""
        return np.asarray(self._frame.to_ndarray(format="bgr24"), dtype=np.uint8)


def _rows(plane: Any, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A plane without the decoder's padding: uint8 (height, width), not copied."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]


class PacketSource(Protocol):
    """What the gates need of a stream (see :class:`VideoStream`)."""

    @property
    def codec(self) -> str:
        """``h264`` or ``hevc``."""

    def packets(self) -> Iterator[StreamPacket]:
        """Coded pictures as they arrive."""

    def decode(self, packet: StreamPacket) -> list[Picture]:
        """Decoded pictures, in order."""

    def decode_key(self, packet: StreamPacket) -> list[Picture]:
        """The one picture of a key frame, on its own."""

    def hurry(self, hurry: bool) -> None:
        """Whether packets are wanted as they come."""

    def restart_decoder(self) -> None:
        """Get ready for a key frame that does not follow the last decoded packet."""
