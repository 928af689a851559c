"""Plays one loop against the clock and hands each picture to everyone who watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from config.clock import Clock
from config.logs import get_logger
from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit, EncodedLoop

_log = get_logger(__name__)

MAX_JOIN_WAIT_S = 4.0
"""A viewer waits this long for the next key picture; if it is further, the last one is sent."""
MAX_LAG_S = 5.0
"""A feed that fell this far behind the clock (a suspended machine) jumps to the present."""


class Viewer(Protocol):
    """A client that is being sent a feed."""

    def show(self, unit: AccessUnit) -> None:
        """Send one picture; its times count from the start of the feed's first pass."""


class Feed:
    """One stream of one camera. Costs nothing while nobody watches.

    The picture on air depends on the clock only, as with a real camera: viewers who join at
    different times see the same thing, and a main and a sub stream stay in step.

    Args:
        loop: what is played, for ever.
        epoch: ``clock.monotonic()`` of the loop's first tick.
        on_shown: called with the presentation time in ticks of each picture that a viewer got.
    """

    def __init__(
        self,
        loop: EncodedLoop,
        *,
        epoch: float,
        clock: Clock,
        on_shown: Callable[[int], None] | None = None,
    ) -> None:
        self.loop = loop
        self._epoch = epoch
        self._clock = clock
        self._on_shown = on_shown
        self._viewers: dict[Viewer, int] = {}
        self._next = 0
        self._task: asyncio.Task[None] | None = None

    def now_ticks(self) -> int:
        """The present in ticks since the epoch, never negative."""
        return max(0, round((self._clock.monotonic() - self._epoch) * TICKS_PER_SECOND))

    def first_position(self) -> int:
        """Where a viewer who joins now begins: a key picture, soon or just gone."""
        present = self.loop.position_at(self.now_ticks())
        ahead = self.loop.next_key(present)
        wait = self.loop.unit_at(ahead).send - self.now_ticks()
        if wait <= MAX_JOIN_WAIT_S * TICKS_PER_SECOND:
            return ahead
        return self.loop.last_key(present)

    def join(self, viewer: Viewer, position: int) -> None:
        """Start sending to ``viewer`` from ``position``; pictures already due are sent at once."""
        if self._task is None:
            self._next = self.loop.position_at(self.now_ticks())
            self._task = asyncio.get_running_loop().create_task(self._run())
        for due in range(position, self._next):
            viewer.show(self.loop.unit_at(due))
        self._viewers[viewer] = max(position, self._next)

    def leave(self, viewer: Viewer) -> None:
        """Stop sending to ``viewer``; does nothing if it does not watch."""
        self._viewers.pop(viewer, None)
        if not self._viewers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            unit = self.loop.unit_at(self._next)
            wait_s = (unit.send - self.now_ticks()) / TICKS_PER_SECOND
            if wait_s > 0:
                await asyncio.sleep(wait_s)
                continue
            if wait_s < -MAX_LAG_S:
                self._jump()
                continue
            self._send(unit)
            self._next += 1

    def _jump(self) -> None:
        self._next = self.loop.next_key(self.loop.position_at(self.now_ticks()))
        _log.warning("simulator_lagged", remedy="the machine was suspended or is overloaded")

    def _send(self, unit: AccessUnit) -> None:
        watching = [v for v, first in self._viewers.items() if first <= self._next]
        for viewer in watching:
            viewer.show(unit)
        if watching and self._on_shown is not None:
            self._on_shown(unit.show)
