"""Child processes of the demo: started with their own log, watched, and stopped for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import UserError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Process:
    """One ``menshen …`` command running beside the demo.

    Its standard output and error go to ``log``, so that a failure can be shown in its own words.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command with the demo's own interpreter."""
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "menshen", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    @property
    def pid(self) -> int | None:
        """The child's process id, None before :meth:`start`."""
        return None if self._child is None else self._child.pid

    def check(self) -> None:
        """Raise when the command has ended although nobody asked it to.

        Raises:
            UserError: with the last lines of its log.
        """
        if self._child is not None and self._child.poll() is not None:
            raise UserError(
                where=f"menshen {' '.join(self.arguments[:2])}",
                problem=f"ended by itself with code {self._child.returncode}:\n{self.tail()}",
                remedy=f"read its whole log in {self.log}",
            )

    def tail(self, lines: int = 12) -> str:
        """The last lines of the log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """Send SIGTERM, without waiting."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def stop(self, *, patience_s: float = 20) -> int | None:
        """Ask the command to end, insist after ``patience_s`` seconds; returns its exit code."""
        if self._child is None:
            return None
        self.ask_to_stop()
        try:
            self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        return self._child.returncode
