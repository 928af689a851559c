"""Two router processes work off one queue and are killed without warning, again and again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from alerts.auditing.audit import AuditLog
from alerts.store import schema
from config.clock import SystemClock
from config.event import Event
from config.ids import uuid7
from config.wire import EventBatch, Numbered
from ingest.engine import reading
from ingest.schema import routing_queue
from ingest.store import EventStore
from tests.bench.alerts_site import full_site, plate_event

ROOT = Path(__file__).resolve().parents[3]
CARS = 80
PASSES = 4
KILLS = 3
PATIENCE_S = 300.0


@contextmanager
def routers(address: str, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    running = [router(address) for _ in range(number)]
    try:
        yield running
    finally:
        for process in running:
            end(process)


def router(address: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.alerts_router", address],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def waiting(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(routing_queue)).scalar_one()


def pile_up(engine: Engine) -> list[Event]:
    """Each car passes its camera some times, in one heap."""
    site, clock = full_site(), SystemClock()
    passes = [number for number in range(CARS) for _ in range(PASSES)]
    random.shuffle(passes)
    store, epoch = EventStore(engine, clock), uuid7(clock.now())
    events = [plate_event(site, number, clock.now()) for number in passes]
    numbered = tuple(Numbered(seq=n, event=event) for n, event in enumerate(events, start=1))
    for start in range(0, len(numbered), 100):
        part = numbered[start : start + 100]
        batches = [
            EventBatch(node=one.event.node, epoch=epoch, oldest=1, events=(one,)) for one in part
        ]
        store.insert_group(batches)
    return events


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_car_is_one_alert_with_all_its_passes_whoever_was_killed(
    request: pytest.FixtureRequest, database: str
) -> None:
    new_engine: Callable[[], Engine] = request.getfixturevalue(f"{database}_engines")
    engine = new_engine()
    events = pile_up(engine)
    address = engine.url.render_as_string(hide_password=False)
    begun = time.monotonic()
    with routers(address, 2) as running:
        for kill in range(KILLS):
            left = len(events) * (KILLS - kill) // (KILLS + 1)
            while waiting(engine) > left and time.monotonic() - begun < PATIENCE_S:
                time.sleep(0.01)
            victim = random.randrange(2)
            end(running[victim])
            running[victim] = router(address)
        while waiting(engine) and time.monotonic() - begun < PATIENCE_S:
            time.sleep(0.05)
    with reading(engine) as connection:
        sightings = list(connection.execute(select(schema.alerts.c.sightings)).scalars())
        linked = set(connection.execute(select(schema.alert_events.c.event_id)).scalars())
        told = connection.execute(
            select(schema.deliveries.c.alert_id, func.count())
            .where(schema.deliveries.c.step == 0)
            .group_by(schema.deliveries.c.alert_id, schema.deliveries.c.person)
            .having(func.count() > 1)
        ).all()
    assert waiting(engine) == 0
    assert linked == {event.id for event in events}, "none is lost"
    assert sightings == [PASSES] * CARS, "and none counts twice"
    assert told == []
    assert AuditLog(engine, SystemClock()).verify() is None
    engine.dispose()
