"""Days of PostgreSQL: dropped whole with proof, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ingest.partitions import Partitions
from ingest.retention import proof
from ingest.retention.swept import Swept
from tests.events import batch_of
from tests.retention import GATE, HOME, START, RetentionCentre, hold


def test_a_day_stays_until_its_last_camera_is_due(by_day: RetentionCentre) -> None:
    for camera in (HOME, GATE, "gone"):
        by_day.see(camera)
    by_day.days(1)
    next_day = by_day.see(GATE)
    by_day.days(28.9)
    swept = by_day.sweeper.run()
    assert (swept.events, "events_20260302" in swept.days_dropped) == (1, False)
    assert START.date() in Partitions(by_day.engine).days()
    by_day.days(1)
    swept = by_day.sweeper.run()
    assert (swept.events, "events_20260302" in swept.days_dropped) == (2, True)
    assert START.date() not in Partitions(by_day.engine).days()
    assert by_day.ids() == {next_day.id}


def test_a_day_with_its_events_goes_whole_with_proof(by_day: RetentionCentre) -> None:
    sent = [by_day.see(GATE, pictures=(b"a",)), by_day.see("east-gate-out"), by_day.see(GATE)]
    by_day.days(31.5)
    swept = by_day.sweeper.run()
    assert swept.days_dropped[0] == "events_20260302"
    assert (swept.events, swept.files) == (3, 1)
    assert (by_day.ids(), by_day.files(), by_day.store.counts().queued) == (set(), set(), 0)
    assert all(len(proof.find(by_day.engine, event.id)) == 1 for event in sent)
    assert by_day.verdict().problem is None
    again = by_day.store.insert(batch_of(enumerate(sent, start=1), epoch=by_day.epoch))
    assert (again.acked_upto, by_day.ids()) == (3, set())


def test_a_day_with_one_held_event_stays_and_the_others_go(by_day: RetentionCentre) -> None:
    kept, _ = by_day.see(GATE), by_day.see("east-gate-out")
    asked = hold(by_day)
    by_day.holds.confirm(asked.id, "admin-gao")
    by_day.days(31.5)
    swept = by_day.sweeper.run()
    assert "events_20260302" not in swept.days_dropped
    assert (swept.events, by_day.ids()) == (1, {kept.id})


def test_two_sweepers_at_once_prove_everything_once(by_day: RetentionCentre) -> None:

    sent = [by_day.see(HOME, pictures=(str(n).encode(),)) for n in range(40)]
    by_day.days(8)
    with ThreadPoolExecutor(3) as pool:
        results: list[Swept] = list(pool.map(lambda _: by_day.new_sweeper().run(), range(3)))
    assert sum(result.events for result in results) == 40
    assert all(len(proof.find(by_day.engine, event.id)) == 1 for event in sent)
    assert by_day.verdict().problem is None
    assert by_day.files() == set()
