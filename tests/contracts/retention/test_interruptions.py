"""A sweep that dies, a store that is away, a file that comes again: no half state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ingest.accounting import account
from ingest.engine import reading, writing
from ingest.media import MediaError
from ingest.retention import proof
from ingest.retention.files import rescue
from ingest.retention.schema import doomed_media, media_refs
from ingest.schema import events
from tests.events import batch_of, motion
from tests.retention import GATE, HOME, START, RetentionCentre


def test_a_store_that_is_away_keeps_the_order(
    centre: RetentionCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = centre.see(HOME, pictures=(b"x",))
    centre.days(8)

    def away(_: str) -> bool:
        raise MediaError(status=503, where="s3", problem="away", remedy="wait")

    with monkeypatch.context() as patch:
        patch.setattr(centre.media, "remove", away)
        assert centre.sweeper.run().events == 1
    assert centre.rows(doomed_media) == 1
    assert centre.verdict().problem is None, "ordered, not carried out: that is no lie"
    assert centre.new_sweeper().run().files == 1
    assert centre.media.find(event.evidence[0].sha256) is None


def test_a_file_that_is_sent_again_is_rescued(
    centre: RetentionCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = centre.see(HOME, pictures=(b"x",))
    sha256 = event.evidence[0].sha256
    centre.days(8)
    monkeypatch.setattr(centre.media, "remove", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        centre.sweeper.run()
    monkeypatch.undo()
    centre.clock.advance(10)
    with writing(centre.engine) as connection:
        rescue(connection, sha256, centre.clock.now())
    assert centre.new_sweeper().run().files == 0
    assert centre.files() == {sha256}
    assert centre.verdict().problem is None, "it came again after its deletion"


@pytest.mark.parametrize("place", ["proof.append", "note_deleted", "Files.doom", "Files.carry_out"])
def test_a_sweep_that_dies_anywhere_leaves_no_half_state(
    centre: RetentionCentre, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    event = centre.see(HOME, pictures=(b"x",))
    centre.days(8)
    where = {
        "proof.append": "ingest.retention.sweep.proof.append",
        "note_deleted": "ingest.retention.sweep.note_deleted",
        "Files.doom": "ingest.retention.files.Files.doom",
        "Files.carry_out": "ingest.retention.files.Files._remove",
    }[place]
    with monkeypatch.context() as patch:
        patch.setattr(where, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            centre.sweeper.run()
    is_proven = bool(proof.find(centre.engine, event.id))
    assert is_proven == (event.id not in centre.ids()), "both, or neither"
    assert centre.verdict().problem is None
    centre.new_sweeper().run()
    assert (centre.ids(), centre.files()) == (set(), set())
    assert len(proof.find(centre.engine, event.id)) == 1
    assert centre.verdict().problem is None


def test_many_pages_are_one_sweep(centre: RetentionCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.retention.sweep._PAGE", 7)
    for _ in range(30):
        centre.see(HOME)
    centre.days(8)
    assert centre.sweeper.run().events == 30
    found = centre.verdict()
    assert (found.items, found.problem) == (30, None)


@given(
    steps=st.lists(st.sampled_from(["home", "gate", "both", "day", "week", "sweep"]), max_size=20)
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_and_events_always_agree(naive: RetentionCentre, steps: list[str]) -> None:
    """Whatever happens in whatever order: no event without its file, no file without an event."""
    for number, step in enumerate(steps):
        if step in ("day", "week"):
            naive.days(1 if step == "day" else 7)
        elif step == "sweep":
            naive.sweeper.run()
        else:
            cameras = (HOME, GATE) if step == "both" else (HOME,) if step == "home" else (GATE,)
            for camera in cameras:
                naive.see(camera, pictures=(b"shared", str(number).encode()))
    naive.sweeper.run()
    with reading(naive.engine) as connection:
        named = set(connection.execute(select(media_refs.c.sha256)).scalars())
        rows = connection.execute(select(events.c.camera, events.c.captured_at)).all()
    assert naive.files() == named
    assert naive.verdict().problem is None
    for row in rows:
        limit = 7 if row.camera == HOME else 30
        assert naive.clock.now() - row.captured_at <= timedelta(days=limit)


def test_nothing_that_was_deleted_counts_as_lost(centre: RetentionCentre, tmp_path: Path) -> None:
    from edge.delivery.outbox import Outbox

    outbox = Outbox.open(tmp_path / "o.db", node="node-1", clock=centre.clock, budget_bytes=10**9)
    event = motion(camera=HOME).model_copy(update={"captured_at": START, "started_at": START})
    seq = outbox.append(event)
    receipt = centre.store.insert(batch_of([(seq, event)], epoch=outbox.epoch))
    outbox.receive(receipt)
    outbox.close()
    centre.days(8)
    assert centre.sweeper.run().events == 1
    result = account([tmp_path / "o.db"], centre.engine)
    assert (result.committed, result.stored, result.deleted, result.lost) == (1, 0, 1, 0)
