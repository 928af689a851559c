"""Writes down what the cameras really showed, and when: the yardstick of a demonstration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from config.clock import Clock
from config.errors import UserError
from edge.simulator.loop import TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Appearance:
    """Something that a loop shows once per pass.

    Attributes:
        camera: the camera's id.
        index: counts the appearances of the camera's loop from 0.
        text: the plate without dot or space; empty for a face.
        kind: what a reader would find.
        first_s: seconds from the loop's start at which it can first be seen.
        last_s: the same for the last time.
        best_s: when it is largest inside the picture.
        box: x, y, width, height in main-stream pixels at ``best_s``.
        legible: whether it is ever large enough to be read or detected.
        plate_kind: the kind of GA 36-2018 (``models.plates.grammar.PlateKind``); empty for a face.
    """

    camera: str
    index: int
    text: str
    kind: Literal["plate", "face"]
    first_s: float
    last_s: float
    best_s: float
    box: tuple[float, float, float, float]
    legible: bool = True
    plate_kind: str = ""


@dataclass(slots=True)
class _Showing:
    began: datetime
    until: datetime
    from_s: float
    to_s: float


class TruthLog:
    """Appends one JSON line per appearance per pass, when it has gone or the server stops.

    Only pictures that somebody was sent count. Keys of a line: ``object`` (unique per pass),
    ``camera``, ``kind``, ``text``, ``plate_kind``, ``legible``, ``box``, ``shown_from`` and
    ``shown_until`` (UTC, ISO 8601), ``complete`` (shown from its first moment to its last) and
    ``best_shown`` (its largest moment was shown).

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[tuple[str, int, int], tuple[Appearance, _Showing]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(
                where=str(path),
                problem=f"the truth log cannot be written ({error.strerror})",
                remedy="give a path in a folder that you may write to",
            ) from None

    def shown(
        self, appearances: Sequence[Appearance], *, ticks: int, loop_ticks: int, fps: float
    ) -> None:
        """A picture was sent to at least one viewer.

        Args:
            appearances: everything in the camera's loop.
            ticks: the picture's time since the start of the first pass.
            loop_ticks: the length of one pass.
            fps: pictures per second; a step longer than two pictures is a gap.
        """
        turn, rest = divmod(ticks, loop_ticks)
        second, now = rest / TICKS_PER_SECOND, self._clock.now()
        for item in appearances:
            key = (item.camera, turn, item.index)
            if item.first_s <= second <= item.last_s:
                self._extend(key, item, second, now)
        self._close_gone(appearances, turn, second, 1.5 / fps)

    def _extend(
        self, key: tuple[str, int, int], item: Appearance, second: float, now: datetime
    ) -> None:
        if key in self._open:
            showing = self._open[key][1]
            showing.until, showing.to_s = now, max(showing.to_s, second)
        else:
            self._open[key] = (item, _Showing(now, now, second, second))

    def _close_gone(
        self, appearances: Sequence[Appearance], turn: int, second: float, step: float
    ) -> None:
        cameras = {item.camera for item in appearances}
        for key, (item, _) in list(self._open.items()):
            if key[0] in cameras and (key[1] != turn or second > item.last_s):
                self._write(key, step)

    def _write(self, key: tuple[str, int, int], step: float) -> None:
        item, showing = self._open.pop(key)
        facts = asdict(item)
        line = {name: facts[name] for name in ("camera", "kind", "text", "plate_kind", "legible")}
        line |= {
            "object": f"{item.camera}/{key[1]}/{item.index}",
            "box": [round(value, 1) for value in item.box],
            "shown_from": showing.began.isoformat(),
            "shown_until": showing.until.isoformat(),
            "complete": (
                showing.from_s <= item.first_s + step and showing.to_s >= item.last_s - step
            ),
            "best_shown": showing.from_s <= item.best_s <= showing.to_s + step,
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Write what is still being shown, and close the file."""
        for key in list(self._open):
            self._write(key, 0.0)
        self._file.close()
