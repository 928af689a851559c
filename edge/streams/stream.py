"""One camera stream through libav: open over RTSP/TCP, demux, decode; errors in words."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
from av.codec.context import ThreadType

from edge.streams.decoders import new_decoder
from edge.streams.rtp import (
    CLOCK_RATE,
    START_CODE,
    CodedPicture,
    Depacketizer,
    says_goodbye,
    sender_clock,
)
from edge.streams.rtsp import LATER_S, SOON_S, RtspError, RtspSession
from edge.streams.stream_error import Fault, StreamError, public_url
from edge.streams.stream_types import PacketSource, Picture, StreamInfo, StreamPacket

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EIO}

_RTP_TICK = Fraction(1, CLOCK_RATE)
_LONGEST_PIECE_S = 1.0
_APART_S = 0.001
_STRANGE_PACKETS = 8
_LONGEST_GOP_S = 30.0
"""No key frame for so long: the camera has changed what it sends, and is asked anew."""

OPEN_TIMEOUT_S = 6.0
READ_TIMEOUT_S = 5.0

__all__ = [
    "OPEN_TIMEOUT_S",
    "READ_TIMEOUT_S",
    "CameraStream",
    "Fault",
    "PacketSource",
    "Picture",
    "StreamError",
    "StreamInfo",
    "StreamPacket",
    "VideoStream",
    "public_url",
]


class VideoStream:
    """An open stream. Not thread-safe; may hang in libav, so it lives in a child process."""

    _context: Any = None
    clock_skew_s: float | None = None
    """The camera's clock minus ours in seconds, where the camera tells (RTCP sender reports)."""

    def __init__(self, container: Any, *, camera: str, url: str) -> None:
        self._container = container
        self._camera = camera
        self._url = url
        self._stream = container.streams.video[0]
        self._context = self._stream.codec_context
        # Frame threads hold pictures back; one thread per camera is what the machine has anyway.
        self._context.thread_type = ThreadType.SLICE
        self._context.thread_count = 1
        self.corrupt = 0
        self._whole_keys = False
        self.info = _info(self._stream)
        self.parameter_sets = bytes(self._context.extradata or b"")
        """What came with the stream's description: parameter sets as an Annex B byte stream."""

    @property
    def codec(self) -> str:
        """``h264`` or ``hevc``."""
        return self.info.codec

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
        if url.startswith("rtsp://"):
            return CameraStream.connect(
                url, camera=camera, open_timeout_s=open_timeout_s, read_timeout_s=read_timeout_s
            )
        options = {}
        if url.startswith("rtsps://"):
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
            frames = self._context.decode(packet.coded)
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

    def hurry(self, hurry: bool) -> None:
        """Whether packets are wanted as they come; else they may come in larger pieces."""

    def restart_decoder(self) -> None:
        """Forget reference pictures, so that decoding can start at another key frame."""
        self._context.flush_buffers()

    def close(self) -> None:
        """Close the connection; the stream is of no use afterwards."""
        self._container.close()


