"""``menshen bench delivery``: from the commit at the edge to the commit at the centre, how fast."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

import typer

from config.errors import UserError
from edge.simulator.fleet import FleetProcesses, FleetRun
from edge.simulator.nodes import FleetPlan, node_names
from ingest.accounting import Accounting, account
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.bench.bare import messages_per_s
from tests.bench.bare_inserts import inserts_per_s, sample_rows
from tests.bench.bare_pipeline import Pipeline, pipeline
from tests.bench.process_stats import cpu_seconds, family, rss_mb
from tests.bench.report import JsonFlag, finish, show
from tests.servers import Mosquitto, Postgres, running_postgres

_ROOT = Path(__file__).resolve().parents[2]
_COUNTY = "demo"
_SAMPLE_S = 1.0
_QUIET = "allow_anonymous true\nmax_queued_messages 10000\n"


@dataclass(frozen=True, slots=True)
class Books:
    """What one run has written down; times in seconds of the wall clock."""

    begun: float
    edge: dict[str, float]
    centre: dict[str, float]
    groups: tuple[int, ...]
    """Events of each commit at the centre."""
    messages: int

    def latencies(self) -> list[float]:
        """Seconds from edge commit (at the earliest: the beginning) to centre commit, sorted."""
        return sorted(
            self.centre[event] - max(moment, self.begun)
            for event, moment in self.edge.items()
            if event in self.centre
        )

    def events_per_s(self) -> float:
        """Events stored a second, from the beginning to the last commit at the centre."""
        last = max(self.centre.values(), default=self.begun)
        return len(self.centre) / (last - self.begun) if last > self.begun else 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds per part of the system, and ingest's memory in MB over the run."""

    cpu: dict[str, float]
    memory: tuple[float, ...]


def bench(
    nodes: Annotated[int, typer.Option(min=1, help="Edge nodes.")] = 151,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras, shared out.")] = 2403,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 184.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 60.0,
    database: Annotated[
        Literal["sqlite", "postgresql"], typer.Option(help="The centre's database.")
    ] = "sqlite",
    drain: Annotated[
        int, typer.Option(min=0, help="Drain a backlog of so many events instead.")
    ] = 0,
    replicas: Annotated[int, typer.Option(min=1, max=8, help="Ingest processes.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes of nodes.")] = 2,
    thumbnail_bytes: Annotated[int, typer.Option(min=0, max=20_000)] = 0,
    edge_folder: Annotated[
        Path | None,
        typer.Option(help="Outboxes here, such as /dev/shm: 151 nodes own 151 disks, not one."),
    ] = None,
    bare_seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each bare limit is measured.")
    ] = 4.0,
    as_json: JsonFlag = False,
) -> None:
    """Real outboxes, mosquitto, ingest and database, beside what the machine does without us."""
    if replicas > 1 and database == "sqlite":
        raise UserError(
            where="--replicas", problem="SQLite has one writer", remedy="use --database postgresql"
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="menshen-bench-")))
        outboxes = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=edge_folder)))
        broker = _broker(stack, folder)
        server = _database(stack, folder) if database == "postgresql" else None
        address = server.new_database() if server else f"sqlite:///{folder / 'centre.db'}"
        plan = FleetPlan(
            nodes=node_names(nodes, cameras),
            rate=rate,
            folder=outboxes,
            broker_url=broker.url,
            county=_COUNTY,
            thumbnail_bytes=thumbnail_bytes,
        )
        count = min(processes, nodes)
        run = FleetRun(
            backlog=drain // count,
            seconds=0.0 if drain else seconds,
            drain_s=600.0 if drain else 60.0,
            ledger=folder / "edge",
        )
        with centre(address, broker.url, folder, replicas) as ingest:
            books, usage = _measure(plan.split(count), run, ingest, folder, broker, server)
        engine = open_engine(address)
        result = account(sorted(outboxes.glob("*.sqlite")), engine)
        engine.dispose()
        limits = _limits(books, broker, server, address, folder, bare_seconds)
    _report(books, usage, result, limits, database=database, as_json=as_json)


