"""A group of cameras in a child process, and the watchdog that replaces a hung or dead one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from config.clock import Clock
from config.logs import get_logger
from edge.events.clips import ClipOrder, CutClip
from edge.health.camera_health import Pulse
from edge.watching.camera import CameraSpec, CameraState
from edge.watching.child import BEAT_INTERVAL_S, Appetite, Beat, ChildJob, Retune, run_child
from edge.watching.counters import Counters
from edge.watching.frame_ring import FEWEST_SLOTS, FrameRing, RingBrokenError, RingFrame
from edge.watching.patience import Effort, Patience, effort_of

_LOG = get_logger(__name__)
_MOST_CLIPS = 32
_SPEECHLESS_S = 3 * BEAT_INTERVAL_S


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Sizes, places, and the watchdog's patience in seconds.

    A thread may sit in libav for its open timeout plus one read timeout (11 s) without being
    hung. Of the time that a child waits for a processor, ``starved_s`` are not held against it.
    A child that keeps crashing is restarted at most every ``crash_pause_s``.
    """

    cameras_per_group: int = 8
    slots: int = 8
    hang_s: float = 12.0
    start_s: float = 30.0
    starved_s: float = 48.0
    crash_pause_s: float = 5.0
    recordings: Path | None = None
    """Below it the cameras are recorded that want it; None: none is."""
    log_style: str = "console"
    log_level: str = "info"


