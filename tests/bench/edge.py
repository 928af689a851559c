"""``menshen bench edge``: what a camera costs under each gate, and what that gate misses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from config.event import Event
from config.site import Gate
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.watching.group import GroupLimits
from tests.bench.edge_score import Seen, compare
from tests.bench.edge_streams import camera, footage
from tests.bench.processes import cpu_s, family, memory_mb
from tests.bench.report import JsonFlag, finish, show

WARM_S: Final = 9.0
"""Connecting, learning the background, and the first look around are over after so long."""
MOST_ALWAYS: Final = 4
"""Where everything is decoded, more cameras than this would not fit two cores."""
_BARE = "import edge.watching.child, sys; print('ready', flush=True); sys.stdin.read()"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the edge's worker: what it used while it was measured, and what it told."""

    core_percent: float
    shares: dict[str, float]
    memory_mb: float
    dropped: int
    visits: list[Seen]


def bench(
    clip: Annotated[Path, typer.Option(help="A video with things to see in it.")],
    cameras: Annotated[int, typer.Option(min=1, max=100, help="How many to watch at once.")] = 4,
    activity: Annotated[
        float, typer.Option(min=0.02, max=1, help="Share of the time that something moves.")
    ] = 0.1,
    seconds: Annotated[float, typer.Option(min=3, help="How long the idle runs take.")] = 20.0,
    gates: Annotated[str, typer.Option(help="Which gates, with commas.")] = (
        "substream,keyframes,always"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Processor share, memory, recall and delay per 1080p25 camera over real RTSP, by gate."""
    found = footage(clip)
    result: dict[str, Any] = {}
    runs: dict[str, tuple[Run, Run, int]] = {}
    for gate in (Gate(name.strip()) for name in gates.split(",")):
        count = cameras if gate is Gate.SUBSTREAM else min(cameras, MOST_ALWAYS)
        still = [camera(f"cam{i}", found, i, activity=0, cameras=count) for i in range(count)]
        idle = _run(gate, still, seconds)
        busy = [camera(f"cam{i}", found, i, activity=activity, cameras=count) for i in range(count)]
        active = _run(gate, busy, max(source.main.seconds for source in busy))
        runs[gate.value] = (idle, active, count)
    reference = runs.get("always")
    for name, (idle, active, count) in runs.items():
        score = None
        if reference is not None:
            shared = {f"cam{i}" for i in range(min(count, reference[2]))}
            score = compare(
                [seen for seen in reference[1].visits if seen.camera in shared],
                [seen for seen in active.visits if seen.camera in shared],
            )
        result[name] = {
            "idle_core_percent": round(idle.core_percent, 2),
            "active_core_percent": round(active.core_percent, 2),
            "recall": None if score is None or score.recall is None else round(score.recall, 4),
            "delay_ms_p50": None if score is None else score.delay_ms_p50,
            "memory_mb_per_camera": round(active.memory_mb, 1),
            "cameras": count,
            "activity": activity,
            "visits": None if score is None else score.expected,
            "frames_dropped": active.dropped,
            "idle_shares": idle.shares,
            "active_shares": active.shares,
        }
    _table(result, activity)
    finish(result, as_json=as_json)


def _run(gate: Gate, sources: Sequence[CameraSource], seconds: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as name:
        folder = Path(name)
        with RtspServer("127.0.0.1", 0, sources) as server:
            epoch = time.time()
            job = {
                "cameras": [
                    {
                        "id": source.name,
                        "gate": gate.value,
                        "url": server.url(source.name, "main"),
                        "sub_url": server.url(source.name, "sub"),
                    }
                    for source in sources
                ]
            }
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.edge_worker", str(folder / "job.json")],
                cwd=Path(__file__).resolve().parents[2],
            )
            try:
                used, shares, memory, began = _measure(process, folder, len(sources), seconds)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        visits = _visits(
            folder / "events.jsonl",
            epoch=epoch,
            began=began - epoch,
            sources=sources,
            seconds=seconds,
        )
    dropped = sum(item["frames_dropped"] for item in report["cameras"].values())
    return Run(used, shares, memory, dropped, visits)


def _measure(
    process: subprocess.Popen[bytes], folder: Path, cameras: int, seconds: float
) -> tuple[float, dict[str, float], float, float]:
    base_file = folder / "base.json"
    while not base_file.exists():
        if process.poll() is not None:
            raise RuntimeError("the worker under test ended before it began")
        time.sleep(0.1)
    while _stages(process, folder).pop("online") < cameras:
        time.sleep(0.5)
    time.sleep(WARM_S)
    pids = family(process.pid)
    before, stages_before, begun = cpu_s(pids), _stages(process, folder), time.monotonic()
    began = time.time()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    used, stages = cpu_s(pids) - before, _stages(process, folder)
    stages.pop("online")
    groups = -(-cameras // GroupLimits().cameras_per_group)
    base = json.loads(base_file.read_text(encoding="utf-8"))["memory_mb"]
    memory = (memory_mb(pids) - base - groups * _bare_child_mb()) / cameras
    each = {name: value - stages_before[name] for name, value in stages.items()}
    each["other"] = used - sum(each.values())
    shares = {name: round(value / used, 3) if used else 0.0 for name, value in each.items()}
    return 100 * used / elapsed / cameras, shares, memory, began


def _stages(process: subprocess.Popen[bytes], folder: Path) -> dict[str, float]:
    """Processor seconds by stage, as the worker counts them now."""
    answer = folder / "stages.json"
    answer.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    for _ in range(100):
        if answer.exists():
            stages: dict[str, float] = json.loads(answer.read_text(encoding="utf-8"))
            return stages
        time.sleep(0.05)
    raise RuntimeError("the worker under test does not answer")


def _bare_child_mb() -> float:
    """Memory of a decode child without a camera: the part that its cameras share."""
    child = subprocess.Popen(
        [sys.executable, "-c", _BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert child.stdout is not None
    child.stdout.readline()
    memory = memory_mb([child.pid])
    child.communicate()
    return memory


def _visits(
    file: Path, *, epoch: float, began: float, sources: Sequence[CameraSource], seconds: float
) -> list[Seen]:
    """Visits of one pass of the loop, in its own seconds; ``began`` counts from ``epoch``."""
    begins: dict[str, tuple[Event, float]] = {}
    ends: dict[str, float] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        event = Event.model_validate_json(item["event"])
        if event.health is not None:
            continue
        begins.setdefault(event.visit, (event, item["told_at"]))
        ends[event.visit] = (event.ended_at or event.captured_at).timestamp()
    lengths = {source.name: source.main.seconds for source in sources}
    seen = []
    for visit, (event, told) in begins.items():
        start = event.started_at.timestamp() - epoch
        # The first look around belongs to no pass.
        if start < began or start > began + seconds:
            continue
        turn = start % lengths[event.camera] - start
        seen.append(
            Seen(
                event.camera,
                event.kind.value,
                start + turn,
                ends[visit] - epoch + turn,
                told - epoch + turn,
            )
        )
    return seen


def _table(result: dict[str, Any], activity: float) -> None:
    rows = [
        (
            name,
            str(item["cameras"]),
            f"{item['idle_core_percent']:.2f} %",
            f"{item['active_core_percent']:.2f} %",
            _or_dash(item["recall"], "{:.1%}"),
            _or_dash(item["delay_ms_p50"], "{:.0f}"),
            f"{item['memory_mb_per_camera']:.0f}",
            ", ".join(f"{stage} {part:.0%}" for stage, part in item["active_shares"].items()),
        )
        for name, item in result.items()
    ]
    show(
        f"Edge: share of one core per 1080p25 camera (activity {activity:.0%}; processor time of "
        "the edge's processes, which does not change with other load)",
        ("gate", "cameras", "idle", "active", "recall", "delay ms", "MB/camera", "active shares"),
        rows,
    )


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
