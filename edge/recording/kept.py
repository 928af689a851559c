"""What is recorded on a node's disk: how much of each camera, and from when to when."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.clock import Clock
from edge.recording.shelf import began_s, days_of, segments

LOOK_EVERY_S = 30.0
"""A week of one camera is ten thousand files: they are not counted for every question."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The recording of one camera; times are Unix seconds at which a segment begins."""

    camera: str
    segments: int
    bytes: int
    oldest_s: float
    newest_s: float
    keep_days: int | None
    """None: its note of them is gone, and nothing is dropped for its age."""


def kept(root: Path) -> list[Kept]:
    """Every camera with a segment below ``root``, recorded now or once; by name."""
    if not root.is_dir():
        return []
    found = (_kept(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
    return [item for item in found if item is not None]


def _kept(folder: Path) -> Kept | None:
    paths, size = segments(folder), 0
    if not paths:
        return None
    for path in paths:
        with suppress(FileNotFoundError):  # dropped meanwhile
            size += path.stat().st_size
    return Kept(
        camera=folder.name,
        segments=len(paths),
        bytes=size,
        oldest_s=began_s(paths[0]) or 0.0,
        newest_s=began_s(paths[-1]) or 0.0,
        keep_days=days_of(folder),
    )


class Stock:
    """What is kept below ``root``, looked at anew twice a minute at most. None: nothing ever is."""

    def __init__(self, root: Path | None, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._looked_s: float | None = None
        self._kept: list[Kept] = []

    def report(self) -> dict[str, dict[str, float]]:
        """By camera: ``segments``, ``bytes``, and ``oldest_age_s``; for metrics."""
        now_s = self._clock.monotonic()
        if self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S:
            self._kept = [] if self._root is None else kept(self._root)
            self._looked_s = now_s
        unix_s = self._clock.now().timestamp()
        return {
            item.camera: {
                "segments": item.segments,
                "bytes": item.bytes,
                "oldest_age_s": round(max(0.0, unix_s - item.oldest_s), 1),
            }
            for item in self._kept
        }
