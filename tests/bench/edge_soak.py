"""``menshen bench edge-soak``: many cameras for long: nothing may grow, nothing may be lost."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from config.site import Gate
from edge.simulator.server import RtspServer
from tests.bench.edge_process import EdgeProcess
from tests.bench.edge_score import read_visits
from tests.bench.edge_streams import camera, footage, piece_begins_s
from tests.bench.edge_unhurried import losses, sure_of, sure_visits
from tests.bench.processes import cpu_s, memory_mb
from tests.bench.report import JsonFlag, finish, show

WARM_S: Final = 15.0


def bench(
    clip: Annotated[Path, typer.Option(help="A video with things to see in it.")],
    cameras: Annotated[int, typer.Option(min=1, max=120, help="How many to watch at once.")] = 40,
    activity: Annotated[
        float, typer.Option(min=0.02, max=1, help="Share of the time that something moves.")
    ] = 0.1,
    seconds: Annotated[float, typer.Option(min=20, help="How long to watch.")] = 600.0,
    lose: Annotated[int, typer.Option(min=0, help="Cameras that go away at half-time.")] = 0,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two samples.")] = 10.0,
    as_json: JsonFlag = False,
) -> None:
    """Queue, memory, processor share and lost visits of many cameras over real RTSP."""
    found = footage(clip)
    sources = [
        camera(f"cam{i}", found, i, activity=activity, cameras=cameras) for i in range(cameras)
    ]
    offsets = [
        piece_begins_s(found, i, activity=activity, cameras=cameras) for i in range(cameras - lose)
    ]
    pieces = sure_visits(found)
    kept, leaving = sources[: cameras - lose], sources[cameras - lose :]
    with (
        tempfile.TemporaryDirectory(prefix="menshen-soak-") as name,
        RtspServer("127.0.0.1", 0, kept) as server,
        ExitStack() as others,
    ):
        epoch = time.time()
        places = {source.name: server for source in kept}
        if leaving:
            other = others.enter_context(RtspServer("127.0.0.1", 0, leaving))
            places |= {source.name: other for source in leaving}
        with EdgeProcess(Path(name), sources, places, Gate.SUBSTREAM) as process:
            process.wait_online()
            time.sleep(WARM_S)
            began = time.time()
            samples = _watch(process, seconds=seconds / 2, every=every)
            others.close()
            samples += _watch(process, seconds=seconds / 2, every=every, after=samples)
            ended = time.time()
        report = process.report()
        seen = read_visits(process.events, sources=sources, epoch=epoch)
    expected, lost = losses(
        seen,
        sure_of(kept, offsets, pieces),
        {source.name: source.main for source in kept},
        start_s=began - epoch,
        end_s=ended - epoch,
    )
    _table(samples, cameras)
    result = {
        **summary(samples, cameras=cameras),
        "lost_cameras": lose,
        "others_rate_change_percent": rate_change(samples, [source.name for source in kept]),
        "visits_expected": expected,
        "visits_lost": lost,
        "events": report["events"],
        "events_not_kept": report["events_not_kept"],
        "group_restarts": sum(report["group_restarts"].values()),
    }
    finish(result, as_json=as_json)


def _watch(
    process: EdgeProcess,
    *,
    seconds: float,
    every: float,
    after: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Samples of a stretch of time, the last at its end; ``after``: those that came before."""
    samples: list[dict[str, Any]] = []
    begun = time.monotonic()
    offset = after[-1]["at_s"] if after else 0.0
    while True:
        elapsed = time.monotonic() - begun
        state = process.state()
        samples.append(
            {
                "at_s": round(offset + elapsed, 1),
                "cpu_s": process.cpu_s(),
                "simulator_s": cpu_s([os.getpid()]),
                "memory_mb": round(memory_mb(process.pids), 1),
                "load": os.getloadavg()[0],
                **{key: state[key] for key in ("waiting", "lag_s", "sampled", "dropped")},
                "packets": sum(state["packets"].values()),
                "packets_of": state["packets"],
            }
        )
        if elapsed >= seconds:
            return samples
        time.sleep(max(0.0, min(begun + len(samples) * every, begun + seconds) - time.monotonic()))


def rate_change(samples: Sequence[dict[str, Any]], cameras: Sequence[str]) -> float:
    """Change of these cameras' pictures per second from the first half to the second, per cent."""
    half = len(samples) // 2

    def rate(first: dict[str, Any], last: dict[str, Any]) -> float:
        came = sum(last["packets_of"][name] - first["packets_of"][name] for name in cameras)
        return float(came / (last["at_s"] - first["at_s"]))

    before, after = rate(samples[0], samples[half - 1]), rate(samples[half], samples[-1])
    return round(100 * (after / before - 1), 2) if before else 0.0


def summary(samples: Sequence[dict[str, Any]], *, cameras: int) -> dict[str, Any]:
    """What the samples come to: rates, and whether anything grows."""
    first, last = samples[0], samples[-1]
    elapsed = max(last["at_s"] - first["at_s"], 1e-6)

    def rate(key: str) -> float:
        return float((last[key] - first[key]) / elapsed)

    cuts = [len(samples) * part // 3 for part in range(4)]
    thirds = [samples[start : max(start + 1, end)] for start, end in pairwise(cuts)]
    half = samples[len(samples) // 2]
    return {
        "cameras": cameras,
        "seconds": round(elapsed),
        "core_percent_per_camera": round(100 * rate("cpu_s") / cameras, 2),
        "simulator_core_percent": round(100 * rate("simulator_s"), 1),
        "pictures_per_s_per_camera": round(rate("packets") / cameras, 2),
        "waiting_max": max(one["waiting"] for one in samples),
        "waiting_mean_by_third": [_mean(part, "waiting") for part in thirds],
        "lag_s_max": max(one["lag_s"] for one in samples),
        "frames_sampled": last["sampled"] - first["sampled"],
        "frames_dropped": last["dropped"] - first["dropped"],
        "memory_mb_by_third": [_mean(part, "memory_mb") for part in thirds],
        "memory_growth_mb_second_half": round(last["memory_mb"] - half["memory_mb"], 1),
        "load": [round(one["load"], 1) for one in (first, last)],
    }


def _table(samples: Sequence[dict[str, Any]], cameras: int) -> None:
    show(
        f"Edge: {cameras} cameras for {samples[-1]['at_s']:.0f} s",
        ("s", "cores", "waiting", "lag s", "dropped", "memory MB", "load"),
        [
            (
                f"{one['at_s']:.0f}",
                f"{(one['cpu_s'] - before['cpu_s']) / (one['at_s'] - before['at_s']):.2f}",
                str(one["waiting"]),
                f"{one['lag_s']:.1f}",
                str(one["dropped"] - samples[0]["dropped"]),
                f"{one['memory_mb']:.0f}",
                f"{one['load']:.1f}",
            )
            for before, one in pairwise(samples)
            if one["at_s"] > before["at_s"]
        ],
    )


def _mean(samples: Sequence[dict[str, Any]], key: str) -> float:
    return round(float(sum(one[key] for one in samples)) / max(1, len(samples)), 1)
