"""Consents and what nodes report: on both databases, with no face in either."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from config.clock import FakeClock
from config.household import CONSENT_DAYS, HouseholdReport
from config.site import Site
from ingest.engine import reading
from ingest.households import LEARNING, Consent, Households, known_members

HOME, NODE, OWNER = "home-li-qiang", "node-lixiang", "li-qiang"


@pytest.fixture
def households(engine: Engine, example_site: Site, clock: FakeClock) -> Households:
    return Households(engine, example_site, clock)


def ask(households: Households, label: str = "爸爸") -> tuple[Consent, int]:
    made, revisions = households.ask(
        owner=OWNER, label=label, cameras=[HOME], guardian=None, consent_version="1"
    )
    return made, revisions[NODE]


def wanted(households: Households) -> tuple[int, set[str]]:
    (found,) = households.lists()
    assert found.node == NODE
    return found.revision, {member.id for member in found.members}


def report(clock: FakeClock, revision: int, *held: str) -> HouseholdReport:
    return HouseholdReport(node=NODE, revision=revision, held=held, at=clock.now())


def test_a_consent_is_on_the_list_before_a_face_is_on_its_way_and_off_it_when_withdrawn(
    households: Households, clock: FakeClock
) -> None:
    father, first = ask(households)
    assert wanted(households) == (first, {father.id})
    assert households.enrolled(father.id)
    assert not households.withdraw("zhou-min", father.id), "another home's"
    assert households.withdraw(OWNER, father.id)
    assert not households.withdraw(OWNER, father.id), "once is enough"
    assert wanted(households) == (first + 1, set())
    assert not households.enrolled(father.id), "it cannot come back"


def test_what_no_node_has_learnt_does_nothing(
    households: Households, engine: Engine, clock: FakeClock
) -> None:
    refused, _ = ask(households)
    households.refused(refused.id)
    forgotten, revision = ask(households, "妈妈")
    assert wanted(households) == (revision, {forgotten.id})
    with reading(engine) as connection:
        members = [refused.id, forgotten.id]
        assert known_members(connection, members, clock.now()) == {}
    clock.advance(LEARNING.total_seconds())
    assert wanted(households) == (revision, set()), "the centre died while it waited"


def test_a_consent_ends_after_a_year_unless_it_is_given_again(
    households: Households, engine: Engine, clock: FakeClock
) -> None:
    father, _ = ask(households)
    mother, revision = ask(households, "妈妈")
    for one in (father, mother):
        households.enrolled(one.id)
    clock.advance(timedelta(days=CONSENT_DAYS - 1).total_seconds())
    assert households.renew(OWNER, father.id, consent_version="2")
    assert not households.renew("zhou-min", father.id, consent_version="2")
    clock.advance(timedelta(days=1).total_seconds())
    assert wanted(households) == (revision + 1, {father.id})
    assert not households.renew(OWNER, mother.id, consent_version="2"), "what has ended is over"
    with reading(engine) as connection:
        known = known_members(connection, [father.id, mother.id], clock.now())
    assert known == {father.id: (OWNER, frozenset({HOME}))}


def test_a_camera_whose_policy_has_changed_recognises_nobody(
    households: Households, engine: Engine, example_site: Site, clock: FakeClock
) -> None:
    father, _ = ask(households)
    households.enrolled(father.id)
    cameras = tuple(
        one.model_copy(update={"face": "detect"}) if one.id == HOME else one
        for one in example_site.cameras
    )
    other = Households(engine, example_site.model_copy(update={"cameras": cameras}), clock)
    assert wanted(other)[1] == set()
    assert wanted(households)[1] == {father.id}


def test_a_node_that_is_ahead_of_a_restored_centre_is_told_to_forget(
    households: Households, clock: FakeClock
) -> None:
    households.record(report(clock, 40, "01a20e92-f038-79c0-9a78-c7ecd7c90ff8"))
    assert wanted(households) == (41, set())
    father, revision = ask(households)
    assert revision == 42
    households.record(report(clock, 90, father.id))
    assert wanted(households) == (91, {father.id})
    state = households.nodes()[NODE]
    assert (state.reported_revision, state.held) == (90, frozenset({father.id}))
