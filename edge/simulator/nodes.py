"""Runs many nodes in one process, without pictures, with the real outbox and publisher of each."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from config.clock import Clock
from config.logs import get_logger
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from edge.simulator.node_events import make_event
from edge.simulator.traffic import Traffic

log = get_logger(__name__)

_TICK_S = 0.02
_POLL_S = 0.05
_MOST_UNCOMMITTED = 20_000
"""A generator this far ahead of its disks waits for them."""

Committed = Callable[[str, str, int], None]
"""Told node, event id and number of an event as soon as it is durable, in a committer's thread."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Which nodes, how many cameras each, and what they see.

    Args:
        nodes: name and number of cameras of each node.
        rate: events a second of all of these nodes together, on average.
        folder: one outbox per node is kept here.
    """

    nodes: tuple[tuple[str, int], ...]
    rate: float
    folder: Path
    broker_url: str
    county: str = "demo"
    seed: int = 1
    day_s: float | None = None
    thumbnail_bytes: int = 0
    budget_bytes: int = 512 * 1024 * 1024

    def split(self, parts: int) -> tuple[FleetPlan, ...]:
        """The same county as at most ``parts`` plans with about as many cameras each."""
        shares = [self.nodes[start::parts] for start in range(parts)]
        whole = sum(cameras for _, cameras in self.nodes)
        return tuple(
            replace(
                self,
                nodes=share,
                rate=self.rate * sum(cameras for _, cameras in share) / whole,
                seed=self.seed + number,
            )
            for number, share in enumerate(shares)
            if share
        )


def node_names(nodes: int, cameras: int) -> tuple[tuple[str, int], ...]:
    """``nodes`` names with ``cameras`` shared out among them, at least one each."""
    each, over = divmod(max(cameras, nodes), nodes)
    return tuple((f"node-{n + 1:04d}", each + (n < over)) for n in range(nodes))


class Fleet:
    """The nodes of one plan: open, fill, publish, drain, close."""

    def __init__(
        self, plan: FleetPlan, clock: Clock, committed: Committed = lambda _n, _e, _s: None
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._committed = committed
        self._chance = random.Random(plan.seed)
        self._eyes = [
            (node, f"{node}-cam-{camera + 1:02d}")
            for node, cameras in plan.nodes
            for camera in range(cameras)
        ]
        self._unfinished = threading.Semaphore(_MOST_UNCOMMITTED)
        self.outboxes = {
            node: Outbox.open(
                plan.folder / f"{node}.sqlite",
                node=node,
                clock=clock,
                budget_bytes=plan.budget_bytes,
            )
            for node, _ in plan.nodes
        }
        self._publishers: list[Publisher] = []

    def publish(self) -> None:
        """Connect every node."""
        for node, outbox in self.outboxes.items():
            publisher = Publisher(
                outbox=outbox,
                broker_url=self._plan.broker_url,
                county=self._plan.county,
                node=node,
                clock=self._clock,
            )
            self._publishers.append(publisher)
            publisher.start()

    def fill(self, events: int) -> None:
        """Commit ``events`` events, spread over the cameras; returns when all are durable."""
        for number in range(events):
            self._see(number % len(self._eyes))
        self.settle()

    def watch(self, seconds: float | None, stopping: threading.Event) -> None:
        """See events at the plan's rate until ``stopping``, or for ``seconds``."""
        traffic = Traffic(
            len(self._eyes), self._plan.rate, seed=self._plan.seed, day_s=self._plan.day_s
        )
        started, done = self._clock.monotonic(), 0.0
        while not stopping.is_set() and (seconds is None or done < seconds):
            now = min(self._clock.monotonic() - started, math.inf if seconds is None else seconds)
            # A process that was held up makes up for it: the rate is what was asked for.
            for camera in traffic.between(done, now):
                self._see(camera)
            done = now
            self._clock.wait(stopping, _TICK_S)

    def settle(self) -> None:
        """Wait until everything seen so far is durable, or refused by its disk."""
        for _ in range(_MOST_UNCOMMITTED):
            self._unfinished.acquire()
        self._unfinished.release(_MOST_UNCOMMITTED)

    def pending(self) -> int:
        """Events that wait for their receipts."""
        return sum(outbox.pending() for outbox in self.outboxes.values())

    def drain(self, seconds: float) -> int:
        """Wait up to ``seconds`` for receipts; how many events still wait."""
        until = self._clock.monotonic() + seconds
        never = threading.Event()
        while (left := self.pending()) and self._clock.monotonic() < until:
            self._clock.wait(never, _POLL_S)
        return left

    def close(self) -> None:
        """Disconnect and close everything; what has no receipt stays in the outboxes."""
        for publisher in self._publishers:
            publisher.stop()
        for outbox in self.outboxes.values():
            outbox.close()

    def _see(self, camera: int) -> None:
        node, name = self._eyes[camera]
        event = make_event(
            self._chance,
            node=node,
            camera=name,
            now=self._clock.now(),
            thumbnail_bytes=self._plan.thumbnail_bytes,
        )
        self._unfinished.acquire()

        def done(result: Future[int]) -> None:
            self._unfinished.release()
            error = result.exception()
            if error is None:
                self._committed(node, event.id, result.result())
            else:
                log.error("event not kept", node=node, why=str(error))

        self.outboxes[node].submit(event).add_done_callback(done)
