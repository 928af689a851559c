"""Broadcaster: reads each change once per process and wakes every open stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from alerts.seeing.service import AlertService, Change, StreamItem, Viewer
from alerts.web.home.homes import Homes
from alerts.web.people.sessions import Sessions
from config.logs import get_logger

T = TypeVar("T")

WAIT_S = 0.5
"""The longest a wait blocks its thread, and so the longest a stop takes."""
READERS = 4
"""Threads that read the database for all streams together."""
BATCH = 200
"""Alerts read at once; what is further behind reads again."""
KEPT = 1000
"""Changes held in memory; a stream that is further behind reads the database by itself."""
PACE_S = 0.1
"""The least time between two wakes: a burst of changes is read once, not change by change."""
RECEIPTS_S = 0.25
"""How often it is noted in the database which notices have arrived at a page."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new for one stream; it goes on from ``upto``."""

    items: list[StreamItem]
    upto: int


@dataclass(frozen=True, slots=True)
class Tick:
    """One look at the database for everybody: up to where, and who may still listen."""

    changes: list[Change]
    upto: int
    living: Mapping[str, bool]
    """Session id → still alive, of the sessions with open streams when the look began."""
    granted: Mapping[str, tuple[str, ...]]
    """Person id → alerts of homes whose pictures they may look at now."""


class Broadcaster:
    """Watches the stream position of the centre and reads changes for the open streams.

    A change, the sessions of all streams and the grants of all homes are read once for
    everybody; what a stream may show of it is decided in memory. Lives in one event loop,
    between :meth:`start` and :meth:`close`.
    """

    def __init__(self, service: AlertService, sessions: Sessions, homes: Homes) -> None:
        self._service = service
        self._sessions = sessions
        self._homes = homes
        self._bell = asyncio.Event()
        self._position = 0
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._waiter: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        self.open_streams: Counter[str] = Counter()
        """How many streams each session has open; only the event loop touches it."""
        self._kept: deque[Change] = deque()
        self._kept_after = 0
        """Every change above this position and up to :attr:`position` is in ``_kept``."""
        self._tick = Tick([], 0, {}, {})
        self._looks = 0
        self._received: dict[str, set[str]] = {}

    @property
    def running(self) -> bool:
        """True while positions are watched."""
        is_watching = bool(self._tasks) and not any(task.done() for task in self._tasks)
        return is_watching and not self._closed

    @property
    def closed(self) -> bool:
        """True when the streams have been asked to end."""
        return self._closed

    @property
    def position(self) -> int:
        """The newest position seen so far."""
        return self._position

    @property
    def looks(self) -> int:
        """How often the database was looked at for everybody."""
        return self._looks

    async def start(self) -> None:
        """Begin to watch."""
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="web-wait")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="web-read")
        self._position = self._kept_after = await self.call(self._service.position)
        self._tasks = [
            asyncio.create_task(self._watch(), name="web-broadcast"),
            asyncio.create_task(self._confirm(), name="web-receipts"),
        ]

    async def end(self) -> None:
        """Ask every stream to end; clients reconnect to where they were."""
        self._closed = True
        self._ring()

    async def close(self) -> None:
        """End every stream and stop watching."""
        await self.end()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for pool in (self._waiter, self._readers):
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a blocking read in one of the few reader threads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function)

    async def wait(self, after: int, timeout_s: float) -> bool:
        """True once the position is above ``after``; False after ``timeout_s`` or at the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._closed and self._position <= after:
                    await self._bell.wait()
        return not self._closed and self._position > after

    async def alive(self, session_id: str, *, looked: bool) -> bool:
        """True while a session is neither revoked nor expired.

        ``looked`` is true right after :meth:`wait` was: the look that woke the stream has read
        the session then. Otherwise the database is asked.
        """
        known = self._tick.living.get(session_id) if looked else None
        if known is not None:
            return known
        return await self.call(partial(self._sessions.alive, session_id))

    async def read(self, viewer: Viewer, after: int, *, since: int) -> Changes:
        """Changes above ``after`` that the viewer may see, at most :data:`BATCH` of them.

        ``since`` is :attr:`looks` of when the viewer was read from the database: only a later
        look knows better what is granted to them.
        """
        if after < self._kept_after:
            # Taken before the read: a change committed meanwhile may be above what is read.
            return await self.call(partial(self._read, viewer, after, self._position))
        granted = self._tick.granted.get(viewer.person_id, ())
        if self._looks > since and granted != viewer.granted:
            viewer = replace(viewer, granted=granted)
        items: list[StreamItem] = []
        for change in self._newer(after):
            item = change.for_viewer(viewer)
            if item is None:
                continue
            items.append(item)
            if change.tells(viewer.person_id):
                self._received.setdefault(viewer.person_id, set()).add(item.alert.id)
            if len(items) == BATCH:
                return Changes(items, item.position)
        return Changes(items, self._position)

    def _newer(self, after: int) -> list[Change]:
        newer = []
        for change in reversed(self._kept):
            if change.position <= after:
                break
            newer.append(change)
        return newer[::-1]

    def _read(self, viewer: Viewer, after: int, seen: int) -> Changes:
        viewer = replace(viewer, granted=self._homes.granted_to(viewer.person_id))
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
                if moved:
                    sessions = list(self.open_streams)
                    self._take(await self.call(partial(self._look, self._position, sessions)))
            except Exception as error:  # noqa: BLE001 - a database that is away comes back
                _log.warning("cannot read the stream", reason=type(error).__name__)
                await asyncio.sleep(WAIT_S)
                continue
            await asyncio.sleep(PACE_S)

    def _look(self, after: int, sessions: list[str]) -> Tick:
        seen = self._service.position()
        if not sessions:
            return Tick([], seen, {}, {})
        changes = self._service.changes(after=after, limit=BATCH)
        last = changes[-1].position if changes else after
        upto = last if len(changes) == BATCH else max(last, seen)
        living = self._sessions.living(sessions)
        return Tick(changes, upto, {one: one in living for one in sessions}, self._homes.granted())

    def _take(self, tick: Tick) -> None:
        if not tick.living:
            # Nobody listened, so nothing was read: memory begins anew behind it.
            self._kept.clear()
            self._kept_after = tick.upto
        self._kept.extend(tick.changes)
        while len(self._kept) > KEPT:
            self._kept_after = self._kept.popleft().position
        self._tick, self._position = tick, tick.upto
        self._looks += 1
        self._ring()

    def _ring(self) -> None:
        """Wake whoever waits now; later ones wait for the next ring."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def _confirm(self) -> None:
        while not self._closed:
            await asyncio.sleep(RECEIPTS_S)
            received, self._received = self._received, {}
            if received:
                try:
                    await self.call(partial(self._service.mark_delivered, received))
                except Exception as error:  # noqa: BLE001 - the next page of theirs tells again
                    _log.warning("cannot note receipts", reason=type(error).__name__)
