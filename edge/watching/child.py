"""A decode child: runs the cameras of one group, and dies when its parent does."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import Literal

import cv2

from config.clock import SystemClock
from config.logs import configure_logs, get_logger
from edge.events.clips import ClipOrder, CutClip, cut_clip
from edge.events.geometry import Box
from edge.health.camera_health import Pulse
from edge.live.tap import LiveTap
from edge.recording.recorder import Recorder
from edge.watching.camera import CameraSpec, CameraState, CameraThreads
from edge.watching.counters import Counters
from edge.watching.frame_ring import FrameRing, RingBrokenError
from edge.watching.memory import give_back_memory, trim_memory
from edge.watching.planar import MaskedPicture
from edge.watching.trigger import Glance

_LOG = get_logger(__name__)

_PR_SET_PDEATHSIG = 1
BEAT_INTERVAL_S = 1.0
_TRIM_S = 20.0
_ROOM_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ChildJob:
    """Everything a child needs to start; travels once, through the spawn pipe."""

    group: str
    cameras: tuple[CameraSpec, ...]
    slots: int
    slot_bytes: int
    log_style: Literal["console", "json"]
    log_level: str
    recordings: Path | None = None
    """Below it the cameras are recorded that want it; None: none is."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Sent every second: when the child's most stuck thread last moved, and what was done."""

    stuck_since_s: float
    thread: int | None
    """The kernel's number of that thread; None before it has started."""
    counters: dict[str, Counters]
    pulses: dict[str, Pulse]


@dataclass(frozen=True, slots=True)
class Appetite:
    """Tells a child how often pictures of a camera are wanted while something moves there."""

    camera: str
    interval_s: float


@dataclass(frozen=True, slots=True)
class Retune:
    """Tells a child the new masks and gates of its cameras, in their order."""

    cameras: tuple[CameraSpec, ...]


Message = Beat | CameraState | CutClip


