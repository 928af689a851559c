"""Reads from /proc what processes and their children have used: processor time and memory."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """``pid`` and all of its descendants that run."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for listing in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                todo += [int(child) for child in listing.read_text().split()]
            except OSError:
                continue
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of ``pids`` and of their children that have ended, in seconds."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15])
    return total / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory in MB; 0 when the process is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
