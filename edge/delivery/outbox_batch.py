"""Joins waiting events into one message that the wire format accepts."""

from __future__ import annotations

from dataclasses import dataclass

from edge.delivery.outbox_file import Row

BATCH_BYTES = 900_000
"""A message stays under this, envelope included; ``config.wire`` refuses more than 1 MB."""
ENVELOPE_BYTES = 400


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """A message to publish: ``payload`` is an encoded :class:`config.wire.EventBatch`."""

    camera: str
    payload: bytes
    seqs: tuple[int, ...]
    backlog: bool
    attempt: int


def join(
    rows: list[Row], *, node: str, epoch: str, oldest: int, backlog: bool, attempt: int
) -> OutboxBatch:
    """As many of ``rows`` (at least one, lowest first) as fit in one message.

    Their bodies are checked JSON already, so they are joined as text, not parsed again.
    """
    parts: list[str] = []
    size = ENVELOPE_BYTES
    for row in rows:
        size += row.size + 40
        if size > BATCH_BYTES and parts:
            break
        parts.append(f'{{"seq":{row.seq},"event":{row.body}}}')
    payload = (
        f'{{"node":"{node}","epoch":"{epoch}","oldest":{oldest},'
        f'"backlog":{"true" if backlog else "false"},"events":[{",".join(parts)}]}}'
    )
    sent = tuple(row.seq for row in rows[: len(parts)])
    return OutboxBatch(rows[0].camera, payload.encode(), sent, backlog, attempt)
