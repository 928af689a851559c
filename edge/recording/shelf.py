"""Recorded segments on the disk: their names, and which go when a budget is used up."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from config.logs import get_logger

_LOG = get_logger(__name__)

_NAME = "%Y%m%dT%H%M%S.%fZ"
_OURS = re.compile(r"\d{8}T\d{6}\.\d{6}Z", re.ASCII)
_DAYS = "keep-days"
_DAY_S = 86_400.0


def segment_path(folder: Path, at_ms: int) -> Path:
    """A free name for a segment that begins at ``at_ms`` (Unix ms): its moment in UTC."""
    while (path := folder / f"{_moment(at_ms).strftime(_NAME)}.mp4").exists():
        at_ms += 1
    return path


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def began_s(segment: Path) -> float | None:
    """When a segment begins (Unix seconds); None: the file is none of ours.

    Asked of every file of a week when a segment is begun: it has to be quick.
    """
    with suppress(ValueError):
        if segment.suffix == ".mp4" and _OURS.fullmatch(segment.stem):
            return datetime.fromisoformat(segment.stem).timestamp()
    return None


def folder_of(node: Path) -> Path:
    """Where a node records, below the folder of its data."""
    return node / "recordings"


def days_of(folder: Path) -> int | None:
    """The days that one camera's folder keeps; None: it does not tell."""
    with suppress(OSError, ValueError):
        return int((folder / _DAYS).read_text(encoding="ascii"))
    return None


def segments(folder: Path) -> list[Path]:
    """The segments in one camera's folder, oldest first."""
    return sorted(path for path in folder.iterdir() if began_s(path) is not None)


class Shelf:
    """One camera's folder and its budgets. Its days are also written there: see :func:`expire`.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, budget_bytes: int, keep_days: int) -> None:
        self.folder = folder
        self._budget = budget_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / _DAYS).write_text(f"{keep_days}\n", encoding="ascii")
        self._kept: list[tuple[Path, int]] = []
        self.look()

    def look(self) -> None:
        """See what is there: others drop what is too old."""
        self._kept = []
        for path in segments(self.folder):
            with suppress(FileNotFoundError):
                self._kept.append((path, path.stat().st_size))

    def make_room(self, size: int, *, but: Path) -> None:
        """Drop the oldest segments so that ``size`` bytes in the file ``but`` fit the budget."""
        kept = [(path, was) for path, was in self._kept if path != but]
        total = size + sum(was for _, was in kept)
        while kept and total > self._budget:
            oldest, was = kept.pop(0)
            oldest.unlink(missing_ok=True)
            total -= was
            _LOG.debug("recorded segment dropped, budget used up", segment=oldest.name)
        self._kept = kept


def expire(root: Path, now_s: float) -> int:
    """Drop every segment that began longer ago than its camera's days; how many there were.

    Holds for cameras too that are recorded, or watched, no longer. ``root`` has a folder for
    each camera.
    """
    dropped = 0
    for days in root.glob(f"*/{_DAYS}"):
        try:
            before_s = now_s - int(days.read_text(encoding="ascii")) * _DAY_S
            # By name only: a week is ten thousand files, and whoever asks should look at pictures.
            before = _moment(max(0, int(before_s * 1000))).strftime(_NAME)
            for name in sorted(path.name for path in days.parent.iterdir()):
                if name >= before:
                    break
                if began_s(days.parent / name) is not None:
                    (days.parent / name).unlink(missing_ok=True)
                    dropped += 1
        except (OSError, ValueError) as error:
            _LOG.error("recording cannot be tidied", camera=days.parent.name, problem=str(error))
    if dropped:
        _LOG.info("recorded segments dropped, kept for their days", segments=dropped)
    return dropped
