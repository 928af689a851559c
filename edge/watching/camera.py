"""One camera inside a decode child: connects its streams, feeds the gates, reconnects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.recording_site import Recording
from config.site import Gate
from edge.live.tap import PacketTap
from edge.recording.recorder import Recorder
from edge.streams.backoff import Backoff, LockOut, RetryPolicy
from edge.streams.stream import Fault, StreamError, StreamInfo, StreamPacket, VideoStream
from edge.watching.counters import Counters
from edge.watching.gates import MainWatch, PictureSink
from edge.watching.masks import MaskBurner, Polygon
from edge.watching.sub_watch import SubWatch
from edge.watching.trigger import Trigger

_LOG = get_logger(__name__)

LIMIT_PX = 4096 * 3072
"""Pictures of up to 12 megapixels are looked at as they are; larger ones are shrunk to it."""

Role = Literal["main", "sub"]


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """What a decode child must know of a camera. Addresses carry credentials: never logged."""

    id: str
    url: str = field(repr=False)
    sub_url: str | None = field(default=None, repr=False)
    gate: Gate | None = None
    masks: tuple[Polygon, ...] = ()
    limit_px: int = LIMIT_PX
    recording: Recording | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        """Refuse a gate that the streams do not allow, and a recording that masks forbid."""
        if self.recording is not None and self.masks:
            raise UserError(
                where=f"camera {self.id}",
                field="recording",
                problem="a camera with masks cannot be recorded: nothing can be hidden in it",
                remedy="remove the recording, or the masks",
            )
        if self.gate is Gate.SUBSTREAM and self.sub_url is None:
            raise UserError(
                where=f"camera {self.id}",
                field="gate",
                problem="gate 'substream' needs a sub-stream, and sub_url is not given",
                remedy="add sub_url, or choose gate 'keyframes' or 'always'",
            )

    @property
    def effective_gate(self) -> Gate | None:
        """The gate as chosen, or as the streams suggest; None: by the distance of key frames."""
        if self.gate is None and self.sub_url is not None:
            return Gate.SUBSTREAM
        return self.gate

    def reads_like(self, other: CameraSpec) -> bool:
        """True when the same streams are read in the same way: only masks or gate differ."""
        of_sub = {spec.effective_gate is Gate.SUBSTREAM for spec in (self, other)}
        return len(of_sub) == 1 and replace(self, gate=other.gate, masks=other.masks) == other


@dataclass(frozen=True, slots=True)
class CameraState:
    """A camera came, or it or one of its streams went. ``problem``: in words, no credentials.

    ``fault`` is None too where no camera is to blame, but the process that watched it.
    """

    camera: str
    online: bool
    fault: Fault | None = None
    problem: str = ""
    info: StreamInfo | None = None


class Watcher(Protocol):
    """What looks at the packets of one stream (see :mod:`edge.watching.gates`)."""

    def opened(self) -> None:
        """The stream was connected."""

    def packet(self, stream: VideoStream, packet: StreamPacket) -> bool:
        """The next packet. Returns whether the ones to come are wanted as they come."""


Opener = Callable[[str, str], VideoStream]
"""Opens (url, camera id); raises StreamError."""


def open_stream(url: str, camera: str) -> VideoStream:
    """The opener of real streams."""
    return VideoStream.open(url, camera=camera)


class CameraThreads:
    """The threads of one camera. ``tell`` gets every change of its streams.

    It is online while all of them are: without its sub-stream nothing that moves is noticed.
    ``beats`` says when each thread last showed that it is not stuck inside libav, in monotonic
    seconds.
    """

    def __init__(
        self,
        spec: CameraSpec,
        *,
        sink: PictureSink,
        tell: Callable[[CameraState], None],
        clock: Clock,
        opener: Opener = open_stream,
        tap: PacketTap | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.spec = spec
        self.counters = Counters()
        self.beats: dict[Role, float] = {}
        self._tell = tell
        self._clock = clock
        self._opener = opener
        self._tap = tap
        self._recorder = recorder
        self._stop = threading.Event()
        self._main_seen = threading.Event()
        self._lost: dict[Role, CameraState] = {}
        self._telling = threading.Lock()
        self._lock_out = LockOut(spec.retry)
        self._login = threading.Lock()
        trigger, masks, gate = Trigger(), MaskBurner(spec.masks), spec.effective_gate
        self._masks = masks
        main = MainWatch(trigger, masks, self.counters, sink, gate, spec.limit_px)
        self.main = main
        self.pictures = main.health
        """The health of what is decoded: of the sub-stream where there is one."""
        self.playing: VideoStream | None = None
        """The main stream while it is connected."""
        self._threads = [self._thread("main", spec.url, main)]
        if gate is Gate.SUBSTREAM and spec.sub_url is not None:
            sub = SubWatch(trigger, masks, self.counters)
            self.pictures = sub.health
            self._threads.append(self._thread("sub", spec.sub_url, sub))

    def _thread(self, role: Role, url: str, watcher: Watcher) -> threading.Thread:
        self.beats[role] = self._clock.monotonic()
        return threading.Thread(
            target=self._run, args=(role, url, watcher), name=f"{self.spec.id}-{role}", daemon=True
        )

    @property
    def roles(self) -> tuple[Role, ...]:
        """The streams this camera is watched by."""
        return tuple(self.beats)

    def stuck(self) -> tuple[float, int | None]:
        """When the thread that has been quiet longest last moved, and the kernel's number of it."""
        moved = zip(self.beats.values(), self._threads, strict=True)
        since_s, thread = min(moved, key=lambda one: one[0])
        return since_s, thread.native_id

    def retune(self, spec: CameraSpec) -> None:
        """Change masks and gate while the streams go on; ``spec`` reads like the present one."""
        if spec.masks != self.spec.masks:
            # What was hidden when it came stays hidden.
            self.main.hide_before(self._clock.now().timestamp())
            self._masks.change(spec.masks)
        self.spec = spec
        self.main.gate = spec.effective_gate

    def start(self) -> None:
        """Start connecting."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask the threads to end and wait a little; one stuck in libav dies with the child."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def _run(self, role: Role, url: str, watcher: Watcher) -> None:
        backoff = Backoff(self.spec.retry)
        while not self._stop.is_set():
            try:
                self._read(role, url, watcher, backoff)
                return
            except StreamError as error:
                delay = backoff.failed()
                self._report(role, error, delay)
                if error.fault is Fault.CREDENTIALS:
                    self._lock_out.refused(role, self._clock.monotonic())
            self._wait(role, delay)

    def _report(self, role: Role, error: StreamError, delay: float) -> None:
        _LOG.warning(
            "stream lost",
            camera=self.spec.id,
            stream=role,
            fault=error.fault.value,
            problem=error.problem,
            remedy=error.remedy,
            again_in_s=round(delay, 1),
        )
        stream = "" if role == "main" else "sub-stream: "
        state = CameraState(
            camera=self.spec.id,
            online=False,
            fault=error.fault,
            problem=f"{stream}{error.problem} → {error.remedy}",
        )
        with self._telling:
            self._lost[role] = state
            if role == "main" or "main" not in self._lost:
                self._tell(state)

    def _read(self, role: Role, url: str, watcher: Watcher, backoff: Backoff) -> None:
        stream = self._open(role, url)
        if stream is None:
            return
        connected = False
        try:
            watcher.opened()
            corrupt = 0
            for packet in stream.packets():
                self._beat(role)
                if self._stop.is_set():
                    return
                if not connected:
                    connected = True
                    backoff.succeeded()
                    self._connected(role, stream)
                if role == "main" and self._recorder is not None:
                    self._recorder.packet(self.spec.id, stream, packet)
                    self.counters.record_errors = self._recorder.errors(self.spec.id)
                tap = self._tap
                watched = tap is not None and tap.packet(self.spec.id, role, stream, packet)
                stream.hurry(watcher.packet(stream, packet) or watched)
                self.counters.corrupt += stream.corrupt - corrupt
                corrupt = stream.corrupt
        finally:
            if role == "main":
                self.playing = None
                if self._recorder is not None:
                    self._recorder.lost(self.spec.id)
            stream.close()
            if self._tap is not None:
                self._tap.lost(self.spec.id, role)

    def _connected(self, role: Role, stream: VideoStream) -> None:
        self._lock_out.succeeded(role)
        _LOG.info(
            "stream connected",
            camera=self.spec.id,
            stream=role,
            codec=stream.info.codec,
            size=f"{stream.info.width}x{stream.info.height}",
        )
        if role == "main":
            self.playing = stream
            self._main_seen.set()
        with self._telling:
            was_lost = self._lost.pop(role, None) is not None
            if self._lost:
                self._tell(next(iter(self._lost.values())))
            elif was_lost or role == "main":
                main = self.playing
                info = None if main is None else main.info
                self._tell(CameraState(camera=self.spec.id, online=True, info=info))

    def _open(self, role: Role, url: str) -> VideoStream | None:
        """Open when a login may be tried; None when asked to stop first.

        One stream at a time, main first: the tries of both count against one account.
        """
        while role == "sub" and not self._main_seen.is_set() and not self._stop.is_set():
            self._pause(role, 0.5)
        while not self._stop.is_set():
            remaining = self._lock_out.remaining_s(self._clock.monotonic())
            if remaining > 0:
                self._wait(role, remaining)
                continue
            if not self._login.acquire(timeout=0.5):
                self._beat(role)
                continue
            try:
                self._beat(role)
                if self._lock_out.remaining_s(self._clock.monotonic()) == 0:
                    return self._opener(url, self.spec.id)
            finally:
                self._login.release()
                self._beat(role)
        return None

    def _wait(self, role: Role, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._stop.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._pause(role, min(left, 0.5))

    def _pause(self, role: Role, seconds: float) -> None:
        self._beat(role)
        self._clock.wait(self._stop, seconds)
        self._beat(role)

    def _beat(self, role: Role) -> None:
        self.beats[role] = self._clock.monotonic()
