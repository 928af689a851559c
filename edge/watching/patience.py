"""Tells a hung decode child from one that only waits for a processor."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LONGEST_LOOK_S = 1.0
_QUIET_S = 3.0
"""A silence this short is no silence yet."""
_SHARE = 0.5
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Effort:
    """Whether something wants to run just now, and the seconds of processor time it has had."""

    ready: bool
    cpu_s: float


def effort_of(pid: int, thread: int | None = None) -> Effort:
    """Of a thread of a process, or of all its threads (proc_pid_stat(5)); none of what is gone.

    A process is ready when one of its threads is: the others may wait for what that one holds.
    """
    tasks = Path(f"/proc/{pid}/task")
    try:
        folders = list(tasks.iterdir()) if thread is None else [tasks / str(thread)]
        found = [_task(folder / "stat") for folder in folders]
    except OSError:
        return Effort(ready=False, cpu_s=0.0)
    return Effort(any(one.ready for one in found), sum(one.cpu_s for one in found))


def _task(file: Path) -> Effort:
    # The name in brackets may hold anything, brackets too.
    values = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return Effort(values[0] == "R", (int(values[11]) + int(values[12])) / _TICKS_PER_SECOND)


class Patience:
    """Measures how long a child has been silent although it could have run.

    Two things are excused, for at most ``excuse_s`` of one silence: time in which the child was
    ready to run and had less than half of a processor, and time in which nobody looked because
    the watchdog itself had no processor. A child that sleeps, is stopped, or spins on a
    processor of its own has no excuse.
    """

    def __init__(self, excuse_s: float) -> None:
        self._most_s = excuse_s
        self._alive_s = self._looked_s = self._excused_s = 0.0
        self._before: Effort | None = None

    def restarted(self, now_s: float) -> None:
        """A new child: nothing is held against it."""
        self._alive_s = self._looked_s = now_s
        self._excused_s, self._before = 0.0, None

    def silence_s(self, now_s: float, alive_s: float, effort: Callable[[], Effort]) -> float:
        """Seconds since the sign of life at ``alive_s`` that nothing excuses.

        Call it a few times a second; ``effort`` is asked only of a child that is silent.
        """
        if alive_s > self._alive_s:
            self._alive_s, self._excused_s = alive_s, 0.0
        elapsed = now_s - max(self._looked_s, self._alive_s)
        self._looked_s = now_s
        silent = now_s - self._alive_s
        if silent <= _QUIET_S:
            self._before = None
            return silent
        lag = max(0.0, elapsed - _LONGEST_LOOK_S)
        before, self._before = self._before, effort()
        if before is not None and self._before.ready:
            had = self._before.cpu_s - before.cpu_s
            # Of another thread than the last time it may have had less than nothing: no excuse.
            if 0 <= had < _SHARE * elapsed:
                lag = elapsed
        self._excused_s = min(self._excused_s + lag, self._most_s)
        return silent - self._excused_s
