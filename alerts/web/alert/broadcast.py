"""Broadcaster: one waiting thread per process wakes every open stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from alerts.service import AlertService, StreamItem, Viewer
from config.logs import get_logger

T = TypeVar("T")

WAIT_S = 0.5
"""The longest a wait blocks its thread, and so the longest a stop takes."""
READERS = 4
"""Threads that read the database for all streams together."""
BATCH = 200
"""Alerts read at once; a stream that is further behind reads again."""
PACE_S = 0.05
"""The least time between two wakes: a burst of changes is read once, not change by change."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one read brought; the next read goes on from ``upto``."""

    items: list[StreamItem]
    upto: int


class Broadcaster:
    """Watches the stream position of the centre and reads changes for the open streams.

    Clients wait on one :class:`asyncio.Condition`, so a thousand of them hold no thread. Reads
    of the same viewer at the same position share one query. Lives in one event loop, between
    :meth:`start` and :meth:`close`.
    """

    def __init__(self, service: AlertService) -> None:
        self._service = service
        self._moved = asyncio.Condition()
        self._position = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._waiter: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self.open_streams: Counter[str] = Counter()
        """How many streams each session has open; only the event loop touches it."""
        self._reads: dict[tuple[Viewer, int], asyncio.Future[Changes]] = {}

    @property
    def running(self) -> bool:
        """True while positions are watched."""
        return self._task is not None and not self._task.done() and not self._closed

    @property
    def closed(self) -> bool:
        """True when the streams have been asked to end."""
        return self._closed

    @property
    def position(self) -> int:
        """The newest position seen so far."""
        return self._position

    async def start(self) -> None:
        """Begin to watch."""
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="web-wait")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="web-read")
        self._position = await self.call(self._service.position)
        self._task = asyncio.create_task(self._watch(), name="web-broadcast")

    async def end(self) -> None:
        """Ask every stream to end; clients reconnect to where they were."""
        self._closed = True
        async with self._moved:
            self._moved.notify_all()

    async def close(self) -> None:
        """End every stream and stop watching."""
        await self.end()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for pool in (self._waiter, self._readers):
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a blocking read in one of the few reader threads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function)

    async def wait(self, after: int, timeout_s: float) -> bool:
        """True once the position is above ``after``; False after ``timeout_s`` or at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._closed or self._position > after)
        return not self._closed and self._position > after

    async def read(self, viewer: Viewer, after: int) -> Changes:
        """Changes above ``after`` that the viewer may see, at most :data:`BATCH` of them."""
        key = (viewer, after)
        shared = self._reads.get(key)
        if shared is None:
            # Taken before the read: a change committed meanwhile may be above what is read.
            shared = asyncio.ensure_future(self.call(partial(self._read, key, self._position)))
            self._reads[key] = shared
            shared.add_done_callback(lambda _: self._reads.pop(key, None))
        # One client that hangs up must not cancel the read the others wait for.
        return await asyncio.shield(shared)

    def _read(self, key: tuple[Viewer, int], seen: int) -> Changes:
        viewer, after = key
        items = self._service.stream(viewer, after=after, limit=BATCH)
        last = items[-1].position if items else after
        return Changes(items, last if len(items) == BATCH else max(last, seen))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            try:
                moved = await loop.run_in_executor(
                    self._waiter, self._service.wait, self._position, WAIT_S
                )
                position = await self.call(self._service.position) if moved else self._position
            except Exception as error:  # noqa: BLE001 - a database that is away comes back
                _log.warning("cannot read the stream position", reason=type(error).__name__)
                await asyncio.sleep(WAIT_S)
                continue
            if position > self._position:
                async with self._moved:
                    self._position = position
                    self._moved.notify_all()
            await asyncio.sleep(PACE_S)
