"""Gathers what callers want on the disk, so that many share one transaction and one fsync."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from config.logs import get_logger
from config.ranges import SeqSet
from edge.delivery.outbox_file import Row

log = get_logger(__name__)

GROUP_LIMIT = 1_000
RECEIPT_PATIENCE_S = 0.25
"""A receipt waits this long for an append to share its commit; what is late is only a deletion."""


@dataclass(frozen=True, slots=True)
class _Append:
    row: Row
    done: Future[int]


class _Nudge:
    """Wakes the thread for a receipt."""


class Committer:
    """One thread that writes in groups.

    Args:
        write: puts rows and deletions into one transaction and returns the rows' numbers; an
            exception means that none of it happened.
        failure: makes what the callers see out of such an exception.
    """

    def __init__(
        self,
        write: Callable[[list[Row], list[SeqSet]], list[int]],
        failure: Callable[[str], Exception],
    ) -> None:
        self._write = write
        self._failure = failure
        self._listener: Callable[[], None] = lambda: None
        # A lock of its own: whoever waits to join the next group must not wait for this one's
        # fsync first, or groups stay small.
        self._gate = threading.Lock()
        self._work: queue.SimpleQueue[_Append | _Nudge | None] = queue.SimpleQueue()
        self._closed = False
        self._receipts: list[SeqSet] = []  # not on the disk yet; under the gate
        self._patience_ends: float | None = None
        # Who has opened an outbox may fail before anybody runs it, and must end all the same.
        self._thread = threading.Thread(target=self._run, name="outbox-committer", daemon=True)
        self._thread.start()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (quick, from this thread) after each commit of appends."""
        self._listener = listener

    def append(self, row: Row) -> Future[int]:
        """The number of ``row``, once it is on the disk."""
        waiting = _Append(row, Future())
        with self._gate:
            if self._closed:
                waiting.done.set_exception(self._failure("it is closed"))
            else:
                self._work.put(waiting)
        return waiting.done

    def settle(self, covered: SeqSet) -> None:
        """Delete what is ``covered`` with one of the next commits."""
        with self._gate:
            self._receipts.append(covered)
            if len(self._receipts) == 1 and not self._closed:
                self._work.put(_Nudge())  # the others find the thread awake, or waiting for more

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group = self._next_group()
            is_open = None not in group
            appends = [item for item in group if isinstance(item, _Append)]
            if appends or not is_open or self._is_time():
                self._commit(appends)
            elif self._patience_ends is None:
                self._patience_ends = time.monotonic() + RECEIPT_PATIENCE_S

    def _is_time(self) -> bool:
        return self._patience_ends is not None and time.monotonic() >= self._patience_ends

    def _next_group(self) -> list[_Append | _Nudge | None]:
        # The disk's time, not the story's: no test advances it.
        ends = self._patience_ends
        try:
            left = None if ends is None else max(ends - time.monotonic(), 0.001)
            group = [self._work.get(timeout=left)]
        except queue.Empty:
            return []
        while len(group) < GROUP_LIMIT and not self._work.empty():
            group.append(self._work.get())
        return group

    def _commit(self, appends: list[_Append]) -> None:
        """One transaction for everybody who waits; all of them learn how it ended."""
        with self._gate:
            receipts, self._receipts = self._receipts, []
            self._patience_ends = None
        if not appends and not receipts:
            return
        try:
            seqs = self._write([item.row for item in appends], receipts)
        except Exception as error:  # noqa: BLE001 - a caller must never wait for ever
            log.error("outbox cannot write", why=str(error))
            # The deletions are tried again: a full disk may have room after them.
            with self._gate:
                self._receipts = [*receipts, *self._receipts]
            self._patience_ends = time.monotonic() + RECEIPT_PATIENCE_S if receipts else None
            for waiting in appends:
                waiting.done.set_exception(self._failure(str(error)))
            return
        for waiting, seq in zip(appends, seqs, strict=True):
            waiting.done.set_result(seq)
        if appends:
            self._listener()
