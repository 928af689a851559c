"""The form in which events wait to be stored: rows of the table ``events``, made while reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from config.event import Event
from config.wire import EventBatch


class EventRow(NamedTuple):
    """One event as the columns of ``events`` have it, in their order, without ``received_at``.

    ``captured_at`` is text in UTC, see :func:`utc_text`; ``body`` is the whole checked event.
    """

    id: str
    node: str
    epoch: str
    seq: int
    camera: str
    kind: str
    severity: str
    visit: str
    revision: int
    captured_at: str
    plate_text: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one message brought, checked as :class:`config.wire.EventBatch` is."""

    node: str
    epoch: str
    oldest: int
    rows: tuple[EventRow, ...]


Batch = EventBatch | Arrival
"""What the store takes: rows, or the message's own form where somebody has that."""


def arrived(batch: Batch) -> Arrival:
    """``batch`` as rows.

    Raises:
        OverflowError: a moment is outside the calendar in UTC.
    """
    if isinstance(batch, Arrival):
        return batch
    rows = tuple(_row(batch.epoch, numbered.seq, numbered.event) for numbered in batch.events)
    return Arrival(batch.node, batch.epoch, batch.oldest, rows)


def one_by_one(batch: Batch) -> Iterator[Batch]:
    """The events of ``batch``, each as a batch of its own."""
    if isinstance(batch, Arrival):
        yield from (replace(batch, rows=(row,)) for row in batch.rows)
    else:
        yield from (batch.model_copy(update={"events": (one,)}) for one in batch.events)


def first_of(batch: Batch) -> tuple[int, str, str]:
    """Number, camera and JSON of its first event; also of one that has no place in the columns."""
    if isinstance(batch, Arrival):
        row = batch.rows[0]
        return row.seq, row.camera, row.body
    numbered = batch.events[0]
    return (
        numbered.seq,
        numbered.event.camera,
        numbered.event.model_dump_json(exclude_defaults=True),
    )


def size_of(batch: Batch) -> int:
    """How many events ``batch`` holds."""
    return len(batch.rows if isinstance(batch, Arrival) else batch.events)


def utc_text(moment: datetime) -> str:
    """``2026-03-01 00:15:00.000000``, as :class:`ingest.schema.UtcDateTime` writes it in SQLite.

    Raises:
        OverflowError: it is outside the calendar in UTC.
    """
    text = moment.isoformat(" ", "microseconds")
    if text.endswith("+00:00"):
        return text[:-6]
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _row(epoch: str, seq: int, event: Event) -> EventRow:
    # PostgreSQL's text cannot hold a NUL; the body keeps it, as JSON escapes it.
    plate = event.plate.text.replace("\0", "") if event.plate else None
    return EventRow(
        id=event.id,
        node=event.node,
        epoch=epoch,
        seq=seq,
        camera=event.camera,
        kind=event.kind.value,
        severity=event.severity.value,
        visit=event.visit,
        revision=event.revision,
        captured_at=utc_text(event.captured_at),
        plate_text=plate,
        body=event.model_dump_json(exclude_defaults=True),
    )
