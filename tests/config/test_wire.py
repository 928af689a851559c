"""What goes over MQTT survives the trip, and whatever else arrives is refused in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UserError
from config.event import (
    THUMBNAIL_LIMIT_BYTES,
    Character,
    Event,
    EventKind,
    EvidenceRef,
    PlateReading,
)
from config.ids import is_uuid7, uuid7, uuid7_time
from config.topics import Topics, node_of
from config.wire import BATCH_LIMIT_BYTES, EventBatch, Numbered, Presence, Receipt, decode, encode

NOW = datetime(2026, 3, 1, 0, 15, tzinfo=UTC)
TOPIC = "menshen/v1/qinghe/evt/node-east/east-gate-in"


def plate_event(**changes: object) -> Event:
    event_id = uuid7(NOW)
    fields: dict[str, object] = {
        "id": event_id,
        "visit": event_id,
        "node": "node-east",
        "camera": "east-gate-in",
        "kind": EventKind.PLATE,
        "started_at": NOW,
        "captured_at": NOW,
        "box": (0.1, 0.2, 0.3, 0.1),
        "plate": PlateReading(
            text="冀T12345",
            raw="冀T12345",
            confidence=0.9,
            characters=tuple(Character(text=c, probability=0.9) for c in "冀T12345"),
            colour="blue",
            plate_kind="blue",
        ),
        "evidence": (
            EvidenceRef(sha256="a" * 64, media_type="image/jpeg", size_bytes=10, role="crop"),
        ),
        "thumbnail": bytes(range(256)),
    }
    return Event.model_validate(fields | changes)


def batch_of(event: Event) -> EventBatch:
    return EventBatch(
        node=event.node, epoch=uuid7(NOW), oldest=1, events=(Numbered(seq=1, event=event),)
    )


def test_a_batch_arrives_as_it_was_sent() -> None:
    batch = batch_of(plate_event())
    assert decode(EventBatch, encode(batch), topic=TOPIC) == batch


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": EventKind.FACE},
        {"plate": None},
        {"ended_at": NOW - timedelta(seconds=1)},
        {"captured_at": NOW.replace(tzinfo=None)},
        {"camera": "../../etc"},
        {"id": "not-a-uuid"},
        {"box": (0.1, 0.2, 0.3, 1.5)},
        {"thumbnail": bytes(THUMBNAIL_LIMIT_BYTES + 1)},
        {"identity": "somebody"},
    ],
)
def test_an_event_that_contradicts_itself_cannot_be_made(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        plate_event(**changes)


def test_a_batch_may_not_speak_for_another_node() -> None:
    with pytest.raises(ValueError, match="is of node"):
        EventBatch(
            node="node-lixiang",
            epoch=uuid7(NOW),
            oldest=1,
            events=(Numbered(seq=1, event=plate_event()),),
        )


def test_a_huge_payload_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UserError, match="over the limit"):
        decode(EventBatch, b"[" * (BATCH_LIMIT_BYTES + 1), topic=TOPIC)


def test_an_error_names_topic_and_field_but_no_value() -> None:
    document = json.loads(encode(batch_of(plate_event())))
    document["events"][0]["event"]["plate"]["confidence"] = "冀A99999"
    with pytest.raises(UserError) as caught:
        decode(EventBatch, json.dumps(document).encode(), topic=TOPIC)
    assert caught.value.where == TOPIC
    assert caught.value.field == "events/0/event/plate/confidence"
    assert "冀A99999" not in str(caught.value)


@given(st.binary(max_size=400))
def test_no_bytes_make_decoding_fail_in_another_way(payload: bytes) -> None:
    for kind in (EventBatch, Receipt, Presence):
        with pytest.raises(UserError):
            decode(kind, payload, topic=TOPIC)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.sampled_from(["node", "epoch", "oldest", "events", "v", "more"]), json_values)
def test_a_batch_with_any_field_replaced_is_taken_or_refused_in_words(
    key: str, value: object
) -> None:
    document = json.loads(encode(batch_of(plate_event())))
    document[key] = value
    try:
        decode(EventBatch, json.dumps(document).encode(), topic=TOPIC)
    except UserError as error:
        assert error.where == TOPIC


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), max_size=6),
)
def test_a_receipt_covers_exactly_what_it_says(upto: int, steps: list[tuple[int, int]]) -> None:
    stored = set(range(1, upto + 1))
    ranges: list[tuple[int, int]] = []
    end = upto
    for gap, length in steps:
        first = end + 1 + gap
        end = first + length
        ranges.append((first, end))
        stored |= set(range(first, end + 1))
    receipt = Receipt(node="n", epoch=uuid7(NOW), acked_upto=upto, also=tuple(ranges))
    assert decode(Receipt, encode(receipt), topic=TOPIC) == receipt
    assert {seq for seq in range(1, end + 10) if receipt.covers(seq)} == stored


def test_receipt_ranges_must_ascend_with_gaps_between() -> None:
    for ranges in [((5, 4),), ((1, 2),), ((5, 6), (7, 8)), ((9, 10), (5, 6))]:
        with pytest.raises(ValueError, match="ascend"):
            Receipt(node="n", epoch=uuid7(NOW), acked_upto=3, also=ranges)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2500, 1, 1)))
def test_ids_carry_their_time_and_sort_by_it(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    text = uuid7(aware)
    assert is_uuid7(text)
    assert abs(uuid7_time(text) - aware) < timedelta(milliseconds=2)
    assert text < uuid7(aware + timedelta(milliseconds=2))


def test_topics_are_spelled_and_taken_apart_in_one_place() -> None:
    topics = Topics("qinghe")
    assert node_of(topics.event("node-east", "east-gate-in")) == "node-east"
    assert node_of(topics.receipt("node-east")) is None
    assert node_of("menshen/v1/qinghe/evt/node-east/a/b") is None
    assert topics.all_events("ingest") == "$share/ingest/menshen/v1/qinghe/evt/+/+"
