"""Reads what arrives from the broker; what cannot be read becomes a dead letter, with a reason."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from config.errors import UserError
from config.topics import node_of
from config.wire import BATCH_LIMIT_BYTES, EventBatch, Numbered, decode
from ingest.arrival import Batch
from ingest.letters.verbatim import read_verbatim

HEAD_BYTES = 512
REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A payload, or one event of it, that cannot be stored; ``body`` is the event where read."""

    topic: str
    reason: str
    digest: str
    head: bytes
    size_bytes: int
    node: str | None = None
    body: str | None = None

    @classmethod
    def of(cls, topic: str, payload: bytes, reason: str) -> DeadLetter:
        """A letter for a whole payload."""
        return cls(
            topic=topic,
            reason=reason[:REASON_CHARACTERS],
            digest=hashlib.sha256(topic.encode() + b"\0" + payload).hexdigest(),
            head=payload[:HEAD_BYTES],
            size_bytes=len(payload),
            node=node_of(topic),
        )

    @classmethod
    def of_event(cls, *, node: str, seq: int, camera: str, body: str, reason: str) -> DeadLetter:
        """A letter that keeps the whole event, since nothing of it is stored elsewhere."""
        payload = f"{node} {seq} {body}".encode()
        return cls(
            topic=f"{node}/{camera}",
            reason=reason[:REASON_CHARACTERS],
            digest=hashlib.sha256(payload).hexdigest(),
            head=body.encode()[:HEAD_BYTES],
            size_bytes=len(body.encode()),
            node=node,
            body=body,
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """What one message holds: events that can be stored, and letters for what cannot."""

    batch: Batch | None = None
    letters: tuple[DeadLetter, ...] = field(default=())


def read_events(topic: str, payload: bytes) -> Mail:
    """Read a message of an ``evt`` topic; never raises.

    When some events of a batch are bad, the others are still taken. A batch that names another
    node than its topic is refused as a whole: a broker's access list works on topics.
    """
    batch: Batch | None = read_verbatim(payload)
    try:
        batch = batch or decode(EventBatch, payload, topic=topic)
    except UserError as error:
        return _salvage(topic, payload, str(error))
    if batch.node != node_of(topic):
        return _refuse(topic, payload, f"the topic names {node_of(topic)}, the batch {batch.node}")
    return Mail(batch)


def _refuse(topic: str, payload: bytes, reason: str) -> Mail:
    return Mail(letters=(DeadLetter.of(topic, payload, reason),))


def _salvage(topic: str, payload: bytes, reason: str) -> Mail:
    if len(payload) > BATCH_LIMIT_BYTES:
        return _refuse(topic, payload, reason)
    try:
        document = json.loads(payload)
        items: list[Any] = document["events"]
        good, letters = _sorted_out(topic, items)
        batch = EventBatch.model_validate({**document, "events": good})
    except (ValueError, LookupError, TypeError, RecursionError):
        return _refuse(topic, payload, reason)
    if batch.node != node_of(topic) or not letters:
        return _refuse(topic, payload, reason)
    return Mail(batch, tuple(letters))


def _sorted_out(topic: str, items: list[Any]) -> tuple[list[Numbered], list[DeadLetter]]:
    good: list[Numbered] = []
    letters: list[DeadLetter] = []
    for item in items:
        text = json.dumps(item, ensure_ascii=True)
        try:
            good.append(Numbered.model_validate_json(text))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = "/".join(str(part) for part in first["loc"])
            letters.append(DeadLetter.of(topic, text.encode(), f"{place}: {first['msg']}"))
    return good, letters
