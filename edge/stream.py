"""One camera stream through libav: open over RTSP/TCP, demux, decode; errors in words."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.codec.context import ThreadType

from edge.stream_error import Fault, StreamError, public_url

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EIO}

OPEN_TIMEOUT_S = 6.0
READ_TIMEOUT_S = 5.0

__all__ = [
    "OPEN_TIMEOUT_S",
    "READ_TIMEOUT_S",
    "Fault",
    "PacketSource",
    "Picture",
    "StreamError",
    "StreamInfo",
    "StreamPacket",
    "VideoStream",
    "public_url",
]


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

    def packets(self) -> Iterator[StreamPacket]:
        """Coded pictures as they arrive."""

    def decode(self, packet: StreamPacket) -> list[Picture]:
        """Decoded pictures, in order."""

    def decode_key(self, packet: StreamPacket) -> list[Picture]:
        """The one picture of a key frame, on its own."""

    def restart_decoder(self) -> None:
        """Get ready for a key frame that does not follow the last decoded packet."""


class VideoStream:
    """An open stream. Not thread-safe; may hang in libav, so it lives in a child process."""

    def __init__(self, container: Any, *, camera: str, url: str) -> None:
        self._container = container
        self._camera = camera
        self._url = url
        self._stream = container.streams.video[0]
        self._context: Any = self._stream.codec_context
        # Frame threads hold pictures back; one thread per camera is what the machine has anyway.
        self._context.thread_type = ThreadType.SLICE
        self._context.thread_count = 1
        self.corrupt = 0
        self._whole_keys = False
        self.info = _info(self._stream)
        self.parameter_sets = bytes(self._context.extradata or b"")
        """What came with the stream's description: parameter sets as an Annex B byte stream."""

    @classmethod
    def open(
        cls,
        url: str,
        *,
        camera: str,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> VideoStream:
        """Connect and read enough to know the picture's size.

        Raises:
            StreamError: with the fault; it names the camera and quotes no credentials.
        """
        options = {}
        if url.startswith(("rtsp://", "rtsps://")):
            options = {
                "rtsp_transport": "tcp",
                "allowed_media_types": "video",
                "timeout": str(int(read_timeout_s * 1_000_000)),
                "analyzeduration": "500000",
            }
        try:
            container = av.open(
                url, mode="r", options=options, timeout=(open_timeout_s, read_timeout_s)
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise StreamError(camera=camera, url=url, fault=_fault(error)) from None
        if not container.streams.video or container.streams.video[0].codec_context.name not in {
            "h264",
            "hevc",
        }:
            container.close()
            raise StreamError(camera=camera, url=url, fault=Fault.NOT_VIDEO)
        return cls(container, camera=camera, url=url)

    def packets(self) -> Iterator[StreamPacket]:
        """Coded pictures as they arrive, until the stream fails or ends.

        Raises:
            StreamError: the stream ended, fell silent or broke. Always raised at the end.
        """
        fault = Fault.ENDED
        try:
            for packet in self._container.demux(self._stream):
                if packet.size == 0:
                    break
                yield self._packet(packet)
        except (av.error.FFmpegError, OSError) as error:
            fault = _fault(error, reading=True)
        raise StreamError(camera=self._camera, url=self._url, fault=fault)

    def _packet(self, packet: Any) -> StreamPacket:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return StreamPacket(
            pts_s=_seconds(stamp, packet.time_base),
            arrived_s=time.time(),
            at_s=time.monotonic(),
            size=packet.size,
            is_keyframe=packet.is_keyframe,
            coded=packet,
        )

    def decode(self, packet: StreamPacket) -> list[Picture]:
        """Pictures that this packet completes; a damaged packet gives none and is counted."""
        try:
            frames = packet.coded.decode()
        except (av.error.FFmpegError, ValueError):
            self.corrupt += 1
            return []
        whole = [frame for frame in frames if self._is_whole(frame)]
        self.corrupt += len(frames) - len(whole)
        return [Picture(frame, _seconds(frame.pts, frame.time_base)) for frame in whole]

    def _is_whole(self, frame: Any) -> bool:
        """Whether a picture is to be shown: libav marks smears and holes as corrupt.

        Some cameras send one picture as several packets, and libav then calls every key frame
        corrupt. Where no key frame ever was whole, we take what there is rather than be blind.
        """
        if not frame.is_corrupt:
            self._whole_keys = self._whole_keys or bool(frame.key_frame)
            return True
        return not self._whole_keys

    def decode_key(self, packet: StreamPacket) -> list[Picture]:
        """The picture of one key frame, whatever was decoded before; [] when it is damaged."""
        self.restart_decoder()
        pictures = self.decode(packet)
        if not pictures:
            try:
                # A decoder that reorders holds the picture back until it is drained.
                frames = self._context.decode(None)
            except (av.error.FFmpegError, ValueError):
                frames = []
            pictures = [Picture(frame, packet.pts_s) for frame in frames]
        self.restart_decoder()
        return pictures

    def restart_decoder(self) -> None:
        """Forget reference pictures, so that decoding can start at another key frame."""
        self._context.flush_buffers()

    def close(self) -> None:
        """Close the connection; the stream is of no use afterwards."""
        self._container.close()


class SecondDecoder:
    """Decodes copies of a stream's packets, for a picture that somebody asked for.

    The stream's own decoder is left alone: what it has decoded so far decides what it can next.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.thread_count = 1
        if extradata:
            self._context.extradata = extradata

    def decode(self, coded: bytes, *, alone: bool = False) -> list[Picture]:
        """Pictures that these bytes complete; [] for damaged ones.

        Args:
            coded: one packet.
            alone: it is a key frame to be shown by itself; nothing is kept for the next one.
        """
        try:
            frames = self._context.decode(av.Packet(coded))
            if alone:
                frames += self._context.decode(None)
        except (av.error.FFmpegError, ValueError):
            frames = []
        if alone:
            self._context.flush_buffers()
        return [Picture(frame, None) for frame in frames if not frame.is_corrupt]


def _seconds(stamp: int | None, base: Fraction | None) -> float | None:
    return None if stamp is None or base is None else float(stamp * base)


def _info(stream: Any) -> StreamInfo:
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    return StreamInfo(
        codec=str(context.name),
        profile=str(context.profile or "unknown"),
        width=int(context.width),
        height=int(context.height),
        frame_rate=float(rate) if rate else None,
    )


def _fault(error: Exception, *, reading: bool = False) -> Fault:
    """Sort libav's errors into the few that a person would treat differently."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return Fault.CREDENTIALS
    if isinstance(error, av.error.HTTPClientError | FileNotFoundError):
        return Fault.NOT_FOUND
    if isinstance(error, av.error.ExitError | TimeoutError):
        return Fault.SILENT if reading else Fault.UNREACHABLE
    if isinstance(error, av.error.EOFError | ConnectionError | BrokenPipeError):
        return Fault.ENDED if reading else Fault.UNREACHABLE
    if isinstance(error, av.error.InvalidDataError):
        return Fault.BROKEN
    if isinstance(error, OSError) or getattr(error, "errno", None) in _NO_ROUTE:
        return Fault.ENDED if reading else Fault.UNREACHABLE
    return Fault.BROKEN
