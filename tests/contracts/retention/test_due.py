"""What goes, when it goes, and what may not be asked for, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from config.errors import UserError
from config.site import Site
from ingest.engine import reading, writing
from ingest.letters.reading import DeadLetter
from ingest.retention import proof
from ingest.retention.files import ORPHAN
from ingest.retention.rules import LATE, erasure
from ingest.retention.schema import deleted_seqs, media_refs
from ingest.retention.sweep import LETTER_DAYS
from ingest.schema import dead_letters
from ingest.schema import media as media_table
from tests.events import batch_of
from tests.retention import DAY, GATE, HOME, START, RetentionCentre


def test_each_camera_keeps_as_long_as_its_sign_says(centre: RetentionCentre) -> None:
    home, gate = centre.see(HOME, pictures=(b"yard",)), centre.see(GATE, pictures=(b"car",))
    centre.days(6.9)
    assert not centre.sweeper.run().anything()
    centre.days(0.2)
    swept = centre.sweeper.run()
    assert (swept.events, swept.files) == (1, 1)
    assert centre.ids() == {gate.id}
    assert centre.files() == {gate.evidence[0].sha256}
    centre.days(23)
    assert (centre.sweeper.run().events, centre.ids(), centre.files()) == (1, set(), set())
    (of_home,) = proof.find(centre.engine, home.id)
    assert (of_home.camera, of_home.kind) == (HOME, "event")
    assert "home: kept 7 days (0 to 30 allowed)" in of_home.rule
    digest = hashlib.sha256(home.model_dump_json(exclude_defaults=True).encode()).hexdigest()
    assert (home.id, digest) in of_home.items
    (of_file,) = proof.find(centre.engine, home.evidence[0].sha256)
    assert of_file.kind == "media"
    assert centre.verdict().problem is None


def test_a_file_lives_as_long_as_any_event_that_names_it(centre: RetentionCentre) -> None:
    first = centre.see(GATE, pictures=(b"same", b"own"))
    centre.days(10)
    second = centre.see(GATE, pictures=(b"same",))
    centre.days(21)
    assert centre.sweeper.run().files == 1
    assert centre.ids() == {second.id}
    assert centre.files() == {first.evidence[0].sha256}
    centre.days(10)
    centre.sweeper.run()
    assert centre.files() == set()
    assert (centre.rows(media_refs), centre.rows(media_table)) == (0, 0)


def test_what_comes_after_its_time_is_decided_about_first(centre: RetentionCentre) -> None:
    late = centre.see(GATE, ago_s=40 * DAY)
    assert centre.sweeper.run().events == 0
    assert centre.store.counts().queued == 1
    centre.clock.advance(LATE.total_seconds() + 1)
    assert centre.sweeper.run().events == 1
    assert late.id not in centre.ids()
    assert centre.store.counts().queued == 0


@pytest.mark.parametrize("ago_days", [2000, -300])
def test_a_wrong_clock_neither_shortens_nor_lengthens(
    centre: RetentionCentre, ago_days: int
) -> None:
    centre.see(GATE, ago_s=ago_days * DAY)
    centre.days(29)
    assert centre.sweeper.run().events == 0
    centre.days(2)
    assert centre.sweeper.run().events == 1


def test_a_camera_that_left_the_site_keeps_thirty_days(centre: RetentionCentre) -> None:
    centre.see("camera-of-old")
    centre.days(29)
    assert centre.sweeper.run().events == 0
    centre.days(2)
    assert centre.sweeper.run().events == 1


def test_a_file_that_nobody_names_goes_after_a_month(centre: RetentionCentre) -> None:
    orphan = centre.keep(b"its event was shed")
    centre.clock.advance(ORPHAN.total_seconds() - 60)
    assert centre.sweeper.run().files == 0
    centre.clock.advance(120)
    assert centre.sweeper.run().files == 1
    assert centre.files() == set()
    assert proof.find(centre.engine, orphan.sha256)


def test_a_file_without_a_row_is_found(centre: RetentionCentre) -> None:
    centre.keep(b"a crash came before its row")
    with writing(centre.engine) as connection:
        connection.execute(delete(media_table))
    centre.clock.advance(max(0.0, (datetime.now(UTC) - centre.clock.now()).total_seconds()))
    centre.sweeper.run()
    assert centre.rows(media_table) == 1
    centre.days(31)
    assert centre.new_sweeper().run().files == 1


def test_dead_letters_go_too(centre: RetentionCentre) -> None:
    letter = DeadLetter.of("menshen/v1/demo/evt/n/c", b"with a plate in it", "no JSON")
    centre.store.insert_group([], [letter])
    centre.days(LETTER_DAYS + 1)
    assert centre.sweeper.run().letters == 1
    assert centre.rows(dead_letters) == 0
    (found,) = proof.find(centre.engine, letter.digest)
    assert found.kind == "letter"


def test_what_was_deleted_is_never_stored_again(centre: RetentionCentre, tmp_path: Path) -> None:
    sent = [centre.see(GATE), centre.see(HOME), centre.see(GATE), centre.see(GATE)]
    centre.days(8)
    centre.sweeper.run()
    centre.days(30)
    assert centre.new_sweeper().run().events == 3
    receipt = centre.store.insert(batch_of(enumerate(sent, start=1), epoch=centre.epoch))
    assert receipt.acked_upto == 4, "the node may forget it"
    assert (centre.ids(), centre.store.counts().queued) == (set(), 0)
    with reading(centre.engine) as connection:
        found = select(deleted_seqs.c.first_seq, deleted_seqs.c.last_seq)
        assert connection.execute(found).all() == [(1, 4)], "neighbouring ranges are one"
    assert centre.store.counts().dead_letters == 0


def test_a_home_may_erase_its_own_and_a_gate_may_not(centre: RetentionCentre) -> None:
    centre.see(HOME)
    gate = centre.see(GATE)
    centre.clock.advance(60)
    now = centre.clock.now()
    with pytest.raises(UserError, match="at least 30 days"):
        erasure(centre.site, GATE, now, now, by="li-qiang")
    with pytest.raises(UserError, match="no camera"):
        erasure(centre.site, "nowhere", now, now, by="li-qiang")
    swept = centre.sweeper.erase(erasure(centre.site, HOME, now, now, by="li-qiang"))
    assert (swept.events, centre.ids()) == (1, {gate.id})


@given(
    days=st.floats(0, 60),
    class_days=st.sampled_from([(HOME, 0), (GATE, 30), ("lixiang-road", 30)]),
)
def test_no_erasure_reaches_below_the_minimum(
    example_site: Site, days: float, class_days: tuple[str, int]
) -> None:
    camera, least = class_days
    before = START - timedelta(days=days)
    try:
        rule = erasure(example_site, camera, before, START, by="somebody")
    except UserError:
        assert days < least
        return
    assert rule.cutoff(START) <= min(before, START - timedelta(days=least))