def _broker(stack: ExitStack, folder: Path) -> Mosquitto:
    broker = Mosquitto(folder, extra=_QUIET, is_verbose=False)
    broker.start()
    stack.callback(broker.kill)
    return broker


def _database(stack: ExitStack, folder: Path) -> Postgres:
    folder.chmod(0o755)
    return stack.enter_context(running_postgres(folder / "postgres"))


@contextmanager
def centre(
    address: str, broker_url: str, folder: Path, replicas: int
) -> Iterator[list[subprocess.Popen[str]]]:
    """``replicas`` ingest processes that are connected; ended orderly afterwards."""
    engine = open_engine(address)
    upgrade(engine)
    engine.dispose()
    share = ["ingest"] if replicas > 1 else []
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.delivery_centre"]
            + [address, broker_url, _COUNTY, str(folder / f"centre.{number}"), *share],
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        for number in range(replicas)
    ]
    try:
        for process in started:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise UserError(
                    where="ingest", problem="did not start", remedy="see its messages above"
                )
        yield started
        for process in started:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _measure(
    plans: tuple[FleetPlan, ...],
    run: FleetRun,
    ingest: list[subprocess.Popen[str]],
    folder: Path,
    broker: Mosquitto,
    server: Postgres | None,
) -> tuple[Books, Usage]:
    fleet = FleetProcesses(plans, run)
    try:
        fleet.start()
        parts = {"edge": fleet.pids, "ingest": [one.pid for one in ingest]}
        parts["broker"] = [broker.pid or 0]
        if server is not None:
            parts["database"] = [server.pid or 0]
        before = _cpu(parts)
        begun = time.time()
        fleet.begin()
        memory, after = _watch(fleet, parts)
        cpu = {name: max(0.0, after[name] - before[name]) for name in parts}
        fleet.reports()
    finally:
        fleet.kill()
    for process in ingest:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return _books(folder, begun, run), Usage(cpu, memory)


def _cpu(parts: dict[str, list[int]]) -> dict[str, float]:
    return {
        name: cpu_seconds([one for pid in pids for one in family(pid)])
        for name, pids in parts.items()
    }


def _watch(
    fleet: FleetProcesses, parts: dict[str, list[int]]
) -> tuple[tuple[float, ...], dict[str, float]]:
    """Sample ingest's memory, and everybody's processor time while /proc still has it."""
    samples = []
    cpu = dict.fromkeys(parts, 0.0)
    while not fleet.is_done():
        samples.append(sum(rss_mb(pid) for pid in parts["ingest"]))
        cpu = {name: max(cpu[name], value) for name, value in _cpu(parts).items()}
        time.sleep(_SAMPLE_S)
    return tuple(samples), cpu