class CameraGroup:
    """The parent's side of one child. Call :meth:`supervise` a few times a second.

    Frames are taken by one thread and :meth:`supervise` may be called by another.
    """

    def __init__(
        self, name: str, cameras: tuple[CameraSpec, ...], limits: GroupLimits, clock: Clock
    ) -> None:
        self.name = name
        self.cameras = cameras
        self.restarts = 0
        self.live: Callable[[Connection], None] | None = None
        """Takes our end of each new child's live pipe, and closes it once the child has gone."""
        self._limits = limits
        self._clock = clock
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._earlier: dict[str, Counters] = {spec.id: Counters() for spec in cameras}
        self._current: dict[str, Counters] = {}
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ring: FrameRing | None = None
        self.pulses: dict[str, Pulse] = {}
        """News of the cameras that are connected, by id."""
        self._appetites: dict[str, float] = {}
        self._clips: dict[int, bytes | None] = {}
        self._last_order = 0
        self._alive_s = 0.0
        self._started_s = 0.0
        self._pid: int | None = None
        self._heard = False
        self._stuck_thread: int | None = None
        self._beat_s = 0.0
        self._patience = Patience(limits.starved_s)

    @property
    def pid(self) -> int | None:
        """Process id of the present child; any thread may ask, also while it is replaced."""
        return self._pid

    def start(self) -> None:
        """Start the child; returns before its cameras are connected."""
        lock = self._context.Lock()
        slot_bytes = 3 * max(spec.limit_px for spec in self.cameras) // 2
        ring = FrameRing.create(lock, slots=self._slots(), slot_bytes=slot_bytes)
        ours, theirs = self._context.Pipe()
        job = ChildJob(
            group=self.name,
            cameras=self.cameras,
            slots=ring.slots,
            slot_bytes=slot_bytes,
            log_style="json" if self._limits.log_style == "json" else "console",
            log_level=self._limits.log_level,
            recordings=self._limits.recordings,
        )
        live_ours, live_theirs = (None, None) if self.live is None else self._context.Pipe()
        process = self._context.Process(
            target=run_child,
            args=(job, theirs, lock, os.getpid(), live_theirs),
            name=f"menshen-{self.name}",
            daemon=True,
        )
        process.start()
        theirs.close()
        if self.live is not None and live_ours is not None and live_theirs is not None:
            live_theirs.close()
            self.live(live_ours)
        assert process.pid is not None
        assert ring.bell is not None
        with suppress(OSError):  # a child that has died already is replaced as any that dies
            for shared in (ring.fd, ring.bell):
                reduction.send_handle(ours, shared, process.pid)
        self._process, self._pipe, self._ring = process, ours, ring
        self._pid = process.pid
        self._started_s = self._alive_s = self._clock.monotonic()
        self._patience.restarted(self._started_s)
        self._heard, self._stuck_thread = False, None

    def change(self, cameras: tuple[CameraSpec, ...]) -> list[CameraState]:
        """Watch these cameras, with the present child where only masks and gates differ.

        Otherwise the child is ended, and :meth:`start` is the caller's. Returns its last words.
        """
        before = self.cameras
        if _read_alike(before, cameras):
            self.cameras = cameras
            if self._pipe is not None and cameras != before:
                with suppress(OSError):  # a dead child is replaced, and starts with the new ones
                    self._pipe.send(Retune(cameras))
            return []
        states = self.stop()
        self._earlier = {spec.id: self._earlier.get(spec.id, Counters()) for spec in cameras}
        self.cameras = cameras
        return states

    def _slots(self) -> int:
        """For each camera one to be filled while another is read; where they are many, one."""
        return min(self._limits.slots, max(FEWEST_SLOTS, 2 * len(self.cameras)))

    def supervise(self) -> list[CameraState]:
        """Hear the child out; replace it when it is dead or hung.

        Returns what cameras said, and of a child that was replaced that its cameras are lost: its
        heir may fare no better, and never say a word.
        """
        states = list(self._hear())
        reason = self._trouble()
        if reason is None or not self._restart(reason):
            return states
        problem = f"the process that decodes it {reason} → see the node's log if this goes on"
        lost = [CameraState(spec.id, online=False, problem=problem) for spec in self.cameras]
        return states + lost

    def _hear(self) -> Iterator[CameraState]:
        pipe = self._pipe
        try:
            while pipe is not None and pipe.poll():
                message = pipe.recv()
                if isinstance(message, Beat):
                    self._heard = True
                    self._alive_s = max(self._alive_s, message.stuck_since_s)
                    self._stuck_thread, self._beat_s = message.thread, self._clock.monotonic()
                    self._current = message.counters
                    self.pulses = message.pulses
                elif isinstance(message, CutClip):
                    self._clips[message.number] = message.data
                    if len(self._clips) > _MOST_CLIPS:  # ordered by somebody who gave up
                        self._clips.pop(next(iter(self._clips)))
                elif isinstance(message, CameraState):
                    yield message
        except (OSError, EOFError):
            return

    def _trouble(self) -> str | None:
        if self._process is None:
            return None
        if not self._process.is_alive():
            return f"exited with {self._process.exitcode}"
        patience = self._limits.hang_s if self._heard else self._limits.start_s
        silence = self._patience.silence_s(self._clock.monotonic(), self._alive_s, self._effort)
        return "hung" if silence > patience else None

    def _effort(self) -> Effort:
        """Of the thread that the child says is stuck; of the whole child when it says nothing."""
        pid = self.pid
        assert pid is not None
        speaks = self._clock.monotonic() - self._beat_s < _SPEECHLESS_S
        return effort_of(pid, self._stuck_thread if speaks else None)

    def _restart(self, reason: str) -> bool:
        """Replace the child, unless one was only just now."""
        now = self._clock.monotonic()
        if self.restarts and now - self._started_s < self._limits.crash_pause_s:
            return False
        _LOG.error(
            "decode group restarted",
            group=self.name,
            reason=reason,
            cameras=[spec.id for spec in self.cameras],
        )
        self.restarts += 1
        self._discard()
        self.start()
        return True

    def _discard(self) -> None:
        """Kill the child and drop everything shared with it, its lock above all."""
        self._pid = None
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        if self._ring is not None:
            self._ring.close()
        self._process = self._pipe = self._ring = None
        self._earlier = {spec.id: self.counters(spec.id) for spec in self.cameras}
        self._current, self.pulses = {}, {}
        self._clips.clear()
        self._appetites.clear()

    def take(self) -> tuple[CameraSpec, RingFrame, FrameRing] | None:
        """The oldest waiting picture; give it back with ``ring.release(frame)``."""
        ring = self._ring
        if ring is None:
            return None
        try:
            frame = ring.take()
        except RingBrokenError:
            # A killed child held the lock: the watchdog sees its death and replaces the ring.
            return None
        return None if frame is None else (self.cameras[frame.camera], frame, ring)

    def order_clip(self, camera: str, since_s: float, until_s: float) -> int | None:
        """Ask the child for a clip (Unix seconds); its number, or None when there is no child."""
        if self._pipe is None:
            return None
        self._last_order += 1
        try:
            self._pipe.send(ClipOrder(self._last_order, camera, since_s, until_s))
        except OSError:
            return None
        return self._last_order

    def hungry(self, camera: str, interval_s: float) -> None:
        """Tell the child how often pictures of a camera are wanted (s); only news is sent."""
        if self._pipe is None or self._appetites.get(camera) == interval_s:
            return
        self._appetites[camera] = interval_s
        with suppress(OSError):
            self._pipe.send(Appetite(camera, interval_s))

    def take_clip(self, number: int) -> tuple[bool, bytes | None]:
        """Whether an ordered clip has come, and the clip unless there was nothing to cut."""
        if number not in self._clips:
            return False, None
        return True, self._clips.pop(number)

    @property
    def bell(self) -> int | None:
        """Readable when a picture waits; see :attr:`edge.watching.frame_ring.FrameRing.bell`."""
        return None if self._ring is None else self._ring.bell

    @property
    def waiting(self) -> int:
        """Pictures of this group that nobody has analysed yet."""
        return 0 if self._ring is None else self._ring.waiting

    def hear(self) -> None:
        """Silence the bell, before the pictures are taken."""
        if self._ring is not None:
            self._ring.hear()

    def counters(self, camera: str) -> Counters:
        """What was done for a camera, over all children this group has had.

        Any thread may ask, also of a camera that is being taken away.
        """
        earlier = self._earlier.get(camera, Counters())
        current = self._current.get(camera, Counters())
        sums = {
            item.name: getattr(earlier, item.name) + getattr(current, item.name)
            for item in fields(Counters)
        }
        return replace(earlier, **sums)

    def stop(self) -> list[CameraState]:
        """Ask the child to end, wait for it, and kill it if it will not; hears its last words."""
        states: list[CameraState] = []
        if self._process is not None and self._pipe is not None:
            try:
                self._pipe.send("stop")
            except OSError:
                _LOG.debug("child was already gone", group=self.name)
            # Keep reading: a child blocked on a full pipe could not end.
            for _ in range(80):
                states.extend(self._hear())
                self._process.join(0.1)
                if not self._process.is_alive():
                    break
            states.extend(self._hear())
        self._discard()
        return states


def _read_alike(before: tuple[CameraSpec, ...], after: tuple[CameraSpec, ...]) -> bool:
    return len(before) == len(after) and all(
        old.reads_like(new) for old, new in zip(before, after, strict=True)
    )


def deal(
    groups: Sequence[tuple[CameraSpec, ...]], wanted: Sequence[CameraSpec], size: int
) -> list[tuple[CameraSpec, ...]]:
    """Who watches what from now on: cameras stay where they are, new ones fill what is free.

    Args:
        groups: the cameras of each group now, each group at most ``size`` of them.

    Returns:
        As many groups, some of them perhaps empty, and further ones where these are too few.
    """
    left = {spec.id: spec for spec in wanted}
    dealt = [[left.pop(spec.id) for spec in group if spec.id in left] for group in groups]
    for spec in left.values():
        place = next((group for group in dealt if len(group) < size), None)
        if place is None:
            dealt.append(place := [])
        place.append(spec)
    return [tuple(group) for group in dealt]
