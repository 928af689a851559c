"""Looks at a camera's stream for an installer: what it sends, and what to change on it."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from config.errors import UserError
from edge.health.camera_health import SKEW_LIMIT_S
from edge.streams.stream import Fault, StreamError, StreamInfo, StreamPacket, VideoStream
from edge.tools.optics import (
    FACE_NEEDS_PX,
    PLATE_NEEDS_PX,
    Pixels,
    guess_sub_stream,
    pixels,
    widest_for_plates,
)
from edge.watching.child import die_with_parent
from edge.watching.gates import LONG_GOP_S

_GRACE_S = 15.0


@dataclass(slots=True)
class Measure:
    """Counts over some seconds of packets, in order."""

    packets: int = 0
    keyframes: int = 0
    bytes: int = 0
    backwards: int = 0
    first_pts_s: float | None = None
    last_pts_s: float = 0.0
    key_pts_s: list[float] = field(default_factory=list)

    def add(self, packet: StreamPacket) -> None:
        """The next packet."""
        self.packets += 1
        self.bytes += packet.size
        self.keyframes += packet.is_keyframe
        if packet.pts_s is None:
            return
        if self.first_pts_s is None:
            self.first_pts_s = packet.pts_s
        self.backwards += packet.pts_s < self.last_pts_s
        self.last_pts_s = max(self.last_pts_s, packet.pts_s)
        if packet.is_keyframe:
            self.key_pts_s.append(packet.pts_s)

    @property
    def seconds(self) -> float:
        """Stream time covered."""
        return 0.0 if self.first_pts_s is None else self.last_pts_s - self.first_pts_s


Answer = tuple[StreamInfo, Measure, float | None]
"""What a child saw: the stream, its counts, and how far the camera's clock is off."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What one stream sends. Times in seconds, ``bitrate_kbit_s`` in 1000 bit/s.

    ``gop_s`` is the mean distance of key frames, None when fewer than two came.
    """

    codec: str
    profile: str
    width: int
    height: int
    frame_rate: float | None
    gop_s: float | None
    bitrate_kbit_s: float | None
    reordered: bool
    advice: tuple[str, ...]
    clock_skew_s: float | None = None
    """The camera's clock minus ours, None where it does not tell."""
    widest_for_plates_m: float = 0.0
    """A plate can be read where the picture shows at most so many metres across."""
    pixels: Pixels | None = None
    """Expected plate and face sizes, where the width of the scene is known."""
    sub_stream: str | None = None
    """What a sub-stream sends, where one was found: ``640x360 H.264``."""


def report_of(
    info: StreamInfo,
    measure: Measure,
    *,
    skew_s: float | None = None,
    scene_m: float | None = None,
) -> ProbeReport:
    """What the counts say, and what to change on the camera."""
    seconds = measure.seconds
    rate = (measure.packets - 1) / seconds if seconds > 0 and measure.packets > 1 else None
    keys = measure.key_pts_s
    gop = (keys[-1] - keys[0]) / (len(keys) - 1) if len(keys) > 1 else None
    report = ProbeReport(
        codec=_name(info),
        profile=info.profile,
        width=info.width,
        height=info.height,
        frame_rate=None if rate is None else round(rate, 2),
        gop_s=None if gop is None else round(gop, 2),
        bitrate_kbit_s=None if seconds <= 0 else round(measure.bytes * 8 / seconds / 1000, 1),
        reordered=measure.backwards > 0,
        advice=(),
        clock_skew_s=None if skew_s is None else round(skew_s, 1),
        widest_for_plates_m=widest_for_plates(info.width),
        pixels=None if scene_m is None else pixels(info.width, scene_m),
    )
    return replace(report, advice=tuple(_advice(report, seconds)))


