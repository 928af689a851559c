"""Compares what two gates saw of the same loop: which visits both told, and how soon."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from config.event import Event, EventKind
from edge.simulator.source import CameraSource

SLACK_S = 1.5
"""Two gates look at different pictures of one object, so its visit begins a little apart."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One visit, in seconds of its camera's loop; ``told_s`` when it was first told.

    ``at_s``: when it began, in seconds since the loops began to play.
    """

    camera: str
    kind: str
    start_s: float
    end_s: float
    told_s: float
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """``recall`` of the reference's visits, and the delay of the first telling in ms (median)."""

    expected: int
    found: int
    delay_ms_p50: float | None

    @property
    def recall(self) -> float | None:
        """0 to 1; None when there was nothing to find."""
        return None if self.expected == 0 else self.found / self.expected


def compare(reference: Sequence[Seen], visits: Sequence[Seen]) -> Score:
    """How much of ``reference`` is in ``visits``; each of these answers for one visit only.

    Something that moves is told as motion only while it has shown neither face nor plate. So a
    motion of the reference is found as well in a face or plate told at that time which answers
    for no face or plate of the reference. The delay counts from the start of the visit as the
    reference saw it.
    """
    left = list(visits)
    delays: list[float] = []
    moved: list[Seen] = []
    for wanted in sorted(reference, key=lambda seen: seen.start_s):
        told_s = _take(wanted, left, kinds={wanted.kind})
        if told_s is not None:
            delays.append(1000 * (told_s - wanted.start_s))
        elif wanted.kind == EventKind.MOTION:
            moved.append(wanted)
    for wanted in moved:
        told_s = _take(wanted, left, kinds={EventKind.FACE, EventKind.PLATE})
        if told_s is not None:
            delays.append(1000 * (told_s - wanted.start_s))
    return Score(len(reference), len(delays), round(median(delays), 1) if delays else None)


def _take(wanted: Seen, left: list[Seen], *, kinds: Container[str]) -> float | None:
    """When the visit of one of ``kinds`` nearest to ``wanted`` was told; it is taken out."""
    near = [seen for seen in left if seen.kind in kinds and _same(wanted, seen)]
    if not near:
        return None
    best = min(near, key=lambda seen: abs(seen.start_s - wanted.start_s))
    left.remove(best)
    return best.told_s


def _same(first: Seen, second: Seen) -> bool:
    return (
        first.camera == second.camera
        and first.start_s <= second.end_s + SLACK_S
        and second.start_s <= first.end_s + SLACK_S
    )


def read_visits(file: Path, *, sources: Sequence[CameraSource], epoch: float) -> list[Seen]:
    """The visits in a file of events as the worker under test writes it.

    Args:
        sources: the cameras, whose loops began to play at ``epoch`` (Unix seconds).
    """
    begins: dict[str, tuple[Event, float]] = {}
    ends: dict[str, float] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        event = Event.model_validate_json(item["event"])
        if event.health is None:
            begins.setdefault(event.visit, (event, item["told_at"]))
            ends[event.visit] = (event.ended_at or event.captured_at).timestamp()
    lengths = {source.name: source.main.seconds for source in sources}
    seen = []
    for visit, (event, told) in begins.items():
        at = event.started_at.timestamp() - epoch
        turn = at - at % lengths[event.camera]
        seen.append(
            Seen(
                event.camera,
                event.kind.value,
                at - turn,
                ends[visit] - epoch - turn,
                told - epoch - turn,
                at,
            )
        )
    return seen
