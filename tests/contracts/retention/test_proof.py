"""Proof of deletion on SQLite and PostgreSQL: forged, cut off, made anew, or a lie."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, text, update

from config.ids import uuid7
from ingest.engine import writing
from ingest.retention.proof import GENESIS, Head
from ingest.retention.schema import deletion_head, deletions
from tests.events import batch_of
from tests.retention import HOME, START, RetentionCentre, jpeg


def deleted_twice(centre: RetentionCentre) -> None:
    for name in (b"1", b"2"):
        centre.see(HOME, pictures=(name,))
        centre.days(8)
        centre.sweeper.run()


def test_an_empty_chain_is_whole(centre: RetentionCentre) -> None:
    found = centre.verdict()
    assert (found.rows, found.head, found.problem) == (0, Head(0, GENESIS), None)


@pytest.mark.parametrize(
    ("forgery", "seq"),
    [
        ("UPDATE deletions SET rule = 'because' WHERE seq = 2", 2),
        ("UPDATE deletions SET manifest = replace(manifest, '0', '1') WHERE seq = 1", 1),
        ("UPDATE deletions SET items = 7 WHERE seq = 3", 3),
        ("UPDATE deletions SET previous = hash WHERE seq = 4", 4),
        ("DELETE FROM deletions WHERE seq = 2", 2),
        ("DELETE FROM deletions WHERE seq = 4", 4),
        ("UPDATE deletion_head SET rows = 9", 5),
    ],
)
def test_a_forged_chain_names_its_first_bad_row(
    centre: RetentionCentre, forgery: str, seq: int
) -> None:
    deleted_twice(centre)
    assert centre.verdict().problem is None
    with writing(centre.engine) as connection:
        connection.execute(text(forgery))
    found = centre.verdict()
    assert found.problem is not None
    assert found.seq == seq


def test_a_chain_that_was_made_anew_differs_from_its_checkpoint(centre: RetentionCentre) -> None:
    deleted_twice(centre)
    checkpoint = centre.verdict().head
    assert centre.verdict(checkpoint).problem is None
    with writing(centre.engine) as connection:
        connection.execute(delete(deletions))
        connection.execute(update(deletion_head).values(rows=0, hash=GENESIS))
    assert centre.verdict().problem is None
    cut_off = centre.verdict(checkpoint)
    assert cut_off.problem is not None
    assert "cut off" in cut_off.problem
    deleted_twice(centre)
    rewritten = centre.verdict(checkpoint)
    assert rewritten.problem is not None
    assert "rewritten" in rewritten.problem


def test_a_thing_that_is_still_there_is_found(centre: RetentionCentre) -> None:
    event = centre.see(HOME, pictures=(b"x",))
    centre.days(8)
    centre.sweeper.run()
    sha256 = event.evidence[0].sha256
    with centre.media.begin(sha256) as upload:  # somebody kept a copy, and put it back
        upload.write(jpeg(b"x"))
        upload.finish(declared=None)
    found = centre.verdict()
    assert found.problem is not None
    assert sha256 in found.problem
    centre.media.remove(sha256)
    other = uuid7(START)
    centre.store.insert(
        batch_of([(1, event.model_copy(update={"visit": other}))], epoch=uuid7(START))
    )
    found = centre.verdict()
    assert found.problem is not None
    assert event.id in found.problem
