"""``menshen bench storm``: ten thousand alerts in a minute; who is told what, and how soon."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import typer
from sqlalchemy import Engine, func, select

from alerts.hub import Hub
from alerts.loops import Loop
from alerts.store import schema
from alerts.store.quiet_schema import digests
from alerts.storm.brake import DIGESTED, HELD
from alerts.storm.digests import Digests
from config.event import Event, Severity
from config.interpreter import prepare_to_serve
from config.pace_site import Pace
from config.site import Camera, Site
from ingest.engine import reading
from tests.bench.alerts import latencies, settle, until
from tests.bench.alerts_site import full_site, plate_event
from tests.bench.alerts_world import World, at_rate, database_version, opened
from tests.bench.delivery import quantile
from tests.bench.report import JsonFlag, finish, show

CRITICAL_EVERY = 100
"""One alert in this many is critical."""
_STRICKEN = 36
"""Grids in which it storms: one in ten."""


@dataclass(frozen=True, slots=True)
class StormBooks:
    """What the tables say after the storm."""

    lost: int
    """Events without an alert, or whose alert has no delivery to anybody."""
    waiting: int
    """Deliveries that are still held: their digest never went out."""
    unaccounted: int
    """Digested deliveries of which no digest that was sent knows."""
    digests: int
    notices: int
    """What was handed over: single notices and digests."""
    digested: int


def bench(
    database: Annotated[
        Literal["sqlite", "postgresql"], typer.Option(help="The centre's database.")
    ] = "sqlite",
    alerts: Annotated[int, typer.Option(min=100, help="Alerts in all.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, help="In this time.")] = 60.0,
    window: Annotated[int, typer.Option(min=5, max=600, help="Window of a digest, s.")] = 60,
    as_json: JsonFlag = False,
) -> None:
    """A storm over a tenth of a county of full size, through the real router and digests."""
    prepare_to_serve()  # as `menshen centre run` does
    with ExitStack() as stack:
        engine, address = stack.enter_context(opened(database))
        site = full_site().model_copy(update={"pace": Pace(window_s=window)})
        world = World(engine, address, site, make=partial(stormy_event, stricken(site)))
        sending = Digests(engine, site, world.clock, hub=world.hub)
        slow = Loop("digests", sending.run_once, Hub(), look_every_s=0.5, heeds=())
        slow.start()
        stack.callback(slow.join)
        stack.callback(slow.ask_to_stop)
        begun = time.process_time()
        with world.running("router", "timers", "reach"):
            reached = at_rate(world, alerts / seconds, seconds)
            settle(world)
            until(lambda: _left(engine) == 0, "the digests go out")
            settle(world)
        critical = latencies(world, Severity.CRITICAL)
        books = count(engine, set(world.committed))
        version, used = database_version(engine), time.process_time() - begun
    rows = [
        ("alerts / in seconds", f"{len(world.committed)} / {len(world.committed) / reached:.0f}"),
        ("critical among them", f"{len(critical)}"),
        ("critical: commit to handed over, p50", f"{quantile(critical, 0.5) * 1000:.0f} ms"),
        ("critical: commit to handed over, p99", f"{quantile(critical, 0.99) * 1000:.0f} ms"),
        ("notices handed over / alerts inside digests", f"{books.notices} / {books.digested}"),
        ("digests", f"{books.digests}"),
        ("processor time per alert", f"{used / len(world.committed) * 1000:.1f} ms"),
        ("lost / still waiting / unaccounted", f"{books.lost} / {books.waiting} / "
         f"{books.unaccounted}"),
    ]  # fmt: skip
    show(f"Storm, {version}", ("what", "value"), rows)
    finish(
        {
            "alerts": len(world.committed),
            "alerts_per_s": round(reached, 1),
            "critical": len(critical),
            "critical_p50_ms": round(quantile(critical, 0.5) * 1000, 1),
            "critical_p99_ms": round(quantile(critical, 0.99) * 1000, 1),
            "notices": books.notices,
            "digests": books.digests,
            "digested": books.digested,
            "lost": books.lost,
            "waiting": books.waiting,
            "unaccounted": books.unaccounted,
        },
        as_json=as_json,
    )


def stricken(site: Site) -> tuple[Camera, ...]:
    """The cameras of the first tenth of the grids."""
    grids = {grid.id for grid in site.grids[:_STRICKEN]}
    return tuple(camera for camera in site.cameras if camera.grid in grids)


def stormy_event(cameras: Sequence[Camera], site: Site, number: int, moment: datetime) -> Event:
    """A plate of its own at one of ``cameras``; every hundredth is critical."""
    event = plate_event(site, number, moment)
    camera = cameras[number * 7 % len(cameras)]
    severity = Severity.CRITICAL if number % CRITICAL_EVERY == 0 else Severity.NOTICE
    changed = {"camera": camera.id, "node": camera.node, "severity": severity}
    return event.model_copy(update=changed)


def count(engine: Engine, committed: set[str]) -> StormBooks:
    """Compare the tables with the events that were committed, each of a plate of its own."""
    sent, links = schema.deliveries, schema.alert_events
    told = (
        select(links.c.event_id)
        .join(sent, sent.c.alert_id == links.c.alert_id)
        .where(sent.c.person.is_not(None))
    )
    with reading(engine) as connection:
        reached = set(connection.execute(told.distinct()).scalars())
        states = Counter(
            {
                row.state: row.n
                for row in connection.execute(
                    select(sent.c.state, func.count().label("n")).group_by(sent.c.state)
                )
            }
        )
        counted, number = connection.execute(
            select(func.coalesce(func.sum(digests.c.count), 0), func.count()).where(
                digests.c.sent_at.is_not(None)
            )
        ).one()
    handed = sum(states.values()) - states[HELD] - states[DIGESTED]
    return StormBooks(
        lost=len(committed - reached),
        waiting=states[HELD],
        unaccounted=states[DIGESTED] - int(counted),
        digests=number,
        notices=handed,
        digested=states[DIGESTED],
    )


def _left(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(
            select(func.count()).where(digests.c.sent_at.is_(None))
        ).scalar_one()
