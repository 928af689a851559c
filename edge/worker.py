"""Runs the cameras of one node: decode groups, inference in batches, events, health, a report."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from config.clock import COUNTY_ZONE, Clock
from config.errors import UserError
from config.event import Event
from config.logs import get_logger
from config.motion_site import MotionHours
from config.site import Camera, FacePolicy
from edge.events.pipeline import CameraPipeline, EventSink, EvidenceSink, Faces, health_event
from edge.health.camera_health import CameraHealth
from edge.health.node_health import NodeHealth, Report, Resources
from edge.looking import BATCH, Vision, look
from edge.recording.kept import Stock
from edge.recording.shelf import expire
from edge.watching.camera import CameraSpec, CameraState
from edge.watching.frame_ring import FrameRing, RingBrokenError, RingFrame
from edge.watching.group import CameraGroup, GroupLimits, deal
from edge.watching.memory import trim_memory
from edge.watching.pictures import Scene
from models.types import Detections

_LOG = get_logger(__name__)

_SUPERVISE_S = 0.25
_RESOURCES_S = 10.0
_TIDY_S = 60.0
_MOST_LAG_S = 5.0


_Taken = tuple[CameraSpec, RingFrame, FrameRing]


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """A camera as the node runs it: how to reach it, and what to make of its pictures."""

    spec: CameraSpec
    face: FacePolicy = FacePolicy.DETECT
    zones: tuple[Any, ...] = ()
    lines: tuple[Any, ...] = ()
    motion: tuple[MotionHours, ...] | None = None
    zone: ZoneInfo = COUNTY_ZONE

    @classmethod
    def of_site(
        cls, camera: Camera, *, url: str, sub_url: str | None, zone: ZoneInfo = COUNTY_ZONE
    ) -> WatchedCamera:
        """From the site description, with addresses that hold the credentials."""
        spec = CameraSpec(
            id=camera.id,
            url=url,
            sub_url=sub_url,
            gate=camera.gate,
            masks=camera.masks,
            recording=camera.recording,
        )
        return cls(spec, camera.face, camera.zones, camera.lines, camera.motion, zone)


@dataclass(slots=True)
class _Watched:
    group: CameraGroup
    pipeline: CameraPipeline
    health: CameraHealth = field(default_factory=CameraHealth)
    inference_s: float = 0.0
    events_s: float = 0.0
    lag_s: float = 0.0
    """How old what was seen last was when it had been analysed."""


@dataclass(frozen=True, slots=True)
class _GroupClips:
    """The clips of one camera, cut by its group's child."""

    group: CameraGroup
    camera: str

    def order(self, since_s: float, until_s: float) -> int | None:
        return self.group.order_clip(self.camera, since_s, until_s)

    def take(self, number: int) -> tuple[bool, bytes | None]:
        return self.group.take_clip(number)


