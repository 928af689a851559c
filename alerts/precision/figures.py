"""Precision of a camera by kind, and proposals for zones, thresholds and hours: pure figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypeVar

from config.event import EventKind

FEWEST = 10
"""Verified alerts below which nothing is proposed: chance alone would do."""
WORTH = 0.3
"""A proposal must remove at least this share of the false alarms …"""
COST = 0.05
"""… and may lose at most this share of the right ones."""
_CELLS = 8
_LONGEST_HOURS = 10
_Choice = TypeVar("_Choice")
_Z = 1.96
"""Of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Case:
    """One verified alert. ``score`` is the reading's own confidence, ``centre`` in shares of the
    picture, ``hour`` 0 to 23 in local time.
    """

    camera: str
    kind: EventKind
    is_right: bool
    hour: int
    zone: str | None = None
    score: float | None = None
    centre: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change of the set-up, and what it would have done to the cases it was made from."""

    what: str
    """``threshold``, ``area``, ``hours`` or ``zone``."""
    zh: str
    en: str
    false_removed: int
    right_lost: int


@dataclass(frozen=True, slots=True)
class Precision:
    """Of a camera and kind: ``low`` and ``high`` bound the true share at 95 %."""

    camera: str
    kind: EventKind
    right: int
    false: int
    low: float
    high: float
    proposals: tuple[Proposal, ...]

    @property
    def share(self) -> float:
        """Right ones of all verified, 0 to 1."""
        return self.right / (self.right + self.false)


def precision(cases: Iterable[Case]) -> list[Precision]:
    """One line for each camera and kind that has cases, the most false alarms first."""
    groups: dict[tuple[str, EventKind], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.camera, case.kind].append(case)
    lines = [_line(camera, kind, found) for (camera, kind), found in groups.items()]
    return sorted(lines, key=lambda line: (-line.false, line.camera, line.kind))


def wilson(right: int, total: int) -> tuple[float, float]:
    """Bounds of a share at 95 % (Wilson 1927, score interval); (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    share, square = right / total, _Z * _Z
    middle = share + square / (2 * total)
    spread = _Z * sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    # Rounding must leave neither the share outside its bounds nor the bounds outside 0 to 1.
    return (
        max(0.0, min(share, (middle - spread) / scale)),
        min(1.0, max(share, (middle + spread) / scale)),
    )


def _line(camera: str, kind: EventKind, cases: Sequence[Case]) -> Precision:
    right = sum(case.is_right for case in cases)
    low, high = wilson(right, len(cases))
    found = (_threshold(cases), _area(cases), _hours(cases), _zone(cases))
    wanted = [one for one in found if one is not None] if len(cases) >= FEWEST else []
    order = sorted(wanted, key=lambda one: (-one.false_removed, one.right_lost))
    return Precision(camera, kind, right, len(cases) - right, low, high, tuple(order))


def _is_worth(cases: Sequence[Case], removed: Sequence[Case]) -> bool:
    false, lost = _split(removed)
    all_false, all_right = _split(cases)
    return false > 0 and false >= WORTH * all_false and lost <= COST * all_right


def _split(cases: Iterable[Case]) -> tuple[int, int]:
    """False and right ones."""
    counted = [0, 0]
    for case in cases:
        counted[case.is_right] += 1
    return counted[0], counted[1]


def _best(cases: Sequence[Case], choices: Iterable[tuple[_Choice, list[Case]]]) -> _Choice | None:
    """Of the choices that are worth it the one that removes most false alarms, else None."""
    best: tuple[int, int] | None = None
    answer: _Choice | None = None
    for choice, removed in choices:
        false, lost = _split(removed)
        if _is_worth(cases, removed) and (best is None or (false, -lost) > best):
            best, answer = (false, -lost), choice
    return answer


def _threshold(cases: Sequence[Case]) -> Proposal | None:
    scored = [case for case in cases if case.score is not None]
    if len(scored) < FEWEST:
        return None
    levels = [step / 100 for step in range(5, 100, 5)]
    chosen = _best(scored, ((level, _below(scored, level)) for level in levels))
    if chosen is None:
        return None
    false, lost = _split(_below(scored, chosen))
    return Proposal(
        "threshold",
        f"把置信度门槛提高到 {chosen:.2f}：可去掉 {false} 条误报，漏掉 {lost} 条真实告警",
        f"raise the threshold to {chosen:.2f}: {false} false alarms fewer, {lost} right ones lost",
        false,
        lost,
    )


def _below(cases: Iterable[Case], level: float) -> list[Case]:
    return [case for case in cases if case.score is not None and case.score < level]


def _area(cases: Sequence[Case]) -> Proposal | None:
    placed = [case for case in cases if case.centre is not None]
    if len(placed) < FEWEST:
        return None
    spans = [(a, b) for a in range(_CELLS) for b in range(a + 1, _CELLS + 1)]
    whole = (0, _CELLS)
    boxes = ((x, y) for x in spans for y in spans if (x, y) != (whole, whole))
    chosen = _best(placed, ((box, _inside(placed, *box)) for box in boxes))
    if chosen is None:
        return None
    (left, right), (top, bottom) = chosen
    false, lost = _split(_inside(placed, *chosen))
    x = f"{left / _CELLS:.0%}–{right / _CELLS:.0%}"
    y = f"{top / _CELLS:.0%}–{bottom / _CELLS:.0%}"
    return Proposal(
        "area",
        f"区域避开画面左起 {x}、上起 {y}：可去掉 {false} 条误报，漏掉 {lost} 条真实告警",
        f"leave {x} from the left, {y} from the top out of the zone: {false} false alarms fewer, "
        f"{lost} right ones lost",
        false,
        lost,
    )


def _inside(cases: Iterable[Case], x: tuple[int, int], y: tuple[int, int]) -> list[Case]:
    found = []
    for case in cases:
        if case.centre is None:
            continue
        column = min(int(case.centre[0] * _CELLS), _CELLS - 1)
        row = min(int(case.centre[1] * _CELLS), _CELLS - 1)
        if x[0] <= column < x[1] and y[0] <= row < y[1]:
            found.append(case)
    return found


def _hours(cases: Sequence[Case]) -> Proposal | None:
    spans = [(start, length) for length in range(1, _LONGEST_HOURS + 1) for start in range(24)]
    chosen = _best(cases, ((span, _within(cases, *span)) for span in spans))
    if chosen is None:
        return None
    start, length = chosen
    false, lost = _split(_within(cases, start, length))
    end = (start + length) % 24
    return Proposal(
        "hours",
        f"{start:02d}:00 至 {end:02d}:00 不告警：可去掉 {false} 条误报，漏掉 {lost} 条真实告警",
        f"no alerts from {start:02d}:00 to {end:02d}:00: {false} false alarms fewer, "
        f"{lost} right ones lost",
        false,
        lost,
    )


def _within(cases: Iterable[Case], start: int, length: int) -> list[Case]:
    return [case for case in cases if (case.hour - start) % 24 < length]


def _zone(cases: Sequence[Case]) -> Proposal | None:
    zones = sorted({case.zone for case in cases if case.zone is not None})
    by_zone = [(zone, [case for case in cases if case.zone == zone]) for zone in zones]
    chosen = _best(cases, by_zone) if len(by_zone) > 1 else None
    if chosen is None:
        return None
    false, lost = _split(case for case in cases if case.zone == chosen)
    return Proposal(
        "zone",
        f"重画或去掉区域“{chosen}”：可去掉 {false} 条误报，漏掉 {lost} 条真实告警",
        f"redraw zone {chosen} or drop it: {false} false alarms fewer, {lost} right ones lost",
        false,
        lost,
    )