class CameraStream(VideoStream):
    """A stream over our own RTSP (:mod:`edge.streams.rtsp`): a third of the system calls of libav.

    The description's parameter sets go before key frames that bring none, slices of one picture
    stay together, and a camera that sends no video for the read timeout is noticed.
    """

    def __init__(self, session: RtspSession, *, camera: str, url: str) -> None:
        self._session = session
        self._camera, self._url = camera, url
        track = session.track
        self._parts = Depacketizer(track.codec, track.parameter_sets)
        self.corrupt = 0
        self._whole_keys = False
        self._sets = b""
        self.info = StreamInfo(track.codec, "unknown", 0, 0, track.frame_rate)
        self.parameter_sets = b"".join(START_CODE + unit for unit in track.parameter_sets)
        self._skews: deque[float] = deque(maxlen=6)
        self._done: list[CodedPicture] = []
        self._reads = session.reads(self)
        self._first: list[StreamPacket] = []
        self._key_at_s = time.monotonic()

    @classmethod
    def connect(
        cls, url: str, *, camera: str, open_timeout_s: float, read_timeout_s: float
    ) -> CameraStream:
        """Log in, play, and read up to the first key frame where it comes in time.

        Raises:
            StreamError: see :meth:`VideoStream.open`.
        """
        try:
            session = RtspSession(url, open_timeout_s=open_timeout_s, read_timeout_s=read_timeout_s)
        except RtspError as error:
            raise StreamError(camera=camera, url=url, fault=error.fault) from None
        except ValueError:  # an address that is none
            raise StreamError(camera=camera, url=url, fault=Fault.UNREACHABLE) from None
        stream = cls(session, camera=camera, url=url)
        try:
            stream._read_first(time.monotonic() + open_timeout_s)
        except RtspError as error:
            stream.close()
            raise StreamError(camera=camera, url=url, fault=error.fault) from None
        return stream

    def _read_first(self, until_s: float) -> None:
        for _ in self._reads:
            self._first += self._arrived()
            if any(packet.is_keyframe for packet in self._first) or time.monotonic() > until_s:
                return

    def packet(self, channel: int, data: bytes) -> None:
        """One packet of the camera, see :class:`edge.streams.rtsp.PacketTaker`.

        Raises:
            RtspError: the camera says goodbye, or sends another coding than it described.
        """
        if channel == 0:
            self._done += self._parts.feed(data)
            if self._parts.strange > _STRANGE_PACKETS:
                raise RtspError(Fault.BROKEN)  # another coding: it is asked anew what it sends
            return
        if (clock := sender_clock(data)) is not None:
            # A report that comes late makes the camera look slow: the best of six counts.
            self._skews.append(clock - time.time())
            self.clock_skew_s = max(self._skews)
        if channel == 1 and says_goodbye(data):
            raise RtspError(Fault.ENDED)

    def run(self, buffer: bytearray, at: int) -> int:
        """See :meth:`edge.streams.rtp.Depacketizer.run`."""
        return self._parts.run(buffer, at)

    def hurry(self, hurry: bool) -> None:
        """See :meth:`VideoStream.hurry`."""
        self._session.gather_s = SOON_S if hurry else LATER_S

    def _arrived(self) -> list[StreamPacket]:
        """What was read in one piece, each picture at its own moment: the last has just come."""
        pictures, self._done = self._done, []
        now, unix = time.monotonic(), time.time()
        packets: list[StreamPacket] = []
        age = -_APART_S
        for picture in reversed(pictures):
            since = (pictures[-1].ticks - picture.ticks) / CLOCK_RATE
            # Whatever the stream's own time does, each came before the next.
            age = max(age + _APART_S, since if since <= _LONGEST_PIECE_S else 0.0)
            packets.append(_coded(picture, at_s=now - age, arrived_s=unix - age))
        for picture in pictures:
            self._know(picture)
        return packets[::-1]

    def _know(self, picture: CodedPicture) -> None:
        """Learn the size from a key frame whose parameter sets are new.

        Raises:
            RtspError: nothing can be decoded, or no key frame has come for very long.
        """
        now = time.monotonic()
        if not picture.is_key:
            if now - self._key_at_s > _LONGEST_GOP_S:
                raise RtspError(Fault.BROKEN)
            return
        self._key_at_s = now
        sets = self._parts.sets_of(picture)
        if sets == self._sets and self.info.width:
            return
        decoder = new_decoder(self._parts.codec)
        try:
            frames = [*decoder.decode(av.Packet(picture.data)), *decoder.decode(None)]
        except (av.error.FFmpegError, ValueError):
            frames = []
        if frames:
            self._sets = sets
            self.parameter_sets = sets or self.parameter_sets
            self.info = replace(
                self.info,
                profile=str(decoder.profile or "unknown"),
                width=int(frames[0].width),
                height=int(frames[0].height),
            )
        elif not self.info.width and not picture.damaged:
            raise RtspError(Fault.BROKEN)

    def packets(self) -> Iterator[StreamPacket]:
        """See :meth:`VideoStream.packets`."""
        first, self._first = self._first, []
        try:
            yield from first
            for _ in self._reads:
                yield from self._arrived()
        except RtspError as error:
            fault = error.fault
        raise StreamError(camera=self._camera, url=self._url, fault=fault)

    def restart_decoder(self) -> None:
        """See :meth:`VideoStream.restart_decoder`; a decoder at rest holds no pictures."""
        self._context = None

    def decode(self, packet: StreamPacket) -> list[Picture]:
        """See :meth:`VideoStream.decode`."""
        if self._context is None:
            self._context = new_decoder(self._parts.codec)
        return super().decode(packet)

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self._parts.lost

    def close(self) -> None:
        """Close the connection; the stream is of no use afterwards."""
        self._session.close()


def _coded(picture: CodedPicture, *, at_s: float, arrived_s: float) -> StreamPacket:
    packet = av.Packet(picture.data)
    packet.pts = packet.dts = picture.ticks
    packet.time_base = _RTP_TICK
    packet.is_keyframe = picture.is_key
    return StreamPacket(
        pts_s=picture.ticks / CLOCK_RATE,
        arrived_s=arrived_s,
        at_s=at_s,
        size=len(picture.data),
        is_keyframe=picture.is_key,
        coded=packet,
    )


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
