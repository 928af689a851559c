"""Float or 8-bit: which of two networks that answer alike is faster on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.letterbox import MULTIPLE
from models.plates.rectify import STRIP_HEIGHT, STRIP_WIDTH
from models.session import Session

Precision = Literal["auto", "float", "int8"]
"""``auto`` measures: 8-bit layers gain on a CPU with VNNI and lose on one without or with AMX."""
ROUNDS: Final = 5
MARGIN: Final = 0.03
"""The 8-bit network stays unless the float one takes so much less; a tie is no coin toss."""
_known: dict[tuple[object, ...], bool] = {}
"""Whether the float one was faster: a process that opens a core again does not measure again."""


def float_is_faster(
    integer: Session,
    plain: Session,
    *,
    long_side: int = 640,
    threads: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> bool:
    """Runs both in turns, five times after a first one, and compares the shortest times.

    Args:
        integer: the 8-bit network, a detector or the plate reader.
        plain: the float one that it was made from.
        long_side: pixels of the wide picture that a detector is tried on.
        threads: inside each network; part of what the answer is remembered by.
        clock: seconds.
    """
    key = (integer.sha256, plain.sha256, long_side, threads)
    if key not in _known:
        own, other = _shortest((plain, integer), _example(plain, long_side), clock)
        _known[key] = own < other * (1 - MARGIN)
    return _known[key]


def _shortest(
    sessions: tuple[Session, Session],
    feeds: Mapping[str, NDArray[Any]],
    clock: Callable[[], float],
) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for session, taken in zip(sessions, times, strict=True):
            started = clock()
            session.run(feeds)
            taken.append(clock() - started)
    # The first run of each also finds and fills its memory.
    return min(times[0][1:]), min(times[1][1:])


def _example(session: Session, long_side: int) -> dict[str, NDArray[Any]]:
    """Grey input of the size that a network is mostly given: a wide picture, eight strips."""
    sizes = {
        "images": (1, max(MULTIPLE, long_side * 3 // 5 // MULTIPLE * MULTIPLE), long_side, 3),
        "plates": (8, STRIP_HEIGHT, STRIP_WIDTH, 3),
    }
    (name,) = session.input_shapes
    return {name: np.full(sizes[name], 128, np.uint8)}