class _RingSink:
    """Puts one camera's pictures into the group's ring and counts what had to go.

    At most ``share`` of them are there at a time. So nothing queues up on a busy machine: each
    camera's next picture is taken when an earlier one has been analysed, as often for one as for
    another.
    """

    def __init__(
        self, ring: FrameRing, index: int, all_counters: list[Counters], share: int
    ) -> None:
        self._ring = ring
        self._index = index
        self._all = all_counters
        self._share = share

    def has_room(self) -> bool:
        return self._ring.has_room(self._index, self._share)

    def wait_for_room(self, seconds: float) -> float:
        begun = time.monotonic()
        while not self.has_room() and time.monotonic() - begun < seconds:
            time.sleep(_ROOM_POLL_S)
        return time.monotonic() - begun

    def age_s(self, utc_s: float) -> float:
        return time.time() - utc_s

    def put(
        self,
        at: datetime,
        picture: MaskedPicture,
        boxes: tuple[Box, ...],
        before: Sequence[Glance] = (),
    ) -> None:
        self._put(at, picture, boxes, before)

    def put_glances(self, glances: Sequence[Glance]) -> None:
        self._put(datetime.fromtimestamp(glances[-1].utc_s, UTC), None, (), glances)

    def _put(
        self,
        at: datetime,
        picture: MaskedPicture | None,
        boxes: tuple[Box, ...],
        before: Sequence[Glance],
    ) -> None:
        victim = self._ring.put(self._index, at, picture, boxes, before)
        if victim is not None:
            self._all[victim].dropped += 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent goes (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it went before the kernel knew
        os._exit(1)


def run_child(
    job: ChildJob, pipe: Connection, lock: Lock, parent_pid: int, live: Connection | None = None
) -> None:
    """Entry of the child process: until told to stop or the parent's end of the pipe closes."""
    die_with_parent(parent_pid)
    faulthandler.enable()
    give_back_memory()
    # Ctrl-C reaches the whole terminal; the parent decides when a child stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logs(style=job.log_style, level=job.log_level)
    cv2.setNumThreads(1)
    fd, bell = reduction.recv_handle(pipe), reduction.recv_handle(pipe)
    ring = FrameRing(fd, lock, slots=job.slots, slot_bytes=job.slot_bytes, bell=bell)
    sending = threading.Lock()

    def tell(message: Message) -> None:
        with sending:
            pipe.send(message)

    counters: list[Counters] = []
    cameras: list[CameraThreads] = []
    tap = None if live is None else LiveTap(live)
    recorder = _recorder(job)
    share = max(1, job.slots // len(job.cameras))
    for index, spec in enumerate(job.cameras):
        sink = _RingSink(ring, index, counters, share)
        cameras.append(
            CameraThreads(
                spec, sink=sink, tell=tell, clock=SystemClock(), tap=tap, recorder=recorder
            )
        )
        counters.append(cameras[-1].counters)
        if tap is not None:
            tap.add(spec.id, cameras[-1].roles, spec.masks)
    if tap is not None:
        tap.start()
    if recorder is not None:
        recorder.start()
    for camera in cameras:
        camera.start()
    try:
        beat_s = trimmed_s = time.monotonic()
        while True:
            left = beat_s + BEAT_INTERVAL_S - time.monotonic()
            if left <= 0 or not pipe.poll(left):
                beat_s = time.monotonic()
                if beat_s - trimmed_s >= _TRIM_S:
                    trimmed_s = beat_s
                    trim_memory()
                tell(_beat(cameras))
                continue
            order = pipe.recv()
            if isinstance(order, ClipOrder):
                tell(_cut(cameras, order))
            elif isinstance(order, Appetite):
                _camera(cameras, order.camera).main.hungry(order.interval_s)
            elif isinstance(order, Retune):
                _retune(cameras, order, tap)
            else:
                break
    except (OSError, EOFError, RingBrokenError):
        os._exit(1)
    for camera in cameras:
        camera.stop()
    if recorder is not None:
        recorder.stop()
    try:
        tell(_beat(cameras))
    except OSError:
        os._exit(1)


def _recorder(job: ChildJob) -> Recorder | None:
    wanted = [(spec.id, spec.recording) for spec in job.cameras if spec.recording is not None]
    if job.recordings is None or not wanted:
        return None
    recorder = Recorder(job.recordings)
    for camera, recording in wanted:
        recorder.add(camera, recording)
    return recorder


def _camera(cameras: list[CameraThreads], name: str) -> CameraThreads:
    return next(item for item in cameras if item.spec.id == name)


def _retune(cameras: list[CameraThreads], order: Retune, tap: LiveTap | None) -> None:
    for camera, spec in zip(cameras, order.cameras, strict=True):
        is_masked_anew = camera.spec.masks != spec.masks
        camera.retune(spec)
        if tap is not None and is_masked_anew:
            tap.mask(spec.id, spec.masks)


def _cut(cameras: list[CameraThreads], order: ClipOrder) -> CutClip:
    camera = _camera(cameras, order.camera)
    packets, codec = camera.main.kept(order.since_s, order.until_s)
    try:
        clip = cut_clip(packets, codec=codec)
    except OSError as error:  # no room for it on the way (a disk full): the cameras go on
        _LOG.error("event without its clip", camera=order.camera, problem=error.strerror)
        clip = None
    return CutClip(order.number, clip)


def _beat(cameras: list[CameraThreads]) -> Beat:
    since_s, thread = min((camera.stuck() for camera in cameras), key=lambda stuck: stuck[0])
    return Beat(
        stuck_since_s=since_s,
        thread=thread,
        counters={camera.spec.id: camera.counters for camera in cameras},
        pulses={camera.spec.id: pulse for camera in cameras if (pulse := _pulse(camera))},
    )


def _pulse(camera: CameraThreads) -> Pulse | None:
    stream = camera.playing
    if stream is None:
        return None
    return Pulse(
        pictures=camera.counters.packets,
        width=stream.info.width,
        height=stream.info.height,
        trouble=camera.pictures.trouble,
        skew_s=stream.clock_skew_s,
    )
