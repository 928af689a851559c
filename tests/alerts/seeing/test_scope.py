"""Scope in memory is as strict as scope in the database: whatever is drawn, both agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from alerts.seeing.changes import read_changes
from alerts.seeing.scope import Subject, in_scope, scope
from alerts.seeing.service import AlertService
from alerts.seeing.views import Viewer
from alerts.store import schema
from config.clock import FakeClock
from config.event import EventKind
from config.ids import uuid7
from config.site import LegalClass, Role, Site
from ingest.engine import open_engine, reading, writing
from ingest.migrate import upgrade
from tests.alerts.county import DAY, County

PEOPLE = ("wang-fang", "li-qiang", "zhou-min", "police-desk", "")
GRIDS = ("lixiang", "chengguan-1", None)
_ALERT = {
    "version": 1,
    "state": "open",
    "severity": "notice",
    "loudness": 1,
    "cycle": 0,
    "step": 0,
    "turn": 0,
    "sightings": 1,
    "escalate_after_s": 300,
    "departments": "[]",
    "rule": "any",
    "dedup_key": "any",
    "camera": "any",
    "evidence": "[]",
}
_DELIVERY = {
    "alert_version": 1,
    "cycle": 0,
    "step": 0,
    "channel": "inapp",
    "reason_zh": "",
    "reason_en": "",
    "attempts": 0,
    "error": "",
}

subjects = st.builds(
    Subject,
    id=st.just(""),
    kind=st.sampled_from([str(kind) for kind in EventKind]),
    legal_class=st.none() | st.sampled_from([str(one) for one in LegalClass]),
    grid=st.sampled_from(GRIDS),
    owner=st.none() | st.sampled_from(PEOPLE),
    told=st.frozensets(st.sampled_from(PEOPLE[:4]), max_size=2),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory):
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('scope') / 'centre.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def _store(engine, subject: Subject) -> Subject:
    """Write an alert that has what the subject says, and its deliveries."""
    clock = FakeClock(DAY)
    own = uuid7(clock.now())
    times = dict.fromkeys(("opened_at", "changed_at", "seen_at", "captured_at"), clock.now())
    with writing(engine) as connection:
        connection.execute(
            insert(schema.alerts).values(
                id=own,
                event_id=own,
                kind=subject.kind,
                legal_class=subject.legal_class,
                grid=subject.grid,
                owner=subject.owner,
                **_ALERT,
                **times,
            )
        )
        for person in subject.told:
            connection.execute(
                insert(schema.deliveries).values(
                    id=uuid7(clock.now()),
                    alert_id=own,
                    person=person,
                    target=person,
                    state="accepted",
                    idempotency_key=f"{own} {person}",
                    created_at=clock.now(),
                    changed_at=clock.now(),
                    **_DELIVERY,
                )
            )
    return Subject(
        own, subject.kind, subject.legal_class, subject.grid, subject.owner, subject.told
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subject=subjects,
    role=st.sampled_from(list(Role)),
    person=st.sampled_from(PEOPLE),
    grid=st.sampled_from(GRIDS),
    homes=st.lists(st.sampled_from(PEOPLE), max_size=2).map(tuple),
    is_granted=st.booleans(),
)
def test_memory_and_database_agree_on_who_sees_what(
    engine, subject, role, person, grid, homes, is_granted
):
    stored = _store(engine, subject)
    alerts = schema.alerts
    viewer = Viewer(person, role, grid, homes, (stored.id,) if is_granted else ())
    with reading(engine) as connection:
        asked = select(alerts.c.id).where(alerts.c.id == stored.id, scope(viewer, alerts))
        in_database = connection.execute(asked).first() is not None
    assert in_scope(viewer, stored) is in_database


def test_what_is_read_once_for_all_gives_everybody_what_their_own_query_would(
    tmp_path: Path, example_site: Site
):
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    upgrade(engine)
    county = County(engine, example_site, FakeClock(DAY))
    for camera in example_site.cameras:
        county.see(county.plate(camera=camera.id))
    first = county.service.open_alerts(county.viewer("police-desk"))[0]
    county.service.acknowledge(county.viewer("police-desk"), first.id, version=None)
    service = AlertService(engine, example_site, county.clock)
    changes = read_changes(engine, example_site, after=0, limit=1000)
    homes = {c.owner for c in example_site.cameras if c.legal_class is LegalClass.HOME}
    seen = 0
    for person in example_site.people:
        for granted in ((), tuple(alert.id for alert in service.recent(_owner(homes), 50))):
            viewer = Viewer(person.id, person.role, person.grid, (), granted)
            own = service.stream(viewer, after=0, limit=1000)
            shared = [item for change in changes if (item := change.for_viewer(viewer))]
            assert [item.position for item in shared] == [item.position for item in own]
            for one, other in zip(shared, own, strict=True):
                assert _without_states(one.alert) == _without_states(other.alert)
            seen += len(own)
    assert seen > len(changes)
    engine.dispose()


def _owner(homes: set[str | None]) -> Viewer:
    return Viewer(next(owner for owner in sorted(filter(None, homes))), Role.HOME_OWNER)


def _without_states(alert):
    """Deliveries move on while the viewers read one after another."""
    return alert.model_copy(update={"told": tuple(line.person_id for line in alert.told)})
