"""Every condition that a camera or its node can be in, provoked over real RTSP and told once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from pydantic import SecretStr

from config.clock import SystemClock
from config.event import Event
from config.site import Gate
from edge.health.node_health import Resources
from edge.simulator.auth import Credentials
from edge.simulator.behaviour import Behaviour, BehaviourFactory
from edge.simulator.faults import ChangeOfResolution
from edge.simulator.loop import AccessUnit, EncodedLoop
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.simulator.video import Encoding, VideoWriter, load_loop, repeat_parameter_sets
from edge.watching.camera import CameraSpec
from edge.watching.group import GroupLimits
from edge.worker import WatchedCamera, Worker
from models.planes import Picture
from models.types import Detections

pytestmark = pytest.mark.timeout(900)

FPS = 5
USUAL = 16 * FPS
"""Pictures before a camera's trouble begins; by then it is known what is usual."""
Image = npt.NDArray[np.uint8]


def yard(seed: int) -> Image:
    blocks = np.random.default_rng(seed).integers(40, 200, (12, 16, 1))
    return np.asarray(np.kron(blocks, np.ones((20, 20, 3))), np.uint8)


def grainy(picture: Image, number: int) -> Image:
    """With a sensor's noise: a live picture is never twice the same."""
    noise = np.random.default_rng(number).integers(-3, 4, picture.shape)
    return np.asarray(np.clip(picture.astype(np.int16) + noise, 0, 255), np.uint8)


def encoded(file: Path, pictures: Sequence[Image]) -> EncodedLoop:
    """Each picture for itself, so that any may be left out."""
    height, width = pictures[0].shape[:2]
    with VideoWriter(file, Encoding(width, height, FPS, gop_s=1 / FPS)) as writer:
        for number, picture in enumerate(pictures):
            writer.add(picture, number * 90_000 // FPS)
    found = load_loop(file, length=len(pictures) * 90_000 // FPS)
    assert found is not None
    return repeat_parameter_sets(found)


@dataclass
class Thinned(Behaviour):
    """Sends one picture of five from the picture ``after`` on."""

    after: int
    _count: int = 0

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        self._count += 1
        return None if self._count > self.after and self._count % 5 else unit


class FastClock(SystemClock):
    """A camera whose clock is a minute ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=1)


class SeesNothing:
    """Stands in for the networks: conditions are told without them."""

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        return [Detections() for _ in images]


def troubles(folder: Path) -> dict[str, BehaviourFactory]:
    """How a camera misbehaves, by the condition that must be told."""
    usual, blurred = yard(1), np.asarray(cv2.GaussianBlur(yard(1), (0, 0), 7), np.uint8)
    scenes: dict[str, list[Image]] = {
        "black": [grainy(np.full_like(usual, 4), n) for n in range(10)],
        "covered": [grainy(np.full_like(usual, 90), n) for n in range(10)],
        "blurred": [grainy(blurred, n) for n in range(10)],
        "moved": [grainy(np.roll(yard(1), (10, 10), (0, 1)), n) for n in range(10)],
        "frozen": [usual],
        "wrong_resolution": [grainy(yard(1)[::2, ::2], n) for n in range(10)],
    }
    found: dict[str, BehaviourFactory] = {
        name: partial(
            ChangeOfResolution, other=encoded(folder / f"{name}.mp4", pictures), after=USUAL
        )
        for name, pictures in scenes.items()
    }
    return found | {"low_frame_rate": partial(Thinned, after=USUAL)}


def watched(name: str, url: str) -> WatchedCamera:
    return WatchedCamera(CameraSpec(id=name, url=url, gate=Gate.ALWAYS))


def told(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(e.camera, e.health.condition) for e in events if e.health and e.health.active]


def test_each_condition_is_told_of_the_camera_that_has_it_and_of_no_other(tmp_path: Path) -> None:
    usual = encoded(tmp_path / "usual.mp4", [grainy(yard(1), n) for n in range(20)])
    faults, events = troubles(tmp_path), list[Event]()
    names = [*faults, "healthy"]
    with ExitStack() as servers:
        start: Callable[[RtspServer], RtspServer] = servers.enter_context
        main = start(
            RtspServer(
                "127.0.0.1", 0, [CameraSource(name, usual) for name in names],
                faults={f"{name}/main": behaviour for name, behaviour in faults.items()},
            )
        )  # fmt: skip
        skewed = start(
            RtspServer("127.0.0.1", 0, [CameraSource("clock_skew", usual)], clock=FastClock())
        )
        locked = start(
            RtspServer(
                "127.0.0.1", 0, [CameraSource("wrong_credentials", usual)],
                Credentials(user="viewer", password=SecretStr("another")),
            )
        )  # fmt: skip
        leaving = RtspServer("127.0.0.1", 0, [CameraSource("offline", usual)])
        leaving.start()
        servers.callback(leaving.stop)
        cameras = [watched(name, main.url(name)) for name in names]
        cameras += [
            watched("clock_skew", skewed.url("clock_skew")),
            watched("wrong_credentials", locked.url("wrong_credentials")),
            watched("offline", leaving.url("offline")),
        ]
        worker = Worker(
            node="node-a",
            cameras=cameras,
            vision=SeesNothing(),
            emit=events.append,
            evidence=None,
            clock=SystemClock(),
            limits=GroupLimits(log_level="error", cameras_per_group=len(cameras)),
            resources=lambda: Resources(free=1, total=100, waiting=5000, temperature_c=92.0),
        )
        of_node = {("node-a", name) for name in ("disk_full", "queue_depth", "temperature")}
        expected = {(c.spec.id, c.spec.id) for c in cameras if c.spec.id != "healthy"} | of_node

        def done() -> bool:
            if worker.cameras_online() == len(cameras) - 1:
                leaving.stop()
            return expected <= set(told(events))

        worker.run(until=done, seconds=600)
    assert set(told(events)) == expected
    assert len(told(events)) == len(expected), "each is told once"
