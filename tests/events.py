"""Makes events and batches for tests, and waits for outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from config.event import Event, EventKind, EvidenceRef, Severity
from config.ids import uuid7
from config.wire import EventBatch, Numbered

MOMENT = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)


def motion(
    *,
    node: str = "node-1",
    camera: str = "cam-1",
    severity: Severity = Severity.INFO,
    thumbnail: bytes | None = None,
    evidence: tuple[EvidenceRef, ...] = (),
) -> Event:
    """A motion event with ids of its own."""
    return Event(
        id=uuid7(MOMENT),
        visit=uuid7(MOMENT),
        node=node,
        camera=camera,
        kind=EventKind.MOTION,
        severity=severity,
        started_at=MOMENT,
        captured_at=MOMENT,
        thumbnail=thumbnail,
        evidence=evidence,
    )


def batch_of(
    numbered: Iterable[tuple[int, Event]], *, epoch: str, oldest: int = 1, node: str = "node-1"
) -> EventBatch:
    """A batch as an edge publishes it."""
    return EventBatch(
        node=node,
        epoch=epoch,
        oldest=oldest,
        events=tuple(Numbered(seq=seq, event=event) for seq, event in numbered),
    )


def wait_until(is_so: Callable[[], bool], *, what: str, limit_s: float = 120.0) -> None:
    """Return as soon as ``is_so``; fail, naming ``what``, when it does not come about."""
    until = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < until, f"did not come about: {what}"
        time.sleep(0.01)
