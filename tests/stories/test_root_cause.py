"""Root cause first: a node, a switch or a street without power is one alert, not sixteen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from alerts.auditing.alarm import Alarm
from alerts.auditing.auditor import Auditor
from alerts.inhibition.node_watch import NodeWatch
from alerts.life.state import Outcome, State
from alerts.store import schema
from config.site import Site
from config.wire import Presence
from ingest.engine import writing
from ingest.presence import record_presence
from ingest.store import EventStore
from tests.alerts.county import County, county_at

BEHIND_EAST = ("east-gate-in", "east-gate-out")


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, street_of_nodes(example_site)) as made:
        yield made


def street_of_nodes(site: Site) -> Site:
    """The example county with three more nodes in the township of the east gate."""
    camera = site.camera("east-gate-in")
    assert camera is not None
    nodes = [{"id": f"node-shop-{n}", "name": f"商铺{n}"} for n in range(3)]
    cameras = [
        {**camera.model_dump(), "id": f"shop-{n}", "name": f"商铺{n}", "node": f"node-shop-{n}"}
        for n in range(3)
    ]
    body = site.model_dump()
    body["nodes"] = [*body["nodes"], *nodes]
    body["cameras"] = [*body["cameras"], *cameras]
    return Site.model_validate(body)


def signs(county: County, state: str, *nodes: str) -> None:
    for node in nodes:
        body = {"node": node, "state": state, "outbox_events": 0, "cameras_online": 0}
        sign = Presence.model_validate({**body, "at": county.clock.now()})
        record_presence(county.engine, county.clock, sign)


def look(county: County) -> None:
    """What the centre does every half minute."""
    alarm = Alarm(EventStore(county.engine, county.clock), county.clock)
    alarm.tell(NodeWatch(county.engine, county.site, county.clock).run())
    county.route()


def states(county: County) -> dict[str, State]:
    alerts = schema.alerts.c
    with county.engine.connect() as connection:
        rows = connection.execute(select(alerts.camera, alerts.state, alerts.dedup_key))
        return {
            f"{row.camera} {row.dedup_key.rpartition('|')[2]}": State(row.state) for row in rows
        }


def open_subjects(county: County) -> list[str]:
    alerts = county.service.open_alerts(county.viewer("police-desk"))
    return sorted(alert.camera_id for alert in alerts)


def test_cameras_that_went_before_their_node_are_hidden_behind_it(county: County) -> None:
    signs(county, "online", "node-east")
    events = [county.health(active=True, camera=name) for name in BEHIND_EAST]
    county.see(*events)
    assert open_subjects(county) == sorted(BEHIND_EAST), "the switch's battery was the first to go"
    county.clock.advance(120)
    look(county)
    assert open_subjects(county) == ["node-east"]
    told = county.service.explain(events[0].id)
    assert told.state is State.SUPPRESSED
    reasons = [item.reason_en for item in told.decisions if item.stage == "inhibition"]
    assert "node-east node_silent" in reasons[0]


def test_cameras_that_go_after_their_node_are_never_told_of(county: County) -> None:
    signs(county, "online", "node-east")
    county.clock.advance(120)
    look(county)
    late = county.health(active=True, camera="east-gate-in", condition="frozen")
    county.see(late)
    assert open_subjects(county) == ["node-east"]
    alert_id = county.service.explain(late.id).alert_id
    assert alert_id is not None
    assert county.told(alert_id) == []


def test_what_stays_broken_after_the_node_is_back_opens_and_the_rest_closes(
    county: County,
) -> None:
    signs(county, "online", "node-east")
    county.see(*[county.health(active=True, camera=name) for name in BEHIND_EAST])
    county.clock.advance(120)
    look(county)
    signs(county, "online", "node-east")
    look(county)
    assert open_subjects(county) == [], "the cameras are given time to start"
    county.see(county.health(active=False, camera="east-gate-in"))
    assert county.wait(179) == 0
    assert county.wait(2) == 1
    assert open_subjects(county) == ["east-gate-out"]
    found = county.service.recent(county.viewer("police-desk"))
    outcomes = {alert.camera_id: alert.outcome for alert in found}
    assert outcomes == {
        "east-gate-in": Outcome.RESOLVED,
        "east-gate-out": None,
        "node-east": Outcome.RESOLVED,
    }
    opened = next(alert for alert in found if alert.camera_id == "east-gate-out")
    assert county.told(opened.id), "and somebody is told of it"


def test_a_person_who_closes_the_root_does_not_lose_what_is_behind_it(county: County) -> None:
    signs(county, "online", "node-east")
    county.see(county.health(active=True))
    county.clock.advance(120)
    look(county)
    head = county.viewer("wang-fang")
    root = county.service.open_alerts(head)[0]
    county.service.acknowledge(head, root.id, version=None)
    county.service.report(head, root.id, note="只是网线")
    county.service.close(head, root.id, outcome=Outcome.FALSE_ALARM)
    county.wait(181)
    assert open_subjects(county) == ["east-gate-in"]


def test_an_old_fault_is_not_excused_by_a_node_lost_much_later(county: County) -> None:
    signs(county, "online", "node-east")
    county.see(county.health(active=True, condition="black"))
    county.clock.advance(3600)
    look(county)
    assert open_subjects(county) == ["east-gate-in", "node-east"]


def test_somebody_who_is_at_it_keeps_their_alert(county: County) -> None:
    signs(county, "online", "node-east")
    alert = county.see(county.health(active=True))[0]
    county.service.acknowledge(county.viewer("wang-fang"), alert.id, version=None)
    county.clock.advance(120)
    look(county)
    assert open_subjects(county) == ["east-gate-in", "node-east"]


def test_a_street_without_power_is_one_alert_for_its_area(county: County) -> None:
    street = ("node-east", "node-shop-0", "node-shop-1", "node-shop-2")
    signs(county, "online", *street)
    county.see(county.health(active=True, camera="shop-1"))
    county.clock.advance(30)
    signs(county, "offline", "node-shop-0")
    county.clock.advance(40)
    look(county)
    assert open_subjects(county) == ["node-shop-0", "shop-1"]
    signs(county, "offline", "node-east", "node-shop-1", "node-shop-2")
    county.clock.advance(30)
    look(county)
    assert open_subjects(county) == ["power-town--east-gate"]
    root = county.service.open_alerts(county.viewer("police-desk"))[0]
    assert "城关镇" in root.title_zh

    signs(county, "online", "node-east", "node-shop-1", "node-shop-2")
    look(county)
    assert open_subjects(county) == []
    county.see(county.health(active=False, camera="shop-1"))
    county.wait(200)
    assert open_subjects(county) == ["node-shop-0"], "that shop's own line is still dead"
    assert states(county)["shop-1 offline"] is State.CLOSED


def test_a_node_behind_another_root_still_explains_its_cameras(county: County) -> None:
    street = ("node-east", "node-shop-0", "node-shop-1", "node-shop-2")
    signs(county, "online", *street)
    county.see(county.health(active=True, camera="shop-0"))
    signs(county, "offline", *street)
    county.clock.advance(30)
    look(county)
    signs(county, "online", "node-east", "node-shop-1", "node-shop-2")
    look(county)
    county.wait(200)
    assert open_subjects(county) == ["node-shop-0"]
    assert states(county)["shop-0 offline"] is State.SUPPRESSED, "behind its own node now"


def test_an_older_outage_that_somebody_took_up_again_goes_on_beyond_a_newer_one(
    county: County,
) -> None:
    def node(*, is_silent: bool) -> None:
        county.clock.advance(1)
        county.see(county.health(active=is_silent, camera="node-east", condition="node_silent"))

    node(is_silent=True)
    (older,) = county.service.open_alerts(county.viewer("police-desk"))
    node(is_silent=False)
    node(is_silent=True)
    node(is_silent=False)
    county.service.reopen(county.viewer("police-desk"), older.id)
    county.see(county.health(active=True, camera="east-gate-in"))
    assert states(county)["east-gate-in offline"] is State.SUPPRESSED, "it still explains them"
    node(is_silent=True)
    (joined,) = county.service.open_alerts(county.viewer("police-desk"))
    assert (joined.id, joined.sightings) == (older.id, 2), "no third alert of one outage"
    node(is_silent=False)
    assert county.service.open_alerts(county.viewer("police-desk")) == [], "its end ends it"


def test_a_node_that_only_restarts_is_told_of_to_nobody(county: County) -> None:
    signs(county, "offline", "node-east")
    county.clock.advance(10)
    look(county)
    signs(county, "online", "node-east")
    county.clock.advance(30)
    look(county)
    assert county.count(schema.alerts) == 0


def test_the_auditor_finds_what_is_hidden_behind_nothing(county: County) -> None:
    signs(county, "online", "node-east")
    county.see(county.health(active=True))
    county.clock.advance(120)
    look(county)
    auditor = Auditor(county.engine, county.site, county.clock)
    assert auditor._orphans() == []
    with writing(county.engine) as connection:
        node = schema.alerts.c.camera == "node-east"
        connection.execute(update(schema.alerts).where(node).values(state="closed"))
    assert [found.condition for found in auditor._orphans()] == ["no_next_step"]
