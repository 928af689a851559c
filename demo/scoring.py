"""Compares the plates that were read with those the rendered scenes really showed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from models.plates.reading import characters_apart

CLOCK_SLACK = timedelta(seconds=2)
"""A frame's time is its arrival at the edge, later than its sending by what buffers hold."""

LEAST_SHOWN = timedelta(seconds=1)
"""Of what left sooner after the stream began, a node that has just connected may have got no
whole picture."""

MOST_MISREAD = 2
"""Characters by which a read may differ from a plate and be of that one."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """One object that a simulated camera showed, in wall-clock time (UTC)."""

    camera: str
    object_id: str
    kind: str
    text: str
    shown_from: datetime
    shown_until: datetime
    best_shown: bool = True
    """Somebody was sent the moment at which it was largest."""
    legible: bool = True
    """It was ever large enough in the picture to be read."""


@dataclass(frozen=True, slots=True)
class PlateVisit:
    """What the store holds of one plate's visit: the text of its last revision."""

    camera: str
    text: str
    started_at: datetime
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class PlateScore:
    """``exact`` of ``expected`` plates were read without a wrong character.

    ``wrong`` counts reads of plates that were shown, with another text; ``invented`` counts
    reads at a time when the camera showed no plate at all.
    """

    expected: int
    exact: int
    wrong: int
    invented: int


def load_truth(path: Path) -> list[Appearance]:
    """The truth log of ``menshen simulate --truth``: one JSON object per line.

    A last line cut short by the end of the simulator is left out.
    """
    appearances: list[Appearance] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        appearances.append(
            Appearance(
                camera=entry["camera"],
                object_id=str(entry["object"]),
                kind=entry["kind"],
                text=entry["text"],
                shown_from=datetime.fromisoformat(entry["shown_from"]),
                shown_until=datetime.fromisoformat(entry["shown_until"]),
                best_shown=entry["best_shown"],
                legible=entry["legible"],
            )
        )
    return appearances


def score_plates(
    appearances: Iterable[Appearance], visits: Sequence[PlateVisit], *, until: datetime
) -> PlateScore:
    """Score the plates that had been shown at their largest and were gone before ``until``.

    Those that left before or just as watching began, were still there when it ended, or were never
    large enough to be read are not expected; a read of one of them is neither right nor wrong.
    """
    plates = [item for item in appearances if item.kind == "plate"]
    whole = [item for item in plates if _is_expected(item, until)]
    exact = sum(any(_is_read(item, visit) for visit in visits) for item in whole)
    wrong = invented = 0
    for visit in visits:
        beside = [item for item in plates if _overlaps(item, visit)]
        if any(item.text == visit.text for item in beside):
            continue
        if any(_resembles(item.text, visit.text) for item in beside if item not in whole):
            continue
        if beside:
            wrong += 1
        else:
            invented += 1
    return PlateScore(expected=len(whole), exact=exact, wrong=wrong, invented=invented)


def _is_expected(item: Appearance, until: datetime) -> bool:
    long_enough = item.shown_until - item.shown_from >= LEAST_SHOWN
    return item.best_shown and item.legible and long_enough and item.shown_until <= until


def _is_read(item: Appearance, visit: PlateVisit) -> bool:
    return item.text == visit.text and _overlaps(item, visit)


def _resembles(text: str, other: str) -> bool:
    return len(text) == len(other) and characters_apart(text, other) <= MOST_MISREAD


def _overlaps(item: Appearance, visit: PlateVisit) -> bool:
    return (
        item.camera == visit.camera
        and item.shown_from - CLOCK_SLACK <= visit.captured_at <= item.shown_until + CLOCK_SLACK
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)
    return ordered[min(rank, len(ordered) - 1)]
