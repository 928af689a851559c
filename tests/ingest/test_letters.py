"""Hostile payloads: each becomes a dead letter with a reason, and good events still pass."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from config.ids import uuid7
from config.wire import BATCH_LIMIT_BYTES, encode
from ingest.arrival import arrived
from ingest.engine import open_engine, writing
from ingest.letters.bury import bury, totals
from ingest.letters.reading import HEAD_BYTES, DeadLetter, read_events
from ingest.migrate import upgrade
from tests.events import MOMENT, batch_of, motion

TOPIC = "menshen/v1/demo/evt/node-1/cam-1"
EPOCH = uuid7(MOMENT)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def test_a_good_batch_passes() -> None:
    batch = batch_of([(1, motion())], epoch=EPOCH)
    mail = read_events(TOPIC, encode(batch))
    assert mail.batch is not None
    assert (arrived(mail.batch), mail.letters) == (arrived(batch), ())


def test_one_bad_event_does_not_take_its_neighbours_along() -> None:
    document = json.loads(encode(batch_of([(1, motion()), (2, motion())], epoch=EPOCH)))
    document["events"][0]["event"]["kind"] = "invented later"
    mail = read_events(TOPIC, json.dumps(document).encode())
    assert mail.batch is not None
    assert [row.seq for row in arrived(mail.batch).rows] == [2]
    (letter,) = mail.letters
    assert "event/kind" in letter.reason
    assert b"invented later" in letter.head


def test_a_batch_of_another_node_than_its_topic_is_refused() -> None:
    mail = read_events(
        "menshen/v1/demo/evt/node-2/c", encode(batch_of([(1, motion())], epoch=EPOCH))
    )
    assert mail.batch is None
    assert "the topic names node-2" in mail.letters[0].reason
    assert mail.letters[0].node == "node-2"


def test_a_giant_is_refused_unread() -> None:
    mail = read_events(TOPIC, b"[" * (BATCH_LIMIT_BYTES + 1))
    assert mail.batch is None
    assert len(mail.letters[0].head) == HEAD_BYTES
    assert "over the limit" in mail.letters[0].reason


def test_deep_nesting_is_refused() -> None:
    assert read_events(TOPIC, b"[" * 100_000).batch is None
    assert read_events(TOPIC, b'{"events":' + b"[" * 100_000).batch is None


@given(payload=st.binary(max_size=600))
@settings(max_examples=200)
def test_any_bytes_become_a_letter(payload: bytes) -> None:
    mail = read_events(TOPIC, payload)
    assert mail.batch is None
    assert mail.letters[0].head == payload[:HEAD_BYTES]
    assert mail.letters[0].reason


@given(path=st.integers(0, 13), value=json_values)
@settings(max_examples=200)
def test_any_field_may_hold_anything(path: int, value: object) -> None:
    document = json.loads(encode(batch_of([(1, motion()), (2, motion())], epoch=EPOCH)))
    places = [document, document["events"][0], document["events"][0]["event"]]
    keys = [(place, key) for place in places for key in sorted(place)]
    place, key = keys[path % len(keys)]
    place[key] = value
    mail = read_events(TOPIC, json.dumps(document).encode())
    assert mail.batch is not None or mail.letters
    if mail.batch is not None:
        assert mail.batch.node == "node-1"


def test_more_letters_come_at_once_than_a_statement_takes(tmp_path: Path) -> None:
    """A newer node's batches may be bad in all events but one: 400 messages of 500 wait."""
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    upgrade(engine)
    letters = [DeadLetter.of(TOPIC, b"%d" % number, "no JSON") for number in range(1_200)]
    for _ in range(2):
        with writing(engine) as connection:
            driver: Any = connection.connection.driver_connection
            driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1_000)
            bury(connection, letters, MOMENT)
    assert totals(engine).kept == 1_200
    engine.dispose()
