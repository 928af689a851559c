"""Keeps every event on the disk, in order, until the centre says that it has it."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Self

from config.clock import Clock
from config.errors import UserError
from config.event import Event, EventKind, HealthReport, Severity, ShedReport
from config.ids import uuid7
from config.logs import get_logger
from config.ranges import SeqSet
from config.wire import BATCH_LIMIT_EVENTS, Receipt
from edge.delivery.outbox_batch import BATCH_BYTES, ENVELOPE_BYTES, OutboxBatch, join
from edge.delivery.outbox_commit import Committer
from edge.delivery.outbox_file import ROW_OVERHEAD_BYTES, OutboxFile, Row, State
from edge.delivery.resend import Flights

log = get_logger(__name__)

_SHED_SLACK = 50
"""Shedding frees 1/50 of the budget at a time, so that the reports of it stay few."""
_NEVER_SHED = 1_000
WINDOW_EVENTS = 4_000
"""Backlog waits while this many events have no receipt; live events may use twice as much."""


def shed_class(event: Event) -> int:
    """What goes first when the disk is full: the lowest class. Reports of loss never go."""
    if event.kind is EventKind.SHED:
        return _NEVER_SHED
    weight = {EventKind.MOTION: 0, EventKind.PLATE: 2, EventKind.HEALTH: 3}.get(event.kind, 1)
    return event.severity.rank * 10 + weight


class OutboxError(UserError):
    """The event is not on the disk: the disk is full, failing, or the outbox is closed."""


class Outbox:
    """The durable queue of one node; every method may be called from any thread.

    One committer thread writes: callers of :meth:`append` that wait at the same time share one
    transaction and one fsync.
    """

    def __init__(self, file: OutboxFile, *, node: str, clock: Clock, budget_bytes: int) -> None:
        self.node = node
        self._file = file
        self._clock = clock
        self._budget = budget_bytes
        self._lock = threading.Lock()  # the file's connection, and the fields below
        self._state = file.state()
        self._events, self._bytes = file.totals()
        self._flights = Flights(random.Random())
        self._closed = False
        self.is_held_back = False
        """The last :meth:`take` found more to send, but too much has no receipt yet."""
        self._live_floor = self._live_cursor = self._state.highest
        self._backlog_cursor = 0
        self._claimed: tuple[int, int] | None = None
        self._committer = Committer(self._write, self._error)

    @classmethod
    def open(cls, path: Path, *, node: str, clock: Clock, budget_bytes: int) -> Self:
        """Open or create the outbox at ``path``.

        A file that cannot be read is kept under another name, logged, and reported as a health
        event of the new outbox.

        Raises:
            UserError: see :meth:`edge.delivery.outbox_file.OutboxFile.open`.
        """
        file, damage = OutboxFile.open(path, node=node, now=clock.now())
        outbox = cls(file, node=node, clock=clock, budget_bytes=budget_bytes)
        if damage is not None:
            report = HealthReport(condition="outbox_damaged", active=True, detail=damage[:500])
            outbox.append(outbox._own_event(EventKind.HEALTH, Severity.CRITICAL, health=report))
        return outbox

    @property
    def epoch(self) -> str:
        """UUIDv7 of this life of the outbox file."""
        return self._state.epoch

    @property
    def highest(self) -> int:
        """The last number given to an event."""
        with self._lock:
            return self._state.highest

    def pending(self) -> int:
        """How many events wait for their receipt."""
        with self._lock:
            return self._events

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (quick, from the committer thread) after each commit of events."""
        self._committer.listen(listener)

    def append(self, event: Event) -> int:
        """Keep ``event``; returns its number once a power cut cannot take it back.

        An event that is here already keeps the number it has.

        Raises:
            ValueError: the event is of another node, or too large for one message.
            OutboxError: it could not be made durable; nothing was kept, and it may be tried again.
        """
        return self.submit(event).result()

    def submit(self, event: Event) -> Future[int]:
        """As :meth:`append` without waiting: the result, or the error, comes later.

        Raises:
            ValueError: see :meth:`append`; at once.
        """
        return self._committer.append(self._row(event))

    def take(self, limit: int = BATCH_LIMIT_EVENTS) -> OutboxBatch | None:
        """The next message to publish, or None when nothing is due.

        Order: events newer than the last :meth:`reconnected`, then what is due again, then what a
        receipt has told of too early, then the backlog, oldest first. What is taken is in flight:
        it comes again after a growing while, for ever, until a receipt covers it.
        """
        with self._lock:
            if self._closed:
                return None
            now = self._clock.monotonic()
            self.is_held_back = False
            batch = (
                self._take_live(limit)
                or self._take_due(now)
                or self._take_claimed(limit)
                or self._take_backlog(limit)
            )
            if batch is not None:
                self._flights.add(batch.seqs, attempts=batch.attempt, now=now)
                self._state = replace(self._state, sent=self._state.sent.including(batch.seqs))
            return batch

    def next_due_s(self) -> float | None:
        """Seconds until something must be sent again (0 when overdue); None without any."""
        with self._lock:
            due = self._flights.next_due()
        return None if due is None else max(0.0, due - self._clock.monotonic())

    def reconnected(self) -> None:
        """The publisher has a new connection: what is here now is backlog, and soon due again."""
        with self._lock:
            self._live_floor = self._live_cursor = self._state.highest
            self._backlog_cursor = 0
            self._flights.hurry(self._clock.monotonic())

    def receive(self, receipt: Receipt) -> bool:
        """Delete what ``receipt`` covers; False, and a log line, when it is not believed.

        Not believed: a receipt for another node or epoch, or one that covers an event that was
        never published; such an event is published next, and the receipt after it believed.
        Deleting happens with the next commit, or soon after.
        """
        covered = SeqSet(receipt.acked_upto, receipt.also)
        with self._lock:
            reason = self._why_not(receipt, covered)
            if reason is None:
                self._flights.landed(covered, now=self._clock.monotonic())
                self._committer.settle(covered)
        if reason is not None:
            log.warning("receipt ignored", node=self.node, reason=reason)
        return reason is None

    def close(self) -> None:
        """Commit what waits, then close the file."""
        self._committer.close()
        with self._lock:
            if not self._closed:
                self._closed = True
                self._file.close()

    # -- publishing ------------------------------------------------------------------------

    def _take_live(self, limit: int) -> OutboxBatch | None:
        if self._live_cursor >= self._state.highest or self._is_full(2 * WINDOW_EVENTS):
            return None
        rows = self._file.between(self._live_cursor + 1, self._state.highest, limit=limit)
        batch = self._batch(rows, backlog=False, attempt=1)
        self._live_cursor = batch.seqs[-1] if batch else self._state.highest
        return batch

    def _take_due(self, now: float) -> OutboxBatch | None:
        while (flight := self._flights.pop_due(now)) is not None:
            wanted = frozenset(flight.seqs)
            found = self._file.between(flight.seqs[0], flight.seqs[-1], limit=len(wanted) + 10_000)
            rows = [row for row in found if row.seq in wanted]
            batch = self._batch(rows, backlog=True, attempt=flight.attempts + 1)
            if batch is not None:
                return batch
        return None

    def _take_claimed(self, limit: int) -> OutboxBatch | None:
        """What a receipt covers although nobody here knows that it was published.

        A process that was killed may not have written down what it sent last. However much is in
        flight: until these are published, no receipt is believed, and nothing of that would land.
        """
        if self._claimed is None:
            return None
        first, last = self._claimed
        rows = self._file.between(first, last, limit=limit)
        unknown = [row for row in rows if not self._state.sent.covers(row.seq)]
        batch = self._batch(unknown, backlog=True, attempt=1)
        done = batch.seqs[-1] if batch is not None else last
        self._claimed = (done + 1, last) if done < last else None
        return batch

    def _take_backlog(self, limit: int) -> OutboxBatch | None:
        if self._backlog_cursor >= self._live_floor or self._is_full(WINDOW_EVENTS):
            return None
        flying = self._flights.seqs()
        while self._backlog_cursor < self._live_floor:
            rows = self._file.between(self._backlog_cursor + 1, self._live_floor, limit=limit)
            batch = self._batch(
                [row for row in rows if row.seq not in flying], backlog=True, attempt=1
            )
            if batch is not None:
                self._backlog_cursor = batch.seqs[-1]
                return batch
            self._backlog_cursor = rows[-1].seq if rows else self._live_floor
        return None

    def _is_full(self, window: int) -> bool:
        self.is_held_back = self._flights.count() >= window
        return self.is_held_back

    def _batch(self, rows: list[Row], *, backlog: bool, attempt: int) -> OutboxBatch | None:
        if not rows:
            return None
        return join(
            rows,
            node=self.node,
            epoch=self.epoch,
            oldest=self._file.oldest() or rows[0].seq,
            backlog=backlog,
            attempt=attempt,
        )

    def _why_not(self, receipt: Receipt, covered: SeqSet) -> str | None:
        if receipt.node != self.node:
            return f"it is for node {receipt.node}"
        if receipt.epoch != self.epoch:
            return f"it is for epoch {receipt.epoch}, ours is {self.epoch}"
        if covered.highest() > self._state.highest:
            return f"it covers {covered.highest()}, the last number given is {self._state.highest}"
        for first, last in self._state.sent.missing(covered.highest()):
            for start, end in [(1, covered.upto), *covered.also]:
                low, high = max(first, start), min(last, end)
                if low <= high and self._file.any_between(low, high):
                    self._claimed = (low, high)
                    return f"it covers {low}-{high}, which were never published"
        return None

    # -- the committer thread ------------------------------------------------------------------

    def _write(self, new: list[Row], receipts: list[SeqSet]) -> list[int]:
        with self._lock:
            return self._write_locked(new, receipts)

    def _write_locked(self, new: list[Row], receipts: list[SeqSet]) -> list[int]:
        state, events, size = self._state, self._events, self._bytes
        with self._file.transaction():
            for covered in receipts:
                gone, gone_bytes = self._file.delete_covered(covered)
                events, size = events - gone, size - gone_bytes
            seqs, rows, state = self._numbered(new, state)
            self._file.insert(rows)
            events, size = events + len(rows), size + sum(row.size for row in rows)
            if size > self._budget:
                state, gone, gone_bytes = self._shed(state, size)
                events, size = events - gone, size - gone_bytes
            settled = (self._file.oldest() or state.highest + 1) - 1
            state = replace(state, sent=state.sent.filled_to(settled))
            self._file.save(state)
        self._state, self._events, self._bytes = state, events, size
        return seqs

    def _numbered(self, rows: list[Row], state: State) -> tuple[list[int], list[Row], State]:
        """Give numbers without a hole; an id that is here keeps its own."""
        seqs: list[int] = []
        fresh: dict[str, Row] = {}
        highest = state.highest
        for row in rows:
            known = fresh[row.id].seq if row.id in fresh else self._file.seq_of(row.id)
            if known is None:
                known = highest = highest + 1
                fresh[row.id] = row._replace(seq=known)
            seqs.append(known)
        return seqs, list(fresh.values()), replace(state, highest=highest)

    def _shed(self, state: State, size: int) -> tuple[State, int, int]:
        """Drop the oldest of the lowest class; returns the state, and events and bytes gone."""
        excess = size - self._budget + self._budget // _SHED_SLACK
        chosen = self._chosen(excess, self._flights.seqs()) or self._chosen(excess, frozenset())
        if not chosen:
            return state, 0, 0
        seqs = [seq for seq, _, _ in chosen]
        self._file.delete(seqs)
        kinds = Counter(EventKind(kind) for _, kind, _ in chosen)
        report = ShedReport(
            count=len(seqs), first_seq=min(seqs), last_seq=max(seqs), kinds=dict(kinds)
        )
        event = self._own_event(EventKind.SHED, Severity.WARNING, shed=report)
        row = self._row(event)._replace(seq=state.highest + 1)
        self._file.insert([row])
        log.warning("outbox full, events dropped", node=self.node, count=len(seqs))
        state = replace(state, highest=row.seq, shed=state.shed.including(seqs))
        return state, len(seqs) - 1, sum(size for _, _, size in chosen) - row.size

    def _chosen(self, excess: int, spared: frozenset[int]) -> list[tuple[int, str, int]]:
        """Events to drop; what is in flight is ``spared``, since the centre may have it."""
        chosen: list[tuple[int, str, int]] = []
        for seq, kind, kind_class, size in self._file.victims():
            if excess <= 0 or kind_class >= _NEVER_SHED:
                break
            if seq not in spared:
                chosen.append((seq, kind, size))
                excess -= size
        return chosen

    # -- helpers -------------------------------------------------------------------------------

    def _row(self, event: Event) -> Row:
        if event.node != self.node:
            raise ValueError(f"event {event.id} is of node {event.node}, not {self.node}")
        body = event.model_dump_json(exclude_defaults=True)
        size = len(body.encode()) + ROW_OVERHEAD_BYTES
        if size + ENVELOPE_BYTES > BATCH_BYTES:
            raise ValueError(f"event {event.id} of {size} bytes does not fit in one message")
        return Row(0, event.id, event.camera, event.kind.value, shed_class(event), size, body)

    def _own_event(
        self,
        kind: EventKind,
        severity: Severity,
        *,
        health: HealthReport | None = None,
        shed: ShedReport | None = None,
    ) -> Event:
        """An event about the node itself; it names the node in the camera's place."""
        now = self._clock.now()
        return Event(
            id=uuid7(now),
            visit=uuid7(now),
            node=self.node,
            camera=self.node,
            kind=kind,
            severity=severity,
            started_at=now,
            captured_at=now,
            health=health,
            shed=shed,
        )

    def _error(self, problem: str) -> OutboxError:
        return OutboxError(
            where=str(self._file.path),
            problem=f"the event could not be kept: {problem}",
            remedy="free space on this disk, or give the outbox another one",
        )