def _advice(report: ProbeReport, seconds: float) -> list[str]:
    advice = []
    if report.gop_s is None and seconds > LONG_GOP_S:
        advice.append(f"under two key frames in {seconds:.0f} s: set the I-frame interval to 2 s")
    if report.gop_s is not None and report.gop_s > LONG_GOP_S:
        advice.append(f"key frames every {report.gop_s:.1f} s: set the I-frame interval to 2 s")
    if report.gop_s is not None and report.gop_s < 0.5:
        advice.append("very frequent key frames waste bandwidth: set the I-frame interval to 2 s")
    if report.reordered:
        advice.append("B-frames delay pictures: choose H.264 Main without B-frames, or Baseline")
    if report.frame_rate is not None and report.frame_rate < 8:
        advice.append("below 8 pictures a second a passing car is seen once: set 15 or 25")
    if report.width < 1280:
        advice.append("plates need the main stream at 1280x720 or more; this may be the sub-stream")
    if report.clock_skew_s is not None and abs(report.clock_skew_s) > SKEW_LIMIT_S:
        advice.append(f"its clock is {report.clock_skew_s:+.0f} s off: set an NTP server on it")
    sizes = report.pixels
    if sizes is not None and not sizes.plate_enough:
        advice.append(
            f"a plate is {sizes.plate_px:.0f} px wide and needs {PLATE_NEEDS_PX}: zoom in until "
            f"the picture shows {report.widest_for_plates_m} m across, or raise the resolution"
        )
    if sizes is not None and not sizes.face_enough:
        advice.append(f"a face is {sizes.face_px:.0f} px high and needs {FACE_NEEDS_PX}")
    return advice


def _look(url: str, seconds: float, pipe: Connection, parent: int) -> None:
    die_with_parent(parent)
    try:
        stream = VideoStream.open(url, camera="probe")
    except StreamError as error:
        pipe.send(error.fault)
        return
    measure, until = Measure(), time.monotonic() + seconds
    try:
        for packet in stream.packets():
            measure.add(packet)
            if time.monotonic() >= until:
                break
    except StreamError as error:
        if measure.packets < 2:
            pipe.send(error.fault)
            return
    pipe.send((stream.info, measure, stream.clock_skew_s))


def probe(url: str, *, seconds: float = 12.0, scene_m: float | None = None) -> ProbeReport:
    """Watch ``url`` for ``seconds``, in a child process because libav may hang.

    Args:
        scene_m: metres that the picture shows across where plates are to be read, if known.

    Raises:
        StreamError: the stream cannot be opened; says why and what to do, without credentials.
        UserError: ``url`` is no RTSP address.
    """
    check_address(url)
    report = report_of_answer(_watch(url, seconds), scene_m)
    guess = guess_sub_stream(url)
    if guess is None:
        return report
    try:
        info, _, _ = _watch(guess, min(2.0, seconds))
    except StreamError:
        return report
    return replace(report, sub_stream=f"{info.width}x{info.height} {_name(info)}")


def check_address(url: str) -> None:
    """Refuse what no camera can be asked by, before it looks like a camera that is off.

    Raises:
        UserError: it does not begin with ``rtsp://`` or ``rtsps://``, or its host or port is none.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("rtsp", "rtsps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UserError(
            where="the camera's address",
            problem="is no RTSP address",  # not quoted: it may hold a password
            remedy="write it as rtsp://user:password@10.0.0.5:554/path, with @ and : in a "
            "password as %40 and %3A",
        )


def report_of_answer(answer: Answer, scene_m: float | None) -> ProbeReport:
    """The report of what a child saw."""
    info, measure, skew_s = answer
    return report_of(info, measure, skew_s=skew_s, scene_m=scene_m)


def _watch(url: str, seconds: float) -> Answer:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_look, args=(url, seconds, theirs, os.getpid()), daemon=True)
    child.start()
    theirs.close()
    answer: Fault | Answer = Fault.SILENT
    try:
        if ours.poll(seconds + _GRACE_S):
            answer = ours.recv()
    except EOFError:
        answer = Fault.BROKEN
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()
    if isinstance(answer, Fault):
        raise StreamError(camera="probe", url=url, fault=answer)
    return answer


def _name(info: StreamInfo) -> str:
    return {"h264": "H.264", "hevc": "H.265"}.get(info.codec, info.codec)
