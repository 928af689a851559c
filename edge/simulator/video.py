"""Turns pictures into video files, and video files into loops that can be served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from config.errors import UserError
from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit, EncodedLoop
from edge.simulator.nal import (
    Codec,
    is_delimiter,
    is_key,
    is_parameter_set,
    parameter_sets,
    split_annexb,
)

MAX_SECONDS = 600
"""A loop is held in memory, so a longer file is refused."""
_TICK = Fraction(1, TICKS_PER_SECOND)
_NAMES = {"h264": Codec.H264, "hevc": Codec.H265}
_ENCODERS = {Codec.H264: "libx264", Codec.H265: "libx265"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures become video.

    Attributes:
        width, height: even numbers of pixels.
        fps: highest number of pictures per second; decides the key picture distance.
        gop_s: seconds between key pictures; none is a B picture.
        crf: constant quality of the encoder, 0 (best) to 51.
        preset: speed preset that x264 and x265 share.
    """

    width: int
    height: int
    fps: float
    codec: Codec = Codec.H264
    gop_s: float = 2.0
    crf: int = 24
    preset: str = "ultrafast"


class VideoWriter:
    """Encodes BGR pictures into an MP4 file; a context manager that finishes the file."""

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._encoding = encoding
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._open_stream(encoding)
        self._last = -1

    def _open_stream(self, encoding: Encoding) -> VideoStream:
        gop = max(1, round(encoding.fps * encoding.gop_s))
        common = {"preset": encoding.preset, "tune": "zerolatency", "crf": str(encoding.crf)}
        if encoding.codec is Codec.H264:
            common["x264-params"] = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:threads=1"
        else:
            common["x265-params"] = (
                f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:pools=1:frame-threads=1"
                ":open-gop=0:log-level=error"
            )
        stream = self._container.add_stream(
            _ENCODERS[encoding.codec],
            rate=Fraction(encoding.fps).limit_denominator(1001),
            options=common,
        )
        if not isinstance(stream, VideoStream):
            raise TypeError(f"{encoding.codec} is no video coding")
        stream.width, stream.height = encoding.width, encoding.height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.time_base = _TICK
        return stream

    def add(self, picture: NDArray[np.uint8], ticks: int) -> None:
        """Encode uint8 (H, W, 3) BGR of the encoding's size, shown at ``ticks`` (rising)."""
        if ticks <= self._last:
            raise ValueError(f"picture at {ticks} ticks comes after one at {self._last}")
        self._last = ticks
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = ticks, _TICK
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()


