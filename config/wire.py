"""The bytes on MQTT: event batches, receipts and presence, encoded and checked."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from config.errors import UserError
from config.event import Event, EventId, Frozen, Name

BATCH_LIMIT_BYTES = 1_000_000
"""Larger payloads are refused before they are parsed; mosquitto's own limit is 256 MB."""
BATCH_LIMIT_EVENTS = 500

Seq = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Numbered(Frozen):
    """An event with the place in its node's sequence that proves whether it arrived."""

    seq: Seq
    event: Event


class EventBatch(Frozen):
    """What a node publishes on its ``evt`` topic.

    ``epoch`` names one life of the node's outbox file: a new disk is a new epoch, and its
    sequence starts again at 1. ``oldest`` is the lowest sequence still in the outbox: all
    below it were either received or declared as shed.
    """

    v: Literal[1] = 1
    node: Name
    epoch: EventId
    oldest: Seq
    backlog: bool = False
    events: tuple[Numbered, ...] = Field(min_length=1, max_length=BATCH_LIMIT_EVENTS)

    @model_validator(mode="after")
    def _events_belong_to_the_node(self) -> Self:
        for numbered in self.events:
            if numbered.event.node != self.node:
                raise ValueError(f"event {numbered.event.id} is of node {numbered.event.node}")
            if numbered.seq < self.oldest:
                raise ValueError(f"seq {numbered.seq} is below oldest {self.oldest}")
        return self


class Receipt(Frozen):
    """What the centre has committed of a node's sequence. Only this deletes from an outbox.

    Every ``seq <= acked_upto`` is stored, and so is every one inside a range of ``also``
    (inclusive, ascending, above ``acked_upto``); the numbers between are the gaps.
    """

    v: Literal[1] = 1
    node: Name
    epoch: EventId
    acked_upto: Annotated[int, Field(ge=0)]
    also: tuple[tuple[Seq, Seq], ...] = Field(default=(), max_length=10_000)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        end = self.acked_upto
        for first, last in self.also:
            if first <= end + 1 or last < first:
                raise ValueError(f"range {first}-{last} does not ascend past {end}")
            end = last
        return self

    def covers(self, seq: int) -> bool:
        """True when the centre has committed ``seq``."""
        return seq <= self.acked_upto or any(first <= seq <= last for first, last in self.also)


class Presence(Frozen):
    """Retained birth (``online``), last will (``offline``) and the 30 s heartbeat of a node."""

    v: Literal[1] = 1
    node: Name
    state: Literal["online", "offline"]
    at: AwareDatetime | None = None
    """Sender's clock; absent in a last will, which the broker sends later."""
    outbox_events: Annotated[int, Field(ge=0)] = 0
    cameras_online: Annotated[int, Field(ge=0)] = 0


Message = TypeVar("Message", EventBatch, Receipt, Presence)


def encode(message: EventBatch | Receipt | Presence) -> bytes:
    """UTF-8 JSON without the fields that hold their default."""
    return message.model_dump_json(exclude_defaults=True).encode()


def decode(kind: type[Message], payload: bytes, *, topic: str) -> Message:
    """Parse and check one MQTT payload.

    Raises:
        UserError: the payload is too large, not JSON, or breaks the message's rules; it names
            the topic and the first wrong field, never the payload's values.
    """
    if len(payload) > BATCH_LIMIT_BYTES:
        raise UserError(
            where=topic,
            problem=f"payload of {len(payload)} bytes is over the limit of {BATCH_LIMIT_BYTES}",
            remedy="send pictures by HTTP and fewer events per message",
        )
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UserError(
            where=topic,
            field="/".join(str(part) for part in first["loc"]) or "(whole payload)",
            problem=f"not a valid {kind.__name__}: {first['msg']}",
            remedy="check that the sender speaks protocol version 1",
        ) from None
