"""Processor time and memory of a process and its children, from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """``pid`` and all its living descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _fields(int(entry.name))
            if parent is not None:
                parents.setdefault(int(parent[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += parents.get(one, [])
    return found


def _fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (proc(5): field 3 is index 0)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_s(pids: list[int]) -> float:
    """User and system time of the processes, and of children they have waited for, in s."""
    total = 0
    for pid in pids:
        fields = _fields(pid)
        if fields is not None:
            total += sum(int(value) for value in fields[11:15])
    return total / _TICKS


def memory_mb(pids: list[int]) -> float:
    """Memory in MB, shared pages counted once (the sum of proportional set sizes)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6
