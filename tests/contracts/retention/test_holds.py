"""Legal holds on SQLite and PostgreSQL: two people, an end, and what they outweigh."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.ids import uuid7
from ingest.retention.holds import LONGEST, UNCONFIRMED, Scope
from ingest.retention.rules import erasure
from tests.retention import GATE, HOME, START, RetentionCentre, hold


def test_a_hold_keeps_events_and_files_until_it_ends_by_itself(centre: RetentionCentre) -> None:
    event = centre.see(GATE, pictures=(b"evidence",))
    other = centre.see("east-gate-out")
    asked = hold(centre)
    assert asked.state(centre.clock.now()) == "unconfirmed"
    assert not centre.holds.confirm(asked.id, "police-desk"), "not by oneself"
    assert centre.holds.confirm(asked.id, "admin-gao")
    assert not centre.holds.confirm(asked.id, "admin-lin"), "once is enough"
    centre.days(40)
    assert centre.sweeper.run().events == 1
    assert centre.ids() == {event.id}, other.id
    assert centre.files() == {event.evidence[0].sha256}
    centre.days(21)
    found = centre.holds.find(asked.id)
    assert found is not None
    assert found.state(centre.clock.now()) == "expired"
    assert centre.sweeper.run().events == 1
    assert centre.files() == set()


def test_without_a_second_person_a_hold_lapses(centre: RetentionCentre) -> None:
    centre.see(GATE)
    centre.days(29)
    asked = hold(centre)
    centre.days(2)
    assert centre.sweeper.run().events == 0, "it works at once"
    centre.clock.advance(UNCONFIRMED.total_seconds())
    assert not centre.holds.confirm(asked.id, "admin-gao"), "too late"
    assert centre.sweeper.run().events == 1


def test_a_released_hold_lets_go(centre: RetentionCentre) -> None:
    centre.see(GATE)
    asked = hold(centre)
    centre.holds.confirm(asked.id, "admin-gao")
    centre.days(40)
    with pytest.raises(ValueError, match="reason"):
        centre.holds.release(asked.id, "police-desk", " ")
    assert centre.holds.release(asked.id, "police-desk", "case closed")
    assert not centre.holds.release(asked.id, "police-desk", "again")
    assert centre.sweeper.run().events == 1
    (listed,) = centre.holds.all()
    assert (listed.released_by, listed.release_reason) == ("police-desk", "case closed")


def test_a_hold_outweighs_an_erasure(centre: RetentionCentre) -> None:
    event = centre.see(HOME)
    centre.clock.advance(60)
    hold(centre, camera=HOME)
    now = centre.clock.now()
    assert centre.sweeper.erase(erasure(centre.site, HOME, now, now, by="li-qiang")).events == 0
    assert centre.ids() == {event.id}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case_number": " "}, "case number"),
        ({"reason": ""}, "reason"),
        ({"ends_at": START}, "future"),
        ({"ends_at": START + LONGEST + timedelta(seconds=1)}, "180 days"),
    ],
)
def test_a_hold_without_its_fields_is_refused(
    centre: RetentionCentre, change: dict[str, object], words: str
) -> None:
    right: dict[str, object] = {
        "owner": "police-desk",
        "case_number": "A-1",
        "reason": "theft",
        "ends_at": START + timedelta(days=3),
    }
    with pytest.raises(ValueError, match=words):
        centre.holds.ask(Scope(alert_id=uuid7(START)), **{**right, **change})  # type: ignore[arg-type]
    assert centre.holds.all() == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"camera": GATE},
        {"camera": GATE, "first_at": START},
        {"camera": GATE, "first_at": START, "last_at": START},
        {"alert_id": "x", "camera": GATE, "first_at": START, "last_at": START},
    ],
)
def test_a_scope_is_one_thing(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="hold"):
        Scope(**fields)  # type: ignore[arg-type]
