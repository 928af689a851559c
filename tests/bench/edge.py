"""``menshen bench edge``: what a camera costs under each gate, and what that gate misses."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from config.site import Gate
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from tests.bench.edge_process import EdgeProcess
from tests.bench.edge_score import Seen, compare, read_visits
from tests.bench.edge_streams import camera, footage
from tests.bench.report import JsonFlag, finish, show

WARM_S: Final = 9.0
"""Connecting, learning the background, and the first look around are over after so long."""
MOST_ALWAYS: Final = 4
"""Where everything is decoded, more cameras than this would not fit two cores."""


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
    with (
        tempfile.TemporaryDirectory(prefix="menshen-bench-") as name,
        RtspServer("127.0.0.1", 0, sources) as server,
    ):
        epoch = time.time()
        servers = dict.fromkeys((source.name for source in sources), server)
        with EdgeProcess(Path(name), sources, servers, gate) as process:
            used, shares, memory, began = _measure(process, len(sources), seconds)
        report = process.report()
        visits = [
            seen
            for seen in read_visits(process.events, sources=sources, epoch=epoch)
            # The first look around belongs to no pass.
            if began - epoch <= seen.at_s <= began - epoch + seconds
        ]
    dropped = sum(item["frames_dropped"] for item in report["cameras"].values())
    return Run(used, shares, memory, dropped, visits)


def _measure(
    process: EdgeProcess, cameras: int, seconds: float
) -> tuple[float, dict[str, float], float, float]:
    process.wait_online()
    time.sleep(WARM_S)
    before, stages_before, begun = process.cpu_s(), process.state()["stages"], time.monotonic()
    began = time.time()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    used, stages = process.cpu_s() - before, process.state()["stages"]
    each = {name: stages[name] - stages_before[name] for name in stages if name != "online"}
    each["other"] = used - sum(each.values())
    shares = {name: round(value / used, 3) if used else 0.0 for name, value in each.items()}
    return 100 * used / elapsed / cameras, shares, process.memory_mb_per_camera(), began


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
