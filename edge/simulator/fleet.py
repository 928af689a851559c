"""Spreads a fleet of simulated nodes over processes, and tells them when to begin and to end."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

from config.clock import SystemClock
from config.errors import UserError
from config.logs import configure_logs
from edge.simulator.nodes import Fleet, FleetPlan

_START_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a fleet does once it may begin.

    Args:
        backlog: events per process that are in the outboxes before any node connects.
        seconds: how long to see events; None: until told to stop; 0: none.
        drain_s: how long to wait for receipts at the end.
        ledger: the process writes a line ``id seconds`` per committed event to
            ``<ledger>.<number>``; seconds are wall-clock time, of when it was durable.
    """

    backlog: int = 0
    seconds: float | None = None
    drain_s: float = 30.0
    ledger: Path | None = None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """How one process ended: events made durable, and those that still wait."""

    committed: int
    waiting: int


class FleetProcesses:
    """One process per plan. Use as: ``start``, ``begin``, then ``reports`` (or ``stop`` first)."""

    def __init__(self, plans: tuple[FleetPlan, ...], run: FleetRun) -> None:
        context = multiprocessing.get_context("spawn")
        self._begin: ProcessEvent = context.Event()
        self._stop: ProcessEvent = context.Event()
        self._answers: Any = context.Queue()
        self._processes: list[SpawnProcess] = [
            context.Process(
                target=_work,
                args=(number, plan, run, self._begin, self._stop, self._answers),
                name=f"fleet-{number}",
                daemon=True,
            )
            for number, plan in enumerate(plans)
        ]

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [process.pid for process in self._processes if process.pid is not None]

    def start(self) -> None:
        """Start the processes; returns when every outbox is open and holds its backlog."""
        for process in self._processes:
            process.start()
        for _ in self._processes:
            self._answer(_START_TIMEOUT_S)

    def begin(self) -> None:
        """Connect the nodes and let them see."""
        self._begin.set()

    def stop(self) -> None:
        """Make nodes that see for ever end; :meth:`reports` follows."""
        self._stop.set()

    def is_done(self) -> bool:
        """True when every process has handed in its report, or has died."""
        return all(not item.is_alive() for item in self._processes)

    def reports(self) -> list[FleetReport]:
        """Wait until every process has ended by itself."""
        found: list[FleetReport] = [self._answer(None) for _ in self._processes]
        for process in self._processes:
            process.join()
        return found

    def kill(self) -> None:
        """End what still runs, at once."""
        for process in self._processes:
            if process.is_alive():
                process.kill()
            if process.pid is not None:
                process.join()

    def _answer(self, timeout_s: float | None) -> Any:
        left = timeout_s
        while left is None or left > 0:
            try:
                return self._answers.get(timeout=1.0)
            except queue.Empty:
                left = None if left is None else left - 1.0
                dead = [item.name for item in self._processes if item.exitcode not in (None, 0)]
                if dead:
                    break
        raise UserError(
            where="menshen simulate nodes",
            problem=f"a process of nodes ended or gave no answer ({', '.join(dead) or 'slow'})",
            remedy="see its message above; fewer nodes per machine may help",
        )


def _work(
    number: int,
    plan: FleetPlan,
    run: FleetRun,
    begin: ProcessEvent,
    stop: ProcessEvent,
    answers: Any,
) -> None:
    configure_logs(level="warning")
    # Ctrl-C reaches the whole group: the parent decides, so that reports are still written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    book = _Ledger(None if run.ledger is None else Path(f"{run.ledger}.{number}"))
    clock = SystemClock()
    fleet = Fleet(plan, clock, committed=lambda _node, event, _seq: book.note(event, clock))
    fleet.fill(run.backlog)
    answers.put("ready")
    begin.wait()
    stopping = threading.Event()
    threading.Thread(target=_pass_on, args=(stop, stopping), daemon=True).start()
    fleet.publish()
    fleet.watch(run.seconds, stopping)
    fleet.settle()
    left = fleet.drain(run.drain_s)
    fleet.close()
    book.close()
    answers.put(FleetReport(book.count, left))


def _pass_on(stop: ProcessEvent, stopping: threading.Event) -> None:
    stop.wait()
    stopping.set()


class _Ledger:
    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._file = None if path is None else path.open("w", encoding="utf-8")

    def note(self, event: str, clock: SystemClock) -> None:
        now = clock.now().timestamp()
        with self._lock:
            self.count += 1
            if self._file is not None:
                self._file.write(f"{event} {now:.6f}\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
