"""The process that ``menshen bench edge`` measures: the edge's own worker, events to a file."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from config.clock import SystemClock
from config.event import Event
from config.logs import configure_logs
from config.site import Gate
from edge.delivery.evidence import EvidenceStore
from edge.looking import BATCH, look
from edge.watching.camera import CameraSpec
from edge.watching.group import GroupLimits
from edge.watching.regions import parts_of
from edge.worker import WatchedCamera, Worker
from models.core import VisionCore
from models.planes import PlanarFrame
from tests.bench.places import model_store
from tests.bench.processes import memory_mb


def main(job_file: Path) -> None:
    """Watch the cameras of a job until SIGTERM; write ``report.json`` beside it."""
    job = json.loads(job_file.read_text(encoding="utf-8"))
    folder = job_file.parent
    configure_logs(level="error")
    cv2.setNumThreads(1)
    store = model_store(None)
    with (
        (folder / "events.jsonl").open("w", encoding="utf-8") as events,
        VisionCore.open(models_dir=store.models_dir, mirror=store.mirror) as vision,
    ):

        def emit(event: Event) -> None:
            line = {"told_at": time.time(), "event": event.model_dump_json(exclude={"thumbnail"})}
            events.write(json.dumps(line) + "\n")
            events.flush()

        worker = Worker(
            node="bench",
            cameras=[
                WatchedCamera(
                    CameraSpec(
                        id=item["id"],
                        url=item["url"],
                        sub_url=item["sub_url"],
                        gate=Gate(item["gate"]),
                    )
                )
                for item in job["cameras"]
            ],
            vision=vision,
            emit=emit,
            evidence=EvidenceStore(folder / "evidence", 10**9),
            clock=SystemClock(),
            limits=GroupLimits(log_level="error"),
        )
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        signal.signal(signal.SIGUSR1, lambda *_: _tell_state(worker, folder))
        _warm_up(vision)
        base = memory_mb([os.getpid()])
        (folder / "base.json").write_text(json.dumps({"memory_mb": base}), encoding="utf-8")
        worker.run()
        (folder / "report.json").write_text(json.dumps(worker.report()), encoding="utf-8")


def _warm_up(vision: VisionCore) -> None:
    """Let the networks take their working memory, which all cameras share."""
    luma, colour = np.zeros((1080, 1920), np.uint8), np.full((540, 960), 128, np.uint8)
    picture = PlanarFrame(luma, colour, colour)
    for part in parts_of(picture):
        look(vision, [(picture, part)])
    for count in range(1, BATCH + 1):
        vision.analyse([picture] * count)


_analysed: dict[str, int] = {}


def _lag_s(cameras: dict[str, dict[str, Any]]) -> float:
    """How late the latest picture was analysed since we were asked last; 0 for none."""
    fresh = [
        float(item["lag_s"])
        for name, item in cameras.items()
        if item["frames_analysed"] != _analysed.get(name, 0)
    ]
    _analysed.update({name: item["frames_analysed"] for name, item in cameras.items()})
    return max(fresh, default=0.0)


def _tell_state(worker: Worker, folder: Path) -> None:
    """Write processor seconds by stage and how far behind it is; whole or not at all."""
    report = worker.report()
    cameras = report["cameras"].values()
    stages = {
        "decode": sum(item["decode_s"] for item in cameras),
        "motion": sum(item["motion_s"] for item in cameras),
        "picture": sum(item["picture_s"] for item in cameras),
        "inference": sum(item["inference_s"] for item in cameras),
        "events": sum(item["events_s"] for item in cameras),
    }
    stages["online"] = worker.cameras_online()
    answer = {
        "stages": stages,
        "waiting": report["pictures_waiting"],
        "lag_s": _lag_s(report["cameras"]),
        "packets": {name: item["packets"] for name, item in report["cameras"].items()},
        "sampled": sum(item["frames_sampled"] for item in cameras),
        "dropped": sum(item["frames_dropped"] for item in cameras),
    }
    half = folder / "state.half"
    half.write_text(json.dumps(answer), encoding="utf-8")
    half.replace(folder / "state.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
