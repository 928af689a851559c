"""``menshen bench web``: from the commit at the centre to a browser's stream, for many at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from sqlalchemy import Engine, func, select

from alerts.seeing.scope import scope
from alerts.seeing.service import Viewer
from alerts.store import schema
from config.errors import UserError
from ingest.engine import open_engine, reading
from ingest.schema import routing_queue
from tests.bench.alerts_site import full_site
from tests.bench.process_stats import cpu_seconds, rss_mb
from tests.bench.report import JsonFlag, finish, show
from tests.bench.web_server import COMMITTED, DATABASE, watchers
from tests.bench.web_viewers import Viewers

_ROOT = Path(__file__).resolve().parents[2]
_SETTLE_S = 30.0
_WARM_S = 3.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run brought; times in seconds, memory in MB."""

    latencies: np.ndarray
    """(n,) float64: commit to arrival, of each change at each viewer."""
    missed: int
    repeated: int
    rate: float
    memory: np.ndarray
    """(m,) float64: the centre's resident memory, once a second while events came."""
    cores: float
    """Cores that the centre's process used while events came."""
    received_mb: float


def bench(
    viewers: Annotated[int, typer.Option(min=1, help="Open streams.")] = 300,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 184.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long at that rate.")] = 30.0,
    mix: Annotated[
        Literal["desk", "county"],
        typer.Option(help="desk: all see every street; county: most see their own grid or home."),
    ] = "desk",
    as_json: JsonFlag = False,
) -> None:
    """Real store, router, dispatcher, web server and connections; the viewers' process is ours."""
    with tempfile.TemporaryDirectory(prefix="menshen-bench-") as name:
        folder = Path(name)
        with _centre(folder, viewers, mix) as process:
            found = asyncio.run(_run(process, folder, viewers, rate, seconds, mix))
    times = np.sort(found.latencies)
    third = max(1, len(found.memory) // 3)
    memory = float(found.memory[:third].mean()), float(found.memory[-third:].mean())
    rows = [
        ("streams, mix", f"{viewers}, {mix}"),
        ("asked / committed, events/s", f"{rate:.0f} / {found.rate:.0f}"),
        ("changes that arrived", f"{len(times)}"),
        ("commit to browser, p50", f"{np.quantile(times, 0.5) * 1000:.0f} ms"),
        ("commit to browser, p99", f"{np.quantile(times, 0.99) * 1000:.0f} ms"),
        ("missed / repeated", f"{found.missed} / {found.repeated}"),
        ("memory, first and last third", f"{memory[0]:.0f} / {memory[1]:.0f} MB"),
        ("cores of the centre", f"{found.cores:.2f}"),
        ("sent to browsers", f"{found.received_mb:.0f} MB"),
    ]
    show("Alert streams", ("what", "value"), rows)
    finish(
        {
            "viewers": viewers,
            "mix": mix,
            "events_per_s": round(found.rate, 1),
            "arrived": len(times),
            "p50_ms": round(float(np.quantile(times, 0.5)) * 1000, 1),
            "p99_ms": round(float(np.quantile(times, 0.99)) * 1000, 1),
            "missed": found.missed,
            "repeated": found.repeated,
            "memory_mb": [round(value, 1) for value in memory],
            "cores": round(found.cores, 2),
        },
        as_json=as_json,
    )


@contextmanager
def _centre(folder: Path, viewers: int, mix: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.web_server", str(folder), str(viewers), mix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
        process.stdin.close()
        process.wait(timeout=_SETTLE_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _say(process: subprocess.Popen[str], line: str) -> str:
    """One line to the centre, and its answer."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return await _answer(process)


async def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    if not line:
        raise UserError(
            where="web benchmark", problem="the centre has ended", remedy="see its messages above"
        )
    return line


async def _run(
    process: subprocess.Popen[str],
    folder: Path,
    count: int,
    rate: float,
    seconds: float,
    mix: str,
) -> Measured:
    hello = json.loads(await _answer(process))
    viewers = Viewers(hello["url"], hello["cookies"])
    await viewers.open()
    await _say(process, f"feed {rate} {_WARM_S}")
    memory: list[float] = []
    watching = asyncio.create_task(_watch(process.pid, memory))
    used, begun = cpu_seconds([process.pid]), time.monotonic()
    reached = float(await _say(process, f"feed {rate} {seconds}"))
    cores = (cpu_seconds([process.pid]) - used) / (time.monotonic() - begun)
    watching.cancel()
    expected = await asyncio.to_thread(_expected, folder, count, mix)
    await _arrived(viewers, expected)
    await _say(process, "save")
    committed = json.loads((folder / COMMITTED).read_text())
    result = _compare(viewers, expected, _moments(folder, committed))
    viewers.close()
    return Measured(
        *result,
        rate=reached,
        memory=np.array(memory or [rss_mb(process.pid)]),
        cores=cores,
        received_mb=sum(viewer.received for viewer in viewers.all) / 1e6,
    )


async def _watch(pid: int, memory: list[float]) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        memory.append(rss_mb(pid))


def _expected(folder: Path, count: int, mix: str) -> list[set[int]]:
    """Positions that each viewer must get, by the scope that the database applies."""
    engine = open_engine(f"sqlite:///{folder / DATABASE}")
    _settle(engine)
    stream, alerts = schema.stream, schema.alerts
    known: dict[str, set[int]] = {}
    people = watchers(full_site(), count, mix)
    with reading(engine) as connection:
        for person in {one.id: one for one in people}.values():
            seen = scope(Viewer(person.id, person.role, person.grid), alerts)
            rows = select(stream.c.position).join(alerts, alerts.c.id == stream.c.alert_id)
            known[person.id] = set(connection.execute(rows.where(seen)).scalars())
    engine.dispose()
    return [known[person.id] for person in people]


def _settle(engine: Engine) -> None:
    """Wait until every event has been decided about."""
    until = time.monotonic() + _SETTLE_S
    while time.monotonic() < until:
        with reading(engine) as connection:
            left = connection.execute(select(func.count()).select_from(routing_queue)).scalar_one()
        if left == 0:
            return
        time.sleep(0.1)


async def _arrived(viewers: Viewers, expected: list[set[int]]) -> None:
    until = time.monotonic() + _SETTLE_S
    pairs = list(zip(viewers.all, expected, strict=True))
    while time.monotonic() < until:
        if all(len(viewer.positions) >= len(wanted) for viewer, wanted in pairs):
            return
        await asyncio.sleep(0.1)


def _moments(folder: Path, committed: dict[str, float]) -> dict[int, float]:
    """Position of an alert's first change → when its event was committed."""
    engine = open_engine(f"sqlite:///{folder / DATABASE}")
    links, stream = schema.alert_events, schema.stream
    with reading(engine) as connection:
        rows = connection.execute(
            select(func.min(stream.c.position), links.c.event_id)
            .join_from(stream, links, links.c.alert_id == stream.c.alert_id)
            .where(links.c.relation == "opened")
            .group_by(links.c.event_id)
        ).all()
    engine.dispose()
    return {position: committed[event] for position, event in rows}


def _compare(
    viewers: Viewers, expected: list[set[int]], moments: dict[int, float]
) -> tuple[np.ndarray, int, int]:
    """Latencies, and how many changes did not come, or came more than once or unasked."""
    latencies: list[float] = []
    missed = repeated = 0
    for viewer, wanted in zip(viewers.all, expected, strict=True):
        got = set(viewer.positions)
        missed += len(wanted - got)
        repeated += len(viewer.positions) - len(got) + len(got - wanted)
        latencies += [
            moment - moments[position]
            for position, moment in zip(viewer.positions, viewer.moments, strict=True)
            if position in moments
        ]
    return np.array(latencies or [np.nan]), missed, repeated