def load_loop(path: Path, *, length: int | None = None) -> EncodedLoop | None:
    """The video of a file as it is, or None if it is neither H.264 nor H.265.

    Args:
        path: any container that libav reads; other streams in it are left out.
        length: duration in ticks, if it is known better than the file tells.

    Raises:
        UserError: the file cannot be read, holds no video, or is longer than ten minutes.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        codec = _NAMES.get(stream.codec_context.name)
        if codec is None:
            return None
        units = _rebased(_units(path, container, stream, codec))
        size = stream.codec_context.width, stream.codec_context.height
    first = list(units[0].nals) if units else []
    step = _usual_step(units)
    return EncodedLoop(
        codec=codec,
        width=size[0],
        height=size[1],
        length=length or units[-1].send + step if units else 0,
        parameter_sets=parameter_sets(codec, first),
        units=tuple(units),
    )


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), timeout=10.0)
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path, f"it cannot be read as video ({error.strerror})") from None
    if not container.streams.video:
        container.close()
        raise _unreadable(path, "it holds no video")
    return container


def _unreadable(path: Path, problem: str) -> UserError:
    return UserError(
        where=str(path), problem=problem, remedy="give a video file, such as an MP4 with H.264"
    )


def _units(
    path: Path, container: av.container.InputContainer, stream: VideoStream, codec: Codec
) -> Iterator[AccessUnit]:
    # The filter turns length-prefixed units into a byte stream and repeats the parameter sets
    # before each key picture, so that a client may join at any of them.
    kind = "h264_mp4toannexb" if codec is Codec.H264 else "hevc_mp4toannexb"
    annexb = BitStreamFilterContext(kind, stream)
    begun, start = False, None
    try:
        for packet in container.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            for part in annexb.filter(packet):
                unit = _unit(part, stream, codec)
                begun = begun or unit.key
                start = unit.send if start is None else start
                if unit.send - start > MAX_SECONDS * TICKS_PER_SECOND:
                    raise _too_long(path)
                if begun and unit.nals:
                    yield unit
    except av.error.FFmpegError as error:
        raise _unreadable(path, f"it is damaged ({error.strerror})") from None


def _too_long(path: Path) -> UserError:
    return UserError(
        where=str(path),
        problem=f"it is longer than {MAX_SECONDS} seconds",
        remedy=f"cut it: ffmpeg -i IN -t {MAX_SECONDS} -c copy OUT.mp4",
    )


def _unit(packet: av.Packet[VideoStream], stream: VideoStream, codec: Codec) -> AccessUnit:
    base = packet.time_base or stream.time_base or _TICK
    nals = [nal for nal in split_annexb(bytes(packet)) if not is_delimiter(codec, nal)]
    return AccessUnit(
        send=round(Fraction(packet.dts or 0) * base * TICKS_PER_SECOND),
        show=round(Fraction(packet.pts or 0) * base * TICKS_PER_SECOND),
        nals=tuple(nals),
        key=any(is_key(codec, nal) for nal in nals),
    )


def _rebased(units: Iterator[AccessUnit]) -> list[AccessUnit]:
    """Times from zero, rising; parameter sets on the first picture at least."""
    result: list[AccessUnit] = []
    start = 0
    for unit in units:
        if not result:
            start = unit.send
        shift = result[-1].send + 1 if result else 0
        send = max(unit.send - start, shift)
        result.append(AccessUnit(send, max(unit.show - start, send), unit.nals, unit.key))
    return result


def _usual_step(units: list[AccessUnit]) -> int:
    steps = sorted(b.send - a.send for a, b in pairwise(units))
    return max(1, steps[len(steps) // 2]) if steps else TICKS_PER_SECOND // 25


def repeat_parameter_sets(loop: EncodedLoop) -> EncodedLoop:
    """``loop`` with its parameter sets before every key picture that lacks them."""
    units = tuple(
        AccessUnit(unit.send, unit.show, loop.parameter_sets + unit.nals, unit.key)
        if unit.key and not any(is_parameter_set(loop.codec, nal) for nal in unit.nals)
        else unit
        for unit in loop.units
    )
    return EncodedLoop(loop.codec, loop.width, loop.height, loop.length, loop.parameter_sets, units)


def read_pictures(
    path: Path, *, width: int | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Ticks from zero and uint8 (H, W, 3) BGR of each picture, at most ``width`` px wide.

    Sides are rounded down to even numbers.

    Raises:
        UserError: the file cannot be read or decoded, or is longer than ten minutes.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start = None
        try:
            for frame in container.decode(stream):
                if frame.time is None:
                    continue
                start = frame.time if start is None else start
                if frame.time - start > MAX_SECONDS:
                    raise _too_long(path)
                share = 1.0 if width is None else min(1.0, width / frame.width)
                sides = (max(2, int(side * share) // 2 * 2) for side in (frame.width, frame.height))
                small = frame.reformat(next(sides), next(sides), "bgr24", interpolation="AREA")
                ticks = round((frame.time - start) * TICKS_PER_SECOND)
                yield ticks, np.asarray(small.to_ndarray(), dtype=np.uint8)
        except av.error.FFmpegError as error:
            raise _unreadable(path, f"it cannot be decoded ({error.strerror})") from None