class Worker:
    """One node. :meth:`run` blocks; everything it starts has ended when it returns."""

    def __init__(
        self,
        *,
        node: str,
        cameras: Sequence[WatchedCamera],
        vision: Vision,
        emit: EventSink,
        evidence: EvidenceSink | None,
        clock: Clock,
        limits: GroupLimits | None = None,
        resources: Callable[[], Resources] | None = None,
        faces: Faces | None = None,
    ) -> None:
        self._faces = faces
        self._limits = limits or GroupLimits()
        self._node = node
        self._health = NodeHealth()
        self._resources = resources
        self._resources_at_s = 0.0
        self._tidied_s: float | None = None
        self._vision = vision
        self._clock = clock
        self._stock = Stock(self._limits.recordings, clock)
        self._emit = emit
        self._unsent: deque[Event] = deque()
        self._evidence = evidence
        self._groups: list[CameraGroup] = []
        self.on_group: Callable[[CameraGroup], None] = lambda _group: None
        """Told of each further group before it starts; set it before :meth:`run`."""
        self._stop = threading.Event()
        self._cameras: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._wanted: Sequence[WatchedCamera] | None = None
        self._watch(cameras)

    def reconfigure(self, cameras: Sequence[WatchedCamera]) -> None:
        """Watch ``cameras`` instead, within a moment of :meth:`run`. For any thread.

        Zones, lines, face policy, masks and gates change while the streams go on; a group whose
        cameras come, go or have another address is started anew, and no other.
        """
        with self._lock:
            self._wanted = tuple(cameras)

    def _heed_wanted(self) -> None:
        with self._lock:
            wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._watch(wanted)
            _LOG.info("cameras changed", node=self._node, cameras=len(wanted))

    def _watch(self, cameras: Sequence[WatchedCamera]) -> None:
        groups = self._regroup([camera.spec for camera in cameras])
        watched: dict[str, _Watched] = {}
        for camera in cameras:
            name, known = camera.spec.id, self._cameras.get(camera.spec.id)
            if known is not None:
                known.pipeline.retune(
                    face=camera.face, zones=camera.zones, lines=camera.lines, motion=camera.motion
                )
            watched[name] = known or _Watched(groups[name], self._pipeline(camera, groups[name]))
        gone = [one for name, one in self._cameras.items() if name not in watched]
        # In one step: others read it meanwhile.
        self._cameras = watched
        for one in gone:
            one.pipeline.finish(self._clock.now())

    def _regroup(self, specs: Sequence[CameraSpec]) -> dict[str, CameraGroup]:
        """The group of each camera from now on."""
        size = self._limits.cameras_per_group
        dealt = deal([group.cameras for group in self._groups], specs, size)
        for group, share in zip(self._groups, dealt, strict=False):
            self._heed(group.change(share), self._clock.monotonic())
        for number in range(len(self._groups), len(dealt)):
            name = f"group-{number + 1}"
            self._groups.append(CameraGroup(name, dealt[number], self._limits, self._clock))
            self.on_group(self._groups[-1])
        return {spec.id: group for group in self._groups for spec in group.cameras}

    def _pipeline(self, camera: WatchedCamera, group: CameraGroup) -> CameraPipeline:
        return CameraPipeline(
            node=self._node,
            camera=camera.spec.id,
            emit=self._send,
            evidence=self._evidence,
            face=camera.face,
            zones=camera.zones,
            lines=camera.lines,
            motion=camera.motion,
            zone=camera.zone,
            faces=self._faces,
            clips=_GroupClips(group, camera.spec.id),
        )

    def _start_groups(self) -> None:
        for group in self._groups:
            if group.cameras and group.pid is None:
                group.start()

    @property
    def groups(self) -> tuple[CameraGroup, ...]:
        """The decode groups, for whoever watches the watchdog."""
        return tuple(self._groups)

    def cameras_online(self) -> int:
        """How many cameras send pictures now."""
        return sum(watched.health.online for watched in self._cameras.values())

    def stop(self) -> None:
        """Make :meth:`run` return soon. May be called from a signal handler."""
        self._stop.set()

    def run(self, *, seconds: float | None = None, until: Callable[[], bool] | None = None) -> None:
        """Watch until :meth:`stop`, ``seconds`` have passed, or ``until`` says so."""
        begun = self._clock.monotonic()
        supervised = begun - _SUPERVISE_S
        try:
            while not self._stop.is_set():
                now = self._clock.monotonic()
                if seconds is not None and now - begun >= seconds:
                    break
                if now - supervised >= _SUPERVISE_S:
                    supervised = now
                    self._supervise()
                    if until is not None and until():
                        break
                if not self._analyse_some():
                    self._sleep()
        finally:
            self._shut_down()

    def _sleep(self) -> None:
        """Until a picture comes, or it is time to look after the groups."""
        bells = {group.bell: group for group in self._groups if group.bell is not None}
        if not bells:
            self._clock.wait(self._stop, _SUPERVISE_S)
            return
        for bell in select.select(list(bells), (), (), _SUPERVISE_S)[0]:
            bells[bell].hear()

    def _supervise(self) -> None:
        self._heed_wanted()
        self._start_groups()
        now_s = self._clock.monotonic()
        self._tidy(now_s)
        self._send_waiting()
        for group in self._groups:
            self._heed(group.supervise(), now_s)
        now = self._clock.now().astimezone(UTC)
        for name, watched in self._cameras.items():
            pulse = watched.group.pulses.get(name)
            for report in watched.health.pulse(pulse, now_s) if pulse is not None else ():
                watched.pipeline.health(report, now)
            # Nothing has ended before the pictures of its end have come.
            watched.pipeline.tick(now - timedelta(seconds=min(max(watched.lag_s, 0), _MOST_LAG_S)))
        for camera, report in self._node_reports(now_s):
            if camera is not None:
                self._cameras[camera].pipeline.health(report, now)
            else:
                self._send(health_event(report, node=self._node, camera=self._node, at=now))

    def _tidy(self, now_s: float) -> None:
        if self._tidied_s is not None and now_s - self._tidied_s < _TIDY_S:
            return
        self._tidied_s = now_s
        trim_memory()
        if self._limits.recordings is not None:
            expire(self._limits.recordings, self._clock.now().timestamp())

    def _node_reports(self, now_s: float) -> list[Report]:
        reports = self._health.tick(
            {name: watched.health for name, watched in self._cameras.items()}, now_s
        )
        if self._resources is not None and now_s - self._resources_at_s >= _RESOURCES_S:
            self._resources_at_s = now_s
            reports += self._health.resources(self._resources())
        return reports

    def _send(self, event: Event) -> None:
        """Hand an event over; one that cannot be kept now (disk full) is tried again in order."""
        self._unsent.append(event)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._unsent:
            try:
                self._emit(self._unsent[0])
            except UserError as error:
                _LOG.error("event not kept yet", waiting=len(self._unsent), problem=str(error))
                return
            self._unsent.popleft()

    def _heed(self, states: Sequence[CameraState], now_s: float) -> None:
        for state in states:
            watched = self._cameras[state.camera]
            for report in watched.health.changed(state, now_s):
                watched.pipeline.health(report, self._clock.now())

    def _analyse_some(self) -> bool:
        """Analyse one batch, at most one picture of each group at a time in turn."""
        batch: list[_Taken] = []
        while len(batch) < BATCH:
            taken = [item for group in self._groups if (item := group.take()) is not None]
            if not taken:
                break
            batch.extend(taken)
        if not batch:
            return False
        found = self._look(batch)
        for place, (spec, frame, ring) in enumerate(batch):
            begun, watched = time.process_time(), self._cameras[spec.id]
            if frame.picture is None:
                watched.pipeline.glance(frame.before)
            else:
                scene = Scene(frame.picture, frame.at)
                watched.pipeline.feed(scene, found[place], frame.boxes, frame.before)
                watched.group.hungry(spec.id, watched.pipeline.appetite_s())
            watched.lag_s = (self._clock.now() - frame.at).total_seconds()
            try:
                ring.release(frame)
            except RingBrokenError:
                _LOG.debug("ring of a dead child", camera=spec.id)
            watched.events_s += time.process_time() - begun
        return True

    def _look(self, batch: Sequence[_Taken]) -> dict[int, Detections]:
        """Search the pictures, by place in the batch; each bears its time by the area searched."""
        begun = time.process_time()
        looks = {
            place: (
                frame.picture,
                self._cameras[spec.id].pipeline.region(frame.picture, frame.at, frame.boxes),
            )
            for place, (spec, frame, _) in enumerate(batch)
            if frame.picture is not None
        }
        if not looks:
            return {}
        found = look(self._vision, list(looks.values()))
        area = sum(part.width * part.height for _, part in looks.values())
        each = (time.process_time() - begun) / area
        for place, (_, part) in looks.items():
            spec = batch[place][0]
            self._cameras[spec.id].inference_s += each * part.width * part.height
        return dict(zip(looks, found, strict=True))

    def _shut_down(self) -> None:
        for group in self._groups:
            states = group.stop()
            self._heed(states, self._clock.monotonic())
        now = self._clock.now()
        for watched in self._cameras.values():
            watched.pipeline.finish(now)

    def report(self) -> dict[str, Any]:
        """Per camera: frames decoded, analysed, dropped, damaged; events by kind; restarts.

        Names ending in ``_s`` are seconds of processor time.
        """
        cameras: dict[str, dict[str, Any]] = {}
        for name, watched in self._cameras.items():
            counters = watched.group.counters(name)
            cameras[name] = {
                "online": watched.health.online,
                "packets": counters.packets,
                "bytes": counters.bytes,
                "frames_decoded": counters.decoded,
                "frames_watched": counters.watched,
                "frames_sampled": counters.sampled,
                "frames_analysed": watched.pipeline.analysed,
                "frames_dropped": counters.dropped,
                "packets_damaged": counters.corrupt,
                "record_errors": counters.record_errors,
                "decode_s": round(counters.decode_s, 3),
                "motion_s": round(counters.motion_s, 3),
                "picture_s": round(counters.picture_s, 3),
                "inference_s": round(watched.inference_s, 3),
                "events_s": round(watched.events_s, 3),
                "lag_s": round(watched.lag_s, 3),
                "events": {kind.value: n for kind, n in sorted(watched.pipeline.events.items())},
            }
        return {
            "frames_decoded": sum(int(item["frames_decoded"]) for item in cameras.values()),
            "events": sum(sum(item["events"].values()) for item in cameras.values()),
            "events_not_kept": len(self._unsent),
            "pictures_waiting": sum(group.waiting for group in self._groups),
            "group_restarts": {group.name: group.restarts for group in self._groups},
            "recordings": self._stock.report(),
            "cameras": cameras,
        }
