"""An event's own text is kept only where it says to every reader what was checked."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.event import Event, EventKind, EvidenceRef, HealthReport, ShedReport
from config.ids import uuid7
from config.wire import EventBatch, Numbered, decode, encode
from edge.delivery.outbox_batch import join
from edge.delivery.outbox_file import Row
from edge.simulator.node_events import make_event
from ingest.arrival import Arrival, arrived
from ingest.letters.verbatim import LONGEST_BODY, read_verbatim
from tests.events import MOMENT, motion

TOPIC = "menshen/v1/demo/evt/node-1/cam-1"
EPOCH = uuid7(MOMENT)


def some_events(seed: int = 1, thumbnail_bytes: int = 0) -> list[Event]:
    chance = random.Random(seed)
    simulated = [
        make_event(
            chance, node="node-1", camera="cam-1", now=MOMENT, thumbnail_bytes=thumbnail_bytes
        )
        for _ in range(6)
    ]
    evidence = EvidenceRef(sha256="a" * 64, media_type="image/jpeg", size_bytes=9, role="crop")
    health = HealthReport(condition="black", active=True, detail="dark")
    shed = ShedReport(count=2, first_seq=1, last_seq=9, kinds={EventKind.FACE: 2})
    return [
        *simulated,
        motion().model_copy(update={"evidence": (evidence, evidence), "ended_at": MOMENT}),
        motion().model_copy(update={"kind": EventKind.HEALTH, "health": health, "revision": 3}),
        motion().model_copy(update={"kind": EventKind.SHED, "shed": shed}),
    ]


def as_sent(*events: Event) -> bytes:
    """The message in which an outbox sends them."""
    rows = [
        Row(
            seq,
            one.id,
            one.camera,
            one.kind.value,
            0,
            0,
            one.model_dump_json(exclude_defaults=True),
        )
        for seq, one in enumerate(events, start=1)
    ]
    joined = join(rows, node="node-1", epoch=EPOCH, oldest=1, backlog=True, attempt=1)
    return joined.payload


def same_as_decoded(payload: bytes) -> Arrival | None:
    """What is read verbatim, after comparing it with what the wire format's own reader says."""
    found = read_verbatim(payload)
    if found is None:
        return None
    decoded = decode(EventBatch, payload, topic=TOPIC)
    known = arrived(decoded)
    assert [row._replace(body="") for row in found.rows] == [
        row._replace(body="") for row in known.rows
    ]
    assert (found.node, found.epoch, found.oldest) == (known.node, known.epoch, known.oldest)
    for row, numbered in zip(found.rows, decoded.events, strict=True):
        assert Event.model_validate_json(row.body) == numbered.event
        json.loads(row.body, object_pairs_hook=_each_once)
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("thumbnail_bytes", [0, 20_000])
def test_what_our_nodes_write_is_kept_as_it_is(thumbnail_bytes: int) -> None:
    events = some_events(thumbnail_bytes=thumbnail_bytes)
    found = same_as_decoded(as_sent(*events))
    assert found == arrived(
        EventBatch(
            node="node-1",
            epoch=EPOCH,
            oldest=1,
            events=tuple(Numbered(seq=n, event=one) for n, one in enumerate(events, start=1)),
        )
    )


@pytest.mark.parametrize(
    ("of_body", "instead"),
    [
        ('"kind":', '"kind":"face","kind":'),  # SQLite's JSON functions take the first
        ('"kind":', '"revision":"3","kind":'),
        ('"kind":', '"revision":3.0,"kind":'),
        ('"kind":', ' "kind":'),
        ('"kind":', '"\\u006bind":'),
        ('"kind":', f'"box":[0.1,0.2,0.3,0.{"1" * LONGEST_BODY}],"kind":'),
        ('"kind":"motion"', '"kind":"shed"'),
        ('"kind":', '"thumbnail":"?","kind":'),
        ('"kind":', '"identity":"somebody","kind":'),
        ('"kind":', '"ended_at":"1999-01-01T00:00:00Z","kind":'),
        ('"captured_at":"2026-03-01T00:15:00Z"', '"captured_at":"1772324100"'),
        ('"seq":1,', '"seq":01,'),
        ('"seq":1,', '"seq":1,"seq":1,'),
        ('"oldest":1,', '"oldest":2,'),
        ('"node":"node-1","camera"', '"node":"node-2","camera"'),
        ("}]}", '},"seq":2}]}'),
        ("}]}", "}]} "),
    ],
)
def test_everything_else_is_left_to_the_lenient_reader(of_body: str, instead: str) -> None:
    payload = as_sent(motion())
    changed = payload.replace(of_body.encode(), instead.encode(), 1)
    assert changed != payload
    assert read_verbatim(payload) is not None
    assert read_verbatim(changed) is None


SNIPPETS = (
    '"revision":1,',
    ',"revision":0',
    '"kind":"motion",',
    '},{"seq":',
    ',"event":',
    '{"seq":7,"event":{}},',
    "}]}",
    '"',
    "\\",
    ":",
    " ",
    "0",
    "null",
    "京",
    '"text":"x",',
    '"ended_at":null,',
)


@given(
    seed=st.integers(0, 30),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 60), st.sampled_from(("", *SNIPPETS))),
        min_size=1,
        max_size=3,
    ),
)
@example(seed=1, edits=[(0.0, 0, "")])
@settings(max_examples=500)
def test_however_a_message_is_spoilt_both_readers_agree(
    seed: int, edits: list[tuple[float, int, str]]
) -> None:
    text = as_sent(*some_events(seed)[seed % 4 :: 4]).decode()
    for place, length, snippet in edits:
        at = int(place * len(text))
        text = text[:at] + snippet + text[at + length :]
    same_as_decoded(text.encode())


@given(place=st.integers(0, 200), value=st.sampled_from(["1", '"1"', "true", "[]", "{}", "1e99"]))
@settings(max_examples=200)
def test_a_field_of_another_type_is_never_kept(place: int, value: str) -> None:
    event = some_events()[place % 9]
    document = json.loads(event.model_dump_json(exclude_defaults=True))
    keys = sorted(document)
    document[keys[place % len(keys)]] = json.loads(value)
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    found = same_as_decoded(
        as_sent(event).replace(event.model_dump_json(exclude_defaults=True).encode(), body.encode())
    )
    if found is not None:
        known = Event.model_validate_json(body)
        assert json.loads(known.model_dump_json(exclude_unset=True)) == document


def test_a_message_of_the_plain_encoder_is_read_too() -> None:
    batch = EventBatch(
        node="node-1", epoch=EPOCH, oldest=1, events=(Numbered(seq=1, event=motion()),)
    )
    assert read_verbatim(encode(batch)) == arrived(batch)
