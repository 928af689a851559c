"""What a stream is made of: what it says of itself, its packets, its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt


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


class Picture:
    """One decoded picture, still in the decoder's own planes."""

    def __init__(self, frame: Any, pts_s: float | None) -> None:
        self._frame = frame
        self.pts_s = pts_s
        self.width: int = frame.width
        self.height: int = frame.height

    def grey(self, width: int) -> npt.NDArray[np.uint8]:
        """The luma plane shrunk to at most ``width`` pixels: uint8 (H,W), ours to change."""
        plane = self._frame.planes[0]
        if self._frame.format.name in {"yuv420p", "yuvj420p", "nv12", "yuv422p", "yuvj422p"}:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            luma = rows[: self.height, : self.width]
        else:
            luma = self._frame.to_ndarray(format="gray")
        if self.width <= width:
            return np.array(luma)
        size = (width, max(1, round(self.height * width / self.width)))
        shrunk = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, dtype=np.uint8)

    def bgr(self) -> npt.NDArray[np.uint8]:
        """The whole picture: uint8 (H,W,3) in B, G, R order, ours to change."""
        return np.asarray(self._frame.to_ndarray(format="bgr24"), dtype=np.uint8)


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

    def restart_decoder(self) -> None:
        """Get ready for a key frame that does not follow the last decoded packet."""
