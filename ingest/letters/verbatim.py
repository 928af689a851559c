"""Reads a message in the form in which our nodes write it, and keeps its events' text as it is."""

from __future__ import annotations

import re

from config.ids import NAME_PATTERN, is_uuid7
from config.wire import BATCH_LIMIT_BYTES, BATCH_LIMIT_EVENTS
from ingest.arrival import Arrival, EventRow
from ingest.letters.plain import PlainEvent, count_keys, read_plain

LONGEST_BODY = 40_000
"""Characters of an event kept as it came: a thumbnail of 20 kB has 27,000 of base64."""
_LARGEST_SEQ = 2**63 - 1
_DIGITS = re.compile(r"[1-9][0-9]{0,18}")
_NAME = re.compile(NAME_PATTERN)
_HEAD = re.compile(
    r'\{"node":"([a-z0-9_-]+)","epoch":"([0-9a-f-]+)","oldest":([1-9][0-9]{0,18}),'
    r'(?:"backlog":(?:true|false),)?"events":\[\{"seq":'
)
_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{6})?Z"
_FIRST_MOMENT = '"started_at":"'
_MOMENTS = re.compile(
    rf'{_FIRST_MOMENT}{_MOMENT}",(?:"ended_at":"{_MOMENT}",)?"captured_at":"{_MOMENT}"'
)
_BETWEEN = '},{"seq":'
_END = "}]}"
_BEFORE_EVENT = ',"event":'


def read_verbatim(payload: bytes) -> Arrival | None:
    """The rows of a message; None when any part of it is not as our nodes write it.

    None says nothing against the message: :func:`config.wire.decode` has the last word. What is
    returned is what that would have read. Each event is checked from its own text, so that the
    pieces, put together by these separators, can be read in no other way; and the text is one
    that means the same to every reader of the column ``body``:

    - no blank and no backslash, so that a key is found by its name in quotes;
    - each key once: parsers differ in which of two they take;
    - moments in UTC as our nodes write them, though :class:`config.event.Event` takes others.
    """
    if len(payload) > BATCH_LIMIT_BYTES:
        return None
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    head = _HEAD.match(text)
    if head is None or not text.endswith(_END):
        return None
    node, epoch, oldest = head[1], head[2], int(head[3])
    if not (_NAME.fullmatch(node) and is_uuid7(epoch) and oldest <= _LARGEST_SEQ):
        return None
    parts = text[head.end() : -len(_END)].split(_BETWEEN)
    if len(parts) > BATCH_LIMIT_EVENTS:
        return None
    rows = []
    for part in parts:
        row = _row(part, node, epoch)
        if row is None or row.node != node or row.seq < oldest:
            return None
        rows.append(row)
    return Arrival(node, epoch, oldest, tuple(rows))


def _row(part: str, node: str, epoch: str) -> EventRow | None:
    number, _, body = part.partition(_BEFORE_EVENT)
    if not _DIGITS.fullmatch(number) or (seq := int(number)) > _LARGEST_SEQ:
        return None
    if not _is_plain_text(body):
        return None
    event = read_plain(body)
    if event is None or event["node"] != node or count_keys(event) != body.count('":'):
        return None
    return _columns(event, epoch, seq, body)


def _is_plain_text(body: str) -> bool:
    return len(body) <= LONGEST_BODY and not (
        " " in body or "\\" in body or "\n" in body or "\t" in body or "\r" in body
    )


def _columns(event: PlainEvent, epoch: str, seq: int, body: str) -> EventRow | None:
    moments = _MOMENTS.match(body, max(body.find(_FIRST_MOMENT), 0))
    if moments is None:
        return None
    day, time, fraction = moments.group(7, 8, 9)
    plate = event.get("plate")
    return EventRow(
        event["id"],
        event["node"],
        epoch,
        seq,
        event["camera"],
        event["kind"],
        event.get("severity", "info"),
        event["visit"],
        event.get("revision", 0),
        f"{day} {time}{fraction or '.000000'}",
        plate["text"] if plate else None,
        body,
    )
