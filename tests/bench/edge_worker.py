"""The process that ``menshen bench edge`` measures: the edge's own worker, events to a file."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from config.clock import SystemClock
from config.event import Event
from config.logs import configure_logs
from config.site import Gate
from edge.delivery.evidence import EvidenceStore
from edge.watching.camera import CameraSpec
from edge.watching.group import GroupLimits
from edge.worker import BATCH, WatchedCamera, Worker
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
        signal.signal(signal.SIGUSR1, lambda *_: _tell_stages(worker, folder))
        _warm_up(vision)
        base = memory_mb([os.getpid()])
        (folder / "base.json").write_text(json.dumps({"memory_mb": base}), encoding="utf-8")
        worker.run()
        (folder / "report.json").write_text(json.dumps(worker.report()), encoding="utf-8")


def _warm_up(vision: VisionCore) -> None:
    """Let the networks take their working memory, which all cameras share."""
    luma, colour = np.zeros((1080, 1920), np.uint8), np.full((540, 960), 128, np.uint8)
    for count in range(1, BATCH + 1):
        vision.analyse([PlanarFrame(luma, colour, colour)] * count)


def _tell_stages(worker: Worker, folder: Path) -> None:
    """Write processor seconds by stage; whole or not at all."""
    report = worker.report()
    cameras = report["cameras"].values()
    stages = {
        "decode": sum(item["decode_s"] for item in cameras),
        "motion": sum(item["motion_s"] for item in cameras),
        "picture": sum(item["picture_s"] for item in cameras),
        "inference": report["inference_s"],
        "events": report["events_s"],
        "online": worker.cameras_online(),
    }
    half = folder / "stages.half"
    half.write_text(json.dumps(stages), encoding="utf-8")
    half.replace(folder / "stages.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