def _books(folder: Path, begun: float, run: FleetRun) -> Books:
    edge: dict[str, float] = {}
    for path in folder.glob("edge.*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            event, moment = line.split()
            edge[event] = float(moment)
    stored: dict[str, float] = {}
    groups, messages = [], 0
    for path in folder.glob("centre.[0-9]"):
        for line in path.read_text(encoding="utf-8").splitlines():
            moment, batches, *ids = line.split()
            fresh = [event for event in ids if event not in stored]
            stored.update(dict.fromkeys(fresh, float(moment)))
            groups.append(len(ids))
            messages += int(batches)
    return Books(begun, edge, stored, tuple(groups), messages)


@dataclass(frozen=True, slots=True)
class Limits:
    """Events a second of the bare parts, each and in a row, and the sizes used for them."""

    mqtt: float
    inserts: float
    pipeline: Pipeline
    events_per_message: float
    events_per_group: float


def _limits(
    books: Books,
    broker: Mosquitto,
    server: Postgres | None,
    address: str,
    folder: Path,
    seconds: float,
) -> Limits:
    per_message = sum(books.groups) / max(books.messages, 1)
    per_group = fmean(books.groups) if books.groups else 1.0
    rows = sample_rows(address)
    body_bytes = fmean([len(row[-1]) for row in rows]) if rows else 700.0
    messages = messages_per_s(broker.url, round(body_bytes * per_message), seconds)
    per_commit = max(1, round(per_group))
    inserts = inserts_per_s(_empty(server, folder, "bare"), rows, per_commit, seconds)
    both = pipeline(
        broker.url,
        _empty(server, folder, "pipeline"),
        rows,
        per_message=max(1, round(per_message)),
        per_group=per_commit,
    )
    return Limits(messages * per_message, inserts, both, per_message, per_group)


def _empty(server: Postgres | None, folder: Path, name: str) -> str:
    return server.new_database() if server else f"sqlite:///{folder / name}.db"


def _report(
    books: Books,
    usage: Usage,
    result: Accounting,
    limits: Limits,
    *,
    database: str,
    as_json: bool,
) -> None:
    times = books.latencies()
    reached = books.events_per_s()
    limit, both = min(limits.mqtt, limits.inserts), limits.pipeline
    used = sum(usage.cpu.values())
    ours_us = (usage.cpu["edge"] + usage.cpu["ingest"]) / max(len(books.centre), 1) * 1e6
    rows = [
        ("events stored", f"{len(books.centre)}"),
        ("events/s", f"{reached:.0f}"),
        ("edge commit to centre commit, p50", f"{quantile(times, 0.5) * 1000:.0f} ms"),
        ("edge commit to centre commit, p99", f"{quantile(times, 0.99) * 1000:.0f} ms"),
        (
            "lost / duplicates / still waiting",
            f"{result.lost} / {result.duplicates} / {result.outbox_left}",
        ),
        (
            "events per message / per commit",
            f"{limits.events_per_message:.1f} / {limits.events_per_group:.1f}",
        ),
        ("bare mosquitto, events/s", f"{limits.mqtt:.0f}"),
        (f"bare {database} inserts, events/s", f"{limits.inserts:.0f}"),
        ("reached of the lower bare limit", f"{share(reached, limit):.0%}"),
        ("bare pipeline, events/s", f"{both.events_per_s:.0f}"),
        ("reached of the bare pipeline", f"{share(reached, both.events_per_s):.0%}"),
        ("nodes and ingest, processor µs per event", f"{ours_us:.0f}"),
        ("bare clients of the pipeline, µs per event", f"{both.cpu_us_per_event:.0f}"),
        ("events per core second", f"{len(books.centre) / used:.0f}" if used else "–"),
        *((f"core seconds of {name}", f"{value:.1f}") for name, value in usage.cpu.items()),
        ("memory of ingest, MB", _memory(usage.memory)),
    ]
    show(f"Delivery into {database}", ("what", "value"), rows)
    finish(
        {
            "events_per_s": round(reached, 1),
            "p50_ms": round(quantile(times, 0.5) * 1000, 1),
            "p99_ms": round(quantile(times, 0.99) * 1000, 1),
            "lost": result.lost,
            "duplicates": result.duplicates,
            "bare_limit_per_s": round(limit, 1),
            "of_bare_limit": round(share(reached, limit), 3),
            "bare_pipeline_per_s": round(both.events_per_s, 1),
            "of_bare_pipeline": round(share(reached, both.events_per_s), 3),
            "cpu_us_per_event": round(ours_us, 1),
            "bare_cpu_us_per_event": round(both.cpu_us_per_event, 1),
            "events_per_core_s": round(len(books.centre) / used, 1) if used else 0.0,
            "ingest_mb": [round(part, 1) for part in tenths(usage.memory)],
            "load": [round(one, 1) for one in os.getloadavg()],
        },
        as_json=as_json,
    )


def share(reached: float, limit: float) -> float:
    """``reached`` as a part of ``limit``; 0 where that was not measured."""
    return reached / limit if limit else 0.0


def quantile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of ``ordered`` lies; 0 for none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def tenths(samples: tuple[float, ...]) -> list[float]:
    """Means of ten stretches of the same length, in order; fewer where there are fewer samples."""
    step = max(1, math.ceil(len(samples) / 10))
    return [fmean(samples[start : start + step]) for start in range(0, len(samples), step)]


def _memory(samples: tuple[float, ...]) -> str:
    """How it went over the run: its first seconds hold the imports and the first groups."""
    if not samples:
        return "–"
    return " → ".join(f"{part:.0f}" for part in tenths(samples)) + f", most {max(samples):.0f}"
