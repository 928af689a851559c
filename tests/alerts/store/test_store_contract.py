"""What the stored alerts promise, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.deciding.router import Router
from alerts.life.state import State
from alerts.seeing.service import AlertConflict
from alerts.store import schema
from alerts.store import work as work_module
from alerts.store.counting import Counted
from alerts.store.rows import insert_rows
from alerts.store.work import LostRace, Work
from config.event import Event
from config.ids import uuid7
from config.site import Site
from ingest.engine import writing
from ingest.schema import routing_queue
from tests.alerts.county import County, county_at


@pytest.fixture
def county(database_url: str, example_site: Site) -> Iterator[County]:
    with county_at(database_url, example_site) as made:
        yield made


def together(*jobs: Any) -> list[BaseException]:
    """Run jobs in threads that start at the same moment; returns what they raised."""
    gate = threading.Barrier(len(jobs))
    raised: list[BaseException] = []

    def run(job: Any) -> None:
        gate.wait()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def drain(router: Router) -> None:
    while router.run_once():
        pass


def test_routers_side_by_side_make_one_alert_of_each_thing(county: County) -> None:
    texts = [f"冀A{number:05d}" for number in range(40)]
    for _ in range(4):
        county.arrive(*[county.plate(text) for text in texts])
    routers = [
        Router(county.engine, county.site, county.clock, store=county.store) for _ in range(3)
    ]
    raised = together(*[lambda r=router: drain(r) for router in routers])
    drain(county.router)
    assert raised == []
    alerts = county.service.open_alerts(county.viewer("police-desk"))
    assert sorted(alert.plate.text for alert in alerts if alert.plate) == texts
    assert {alert.sightings for alert in alerts} == {4}
    assert county.count(routing_queue) == 0
    assert county.count(schema.alert_events) == 160
    assert AuditLog(county.engine, county.clock).verify() is None
    stream = county.service.stream(county.viewer("police-desk"), after=0, limit=1000)
    assert [item.position for item in stream] == list(range(1, 161))


def test_of_two_people_at_once_exactly_one_is_first(county: County) -> None:
    alert = county.see(county.plate())[0]
    people = [county.viewer("wang-fang"), county.viewer("police-desk")]
    raised = together(
        *[
            lambda who=person: county.service.acknowledge(who, alert.id, version=alert.version)
            for person in people
        ]
    )
    assert [type(error) for error in raised] == [AlertConflict]
    taken = county.service.get(people[0], alert.id)
    assert (taken.state, taken.version) == (State.ACKED, alert.version + 1)


def test_two_timer_loops_fire_a_timer_once(county: County) -> None:
    alert = county.see(county.plate())[0]
    county.clock.advance(301)
    assert together(county.timers.run_once, county.timers.run_once) == []
    assert county.service.get(county.viewer("police-desk"), alert.id).step == 1
    assert county.told(alert.id).count("wang-fang") == 1


def test_a_transaction_that_fails_at_its_end_leaves_nothing_behind(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    county.arrive(county.plate())

    def broken(connection: Connection, to: Counted) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(work_module, "move_counters", broken)
        assert county.router.run_once() == 0
    for table in (schema.alerts, schema.deliveries, schema.timers, schema.audit, schema.stream):
        assert county.count(table) == 0
    assert county.count(routing_queue) == 1, "the event waits for a better moment"
    county.clock.advance(31)
    assert county.route() == 1
    assert county.count(schema.alerts) == 1


def test_one_event_that_cannot_be_routed_does_not_hold_up_the_others(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = county.plate("冀A00001"), county.plate("冀A00002")
    county.arrive(bad, good)
    judge = county.router._rules.judge

    def picky(event: Event, now: Any) -> Any:
        if event.id == bad.id:
            raise RuntimeError("a bug in a rule")
        return judge(event, now)

    monkeypatch.setattr(
        type(county.router._rules), "judge", lambda _self, event, now: picky(event, now)
    )
    assert county.route() == 1
    assert county.service.explain(good.id).alert_id is not None
    assert county.service.explain(bad.id).is_waiting


def test_a_row_changed_behind_our_back_is_not_overwritten(county: County) -> None:
    alert = county.see(county.plate())[0]
    with writing(county.engine) as connection:
        work = Work(connection, county.site, county.clock.now())
        held = work.load(alert.id)
        assert held is not None
        held.stored = alert.version + 7
        from alerts.life.state import Acknowledge

        work.apply(held, Acknowledge("wang-fang"))
        with pytest.raises(LostRace):
            work.flush()


def test_the_auditor_finds_an_open_alert_without_a_timer(county: County) -> None:
    alert = county.see(county.plate())[0]
    assert Auditor(county.engine, county.site, county.clock)._no_timer() == []
    with writing(county.engine) as connection:
        connection.execute(schema.timers.delete())
    found = Auditor(county.engine, county.site, county.clock).run()
    assert found[0].about == f"alert {alert.id}"


def test_rows_keep_every_character_and_every_moment(county: County) -> None:
    now = county.clock.now()
    odd = "“门神” \\ ' \" :rows %s \n 😀"
    rows = [
        {
            "id": uuid7(now),
            "at": now + timedelta(microseconds=number),
            "event_id": None,
            "stage": "rule",
            "verdict": "ignored",
            "reason_zh": odd,
            "reason_en": str(number),
        }
        for number in range(300)
    ]
    with writing(county.engine) as connection:
        insert_rows(connection, schema.decisions, [])
        insert_rows(connection, schema.decisions, rows)
    with county.engine.connect() as connection:
        kept = connection.execute(select(schema.decisions)).mappings().all()
    by_id = {row["id"]: row for row in kept}
    assert len(by_id) == len(rows)
    assert all(by_id[row["id"]][name] == row[name] for row in rows for name in row)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_message_to_postgresql_waits_for_another(county: County) -> None:
    with county.engine.connect() as connection:
        link = connection.connection.dbapi_connection
        assert link is not None
        assert link._usock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
