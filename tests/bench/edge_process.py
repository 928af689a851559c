"""The edge's worker as a process of its own that benchmarks start, ask and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from config.site import Gate
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.watching.group import GroupLimits
from tests.bench.processes import cpu_s, family, memory_mb

_ROOT: Final = Path(__file__).resolve().parents[2]
_ONLINE_S: Final = 300.0
_BARE: Final = "import edge.watching.child, sys; print('ready', flush=True); sys.stdin.read()"


class EdgeProcess:
    """A worker that watches simulated cameras; a context manager, ended on leaving.

    Args:
        folder: an empty one, for its files.
        servers: where each camera is served, by its name.
    """

    def __init__(
        self,
        folder: Path,
        sources: Sequence[CameraSource],
        servers: Mapping[str, RtspServer],
        gate: Gate,
    ) -> None:
        self._folder = folder
        self._cameras = len(sources)
        job = {
            "cameras": [
                {
                    "id": source.name,
                    "gate": gate.value,
                    "url": servers[source.name].url(source.name, "main"),
                    "sub_url": servers[source.name].url(source.name, "sub"),
                }
                for source in sources
            ]
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.edge_worker", str(folder / "job.json")], cwd=_ROOT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_online(self) -> None:
        """Until every camera sends pictures.

        Raises:
            RuntimeError: the worker ended, or some camera is not there after five minutes.
        """
        limit = time.monotonic() + _ONLINE_S
        while not (self._folder / "base.json").exists():
            if self._process.poll() is not None:
                raise RuntimeError("the worker under test ended before it began")
            time.sleep(0.1)
        while (online := self.state()["stages"]["online"]) < self._cameras:
            if time.monotonic() > limit:
                raise RuntimeError(f"only {online} of {self._cameras} cameras send pictures")
            time.sleep(0.5)

    def state(self) -> dict[str, Any]:
        """Processor seconds by stage, and how far behind it is, now.

        Raises:
            RuntimeError: it does not answer.
        """
        answer = self._folder / "state.json"
        answer.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        for _ in range(1200):
            if answer.exists():
                state: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
                return state
            time.sleep(0.05)
        raise RuntimeError("the worker under test does not answer")

    @property
    def pids(self) -> list[int]:
        """The worker and its decode children."""
        return family(self._process.pid)

    def cpu_s(self) -> float:
        """Processor time of all of them so far."""
        return cpu_s(self.pids)

    def memory_mb_per_camera(self) -> float:
        """Memory beyond what all cameras share.

        Shared are the worker with its networks at work, and for each group a decode child
        without a camera.
        """
        groups = -(-self._cameras // GroupLimits().cameras_per_group)
        base = json.loads((self._folder / "base.json").read_text(encoding="utf-8"))
        shared = float(base["memory_mb"]) + groups * _bare_child_mb()
        return (memory_mb(self.pids) - shared) / self._cameras

    def stop(self) -> None:
        """End it, and kill it if it will not; may be called twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def report(self) -> dict[str, Any]:
        """Its report, after :meth:`stop`."""
        report: dict[str, Any] = json.loads(
            (self._folder / "report.json").read_text(encoding="utf-8")
        )
        return report

    @property
    def events(self) -> Path:
        """The file of its events, a line of JSON each."""
        return self._folder / "events.jsonl"


def _bare_child_mb() -> float:
    child = subprocess.Popen(
        [sys.executable, "-c", _BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    assert child.stdout is not None
    child.stdout.readline()
    memory = memory_mb([child.pid])
    child.communicate()
    return memory
