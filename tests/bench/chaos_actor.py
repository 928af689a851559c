"""One process that chaos kills, and starts again whenever it has ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from tests.bench import nursery
from tests.bench.nursery import Program

_RESTART_AFTER_S = 0.5


@dataclass(slots=True)
class Actor:
    """A process that is started again whenever it has ended, killed or not."""

    program: Program
    environment: dict[str, str] = field(default_factory=dict)
    reads: Callable[[str], None] = lambda _line: None
    process: BaseProcess | None = None
    started_at: float = 0.0
    is_ready: bool = False
    """It has printed a line since its start: it works."""
    may_end: bool = False
    """It has done its work when it ends with 0."""
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it."""
        self.started_at = time.monotonic()
        self.is_ready = False
        self.process, output = nursery.start(self.program, self.environment)
        self._reader = threading.Thread(target=self._read, args=(output,))
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.process.pid if self.process is not None and self.process.is_alive() else None

    def is_due(self) -> bool:
        """True when it has ended, and not just after its start."""
        is_over = self.pid is None and not self.is_done()
        return is_over and time.monotonic() - self.started_at > _RESTART_AFTER_S

    def is_done(self) -> bool:
        """True when it has ended because its work was done."""
        return self.may_end and self.process is not None and self.process.exitcode == 0

    def send(self, number: int) -> bool:
        """Send it a signal; False when it does not run."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, number)
        return True

    def kill(self) -> bool:
        """``kill -9``; True when it ran. What it has printed is read to the end."""
        was_running = self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.join()
        if self._reader is not None:
            self._reader.join()
        return was_running

    def has_handlers(self) -> bool:
        """True once it catches SIGUSR1 and SIGUSR2, which would end it before."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1)

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.is_ready = True
                if line.endswith("\n"):  # the last line of a killed process may be cut short
                    self.reads(line)
