"""What a soak may not lose: visits that a camera with the machine to itself tells every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from config.site import Gate
from edge.simulator.loop import EncodedLoop
from edge.simulator.source import CameraSource
from models.core import VisionCore
from tests.bench.edge_recall import Watching
from tests.bench.edge_score import SLACK_S, Seen, compare
from tests.bench.edge_streams import PIECE_S, STILL_S, Footage, chain
from tests.bench.places import model_store
from tests.bench.report import one_thread

PASSES: Final = 6
_TOLD_S: Final = 20.0
"""A visit that ends so soon before the end of a run may be told after it."""


def sure_visits(found: Footage, *, passes: int = PASSES) -> list[list[Seen]]:
    """The visits of each piece, in seconds from its beginning, that every pass tells.

    Each piece is played ``passes`` times in stream time, so that nothing is ever late; the looks
    at the small stream fall on other pictures each time. What is told of some passes only, such as
    half a second of a car that the cut of the piece begins with, is nobody's loss.
    """
    one_thread()
    store = model_store(None)
    sure = []
    with VisionCore.open(models_dir=store.models_dir, mirror=store.mirror) as vision:
        for piece in found.pieces:
            order = [found.still, piece] * passes + [found.still]
            main, sub = chain(order, "main"), chain(order, "sub")
            turn_s = STILL_S + piece["main"].seconds
            told = Watching(vision).run(Gate.SUBSTREAM, main, sub)
            sure.append(_in_all(told, turn_s=turn_s, passes=passes))
    return sure


def _in_all(told: Sequence[Seen], *, turn_s: float, passes: int) -> list[Seen]:
    turns: list[list[Seen]] = [[] for _ in range(passes)]
    for one in told:
        turn = min(int(one.start_s // turn_s), passes - 1)
        turns[turn].append(moved(one, -turn * turn_s - STILL_S))
    fewest = min(turns, key=len)
    return [one for one in fewest if all(compare([one], turn).found for turn in turns)]


def moved(one: Seen, seconds: float) -> Seen:
    """The same visit so much later."""
    return replace(
        one,
        start_s=one.start_s + seconds,
        end_s=one.end_s + seconds,
        told_s=one.told_s + seconds,
    )


def losses(
    seen: Sequence[Seen],
    sure: Mapping[str, tuple[float, Sequence[Seen]]],
    loops: Mapping[str, EncodedLoop],
    *,
    start_s: float,
    end_s: float,
) -> tuple[int, int]:
    """How many visits had to be told between two moments, and how many of them were not.

    Args:
        seen: what was told.
        sure: of each camera where in its loop the piece begins, and that piece's visits.
        loops: what each camera shows again and again; times count from when they began to play.
    """
    expected = lost = 0
    for name, (offset_s, visits) in sure.items():
        length_s = loops[name].seconds
        mine = [moved(one, one.at_s - one.start_s) for one in seen if one.camera == name]
        for turn in range(int(end_s // length_s) + 1):
            begins_s = turn * length_s + offset_s
            if begins_s < start_s or begins_s + PIECE_S + _TOLD_S > end_s:
                continue
            wanted = [replace(moved(one, begins_s), camera=name) for one in visits]
            near = [one for one in mine if abs(one.start_s - begins_s) < PIECE_S + SLACK_S]
            score = compare(wanted, near)
            expected += score.expected
            lost += score.expected - score.found
    return expected, lost


def sure_of(
    sources: Sequence[CameraSource], offsets_s: Sequence[float], pieces: Sequence[list[Seen]]
) -> dict[str, tuple[float, Sequence[Seen]]]:
    """For :func:`losses`: cameras show the pieces in turn, each at its own place in its loop."""
    return {
        source.name: (offset_s, pieces[number % len(pieces)])
        for number, (source, offset_s) in enumerate(zip(sources, offsets_s, strict=True))
    }
