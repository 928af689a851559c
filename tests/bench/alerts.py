"""``menshen bench alerts``: from the commit at the centre to the notice handed over, how fast."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from sqlalchemy import Engine, distinct, func, select

from alerts.store import schema
from config.errors import UserError
from config.event import Severity
from config.interpreter import prepare_to_serve
from config.secrets import Secrets
from ingest.engine import reading
from ingest.schema import routing_queue
from tests.bench.alerts_gateway import gateway, phones, with_gateway
from tests.bench.alerts_site import full_site
from tests.bench.alerts_world import World, at_rate, database_version, opened
from tests.bench.delivery import quantile
from tests.bench.report import JsonFlag, finish, show

_ROOT = Path(__file__).resolve().parents[2]
_TICK_S = 0.02
_GROUP = 200
_PATIENCE_S = 180.0
_HANDED_OVER = ("accepted", "delivered", "read")


@dataclass(frozen=True, slots=True)
class Books:
    """What the tables say of the events that were committed."""

    lost: int
    """Events without an alert, or whose alert was handed over to nobody."""
    repeated: int
    """Alerts beyond one per event, and attempts beyond one per notice."""


def bench(
    database: Annotated[
        Literal["sqlite", "postgresql"], typer.Option(help="The centre's database.")
    ] = "sqlite",
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 184.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long at that rate.")] = 20.0,
    backlog: Annotated[int, typer.Option(min=10, help="Events that wait, routed flat out.")] = 2000,
    kills: Annotated[
        int, typer.Option(min=1, help="kill -9 of a router over another such backlog.")
    ] = 3,
    channel: Annotated[
        Literal["pages", "gateway"],
        typer.Option(help="Handed over to: the pages' stream, or a gateway over HTTP as well."),
    ] = "pages",
    as_json: JsonFlag = False,
) -> None:
    """Real store, router, timers, hand-over and database, for a county of full size."""
    prepare_to_serve()  # as `menshen centre run` does
    with ExitStack() as stack:
        engine, address = stack.enter_context(opened(database))
        site, arrivals, secrets = full_site(), None, Secrets()
        if channel == "gateway":
            arrivals = stack.enter_context(gateway())
            site, secrets = with_gateway(site, arrivals.url), phones(site)
        world = World(engine, address, site, secrets=secrets)
        stack.callback(world.sending.close)
        used = time.process_time()
        with world.running("router", "timers", *world.sending.works()):
            reached = at_rate(world, rate, seconds)
            settle(world)
        used = (time.process_time() - used) / len(world.committed)
        times = latencies(world) if arrivals is None else arrivals.after(engine, world.committed)
        flat = _flat_out(world, backlog)
        with world.running("timers", *world.sending.works()):
            _killed(world, backlog, kills, arrivals.url if arrivals is not None else None)
            settle(world)
        books = count(engine, set(world.committed))
        if arrivals is not None:
            lost = len(world.committed) - len(arrivals.after(engine, world.committed))
            books = Books(books.lost + lost, books.repeated + arrivals.repeated())
        version = database_version(engine)
    rows = [
        ("asked / committed, events/s", f"{rate:.0f} / {reached:.0f}"),
        ("commit to handed over, p50", f"{quantile(times, 0.5) * 1000:.0f} ms"),
        ("commit to handed over, p99", f"{quantile(times, 0.99) * 1000:.0f} ms"),
        ("processor time per event", f"{used * 1000:.1f} ms"),
        ("routed flat out, alerts/s", f"{flat:.0f}"),
        ("events in all", f"{len(world.committed)}"),
        (f"lost / repeated after {kills} kills", f"{books.lost} / {books.repeated}"),
    ]
    show(f"Alerts, {version}", ("what", "value"), rows)
    finish(
        {
            "alerts_per_s": round(flat, 1),
            "p50_ms": round(quantile(times, 0.5) * 1000, 1),
            "p99_ms": round(quantile(times, 0.99) * 1000, 1),
            "lost": books.lost,
            "repeated": books.repeated,
        },
        as_json=as_json,
    )


def _flat_out(world: World, backlog: int) -> float:
    """Alerts a second while one router decides about a backlog and nothing else runs."""
    _pile_up(world, backlog)
    begun, routed = time.monotonic(), 0
    while done := world.router.run_once():
        routed += done
    return routed / (time.monotonic() - begun)


def _pile_up(world: World, backlog: int) -> None:
    for start in range(0, backlog, _GROUP):
        world.feed(min(_GROUP, backlog - start))


def _killed(world: World, backlog: int, kills: int, gateway_url: str | None) -> None:
    """A router in its own process works off a backlog and is killed ``kills`` times over it."""
    _pile_up(world, backlog)
    for number in range(kills + 1):
        with _router(world.address, gateway_url):
            # The last one is left alone until nothing waits.
            left = 0 if number == kills else backlog * (kills - number) // (kills + 1)
            until(partial(_is_down_to, world.engine, left), "the router decides")


@contextmanager
def _router(address: str, gateway_url: str | None) -> Iterator[None]:
    given = [address] if gateway_url is None else [address, gateway_url]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.alerts_router", *given],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise UserError(
                where="router", problem="did not start", remedy="see its messages above"
            )
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def settle(world: World) -> None:
    """Wait until every event is decided about and every notice has been tried."""
    until(partial(_is_down_to, world.engine, 0), "the router decides")
    until(lambda: _unsent(world.engine) == 0, "the dispatcher sends")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds()``; ``what`` says in the error what did not come about."""
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise UserError(
                where="alerts benchmark",
                problem=f"did not come about in {_PATIENCE_S:.0f} s: {what}",
                remedy="give a lower --rate or --backlog",
            )
        time.sleep(0.05)


def _waiting(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(routing_queue)).scalar_one()


def _is_down_to(engine: Engine, left: int) -> bool:
    return _waiting(engine) <= left


def _unsent(engine: Engine) -> int:
    sent = schema.deliveries.c
    with reading(engine) as connection:
        return connection.execute(
            select(func.count()).where(sent.next_attempt_at.is_not(None))
        ).scalar_one()


def latencies(world: World, severity: Severity | None = None) -> list[float]:
    """Seconds from an event's commit to its first notice handed over, sorted.

    A row says when its transaction began; nobody sees it before that is committed, so the later
    of both counts. ``severity``: only of alerts that are as loud.
    """
    sent, links = schema.deliveries.c, schema.alert_events.c
    statement = (
        select(links.event_id, func.min(sent.changed_at).label("at"))
        .join_from(schema.alert_events, schema.deliveries, sent.alert_id == links.alert_id)
        .where(sent.state.in_(_HANDED_OVER), links.relation == "opened")
        .group_by(links.event_id)
    )
    if severity is not None:
        statement = statement.join(schema.alerts, schema.alerts.c.id == links.alert_id)
        statement = statement.where(schema.alerts.c.severity == str(severity))
    with reading(world.engine) as connection:
        rows = connection.execute(statement).all()
    return sorted(
        max(row.at.timestamp(), world.decided.get(row.event_id, 0.0))
        - world.committed[row.event_id]
        for row in rows
    )


def count(engine: Engine, committed: set[str]) -> Books:
    """Compare the tables with the events that were ``committed``, each of a plate of its own."""
    sent, links = schema.deliveries, schema.alert_events
    with reading(engine) as connection:
        reached = set(
            connection.execute(
                select(links.c.event_id)
                .distinct()
                .join_from(links, sent, sent.c.alert_id == links.c.alert_id)
                .where(sent.c.state.in_(_HANDED_OVER))
            ).scalars()
        )
        alerts = connection.execute(select(func.count()).select_from(schema.alerts)).scalar_one()
        keys = connection.execute(
            select(func.count(distinct(schema.alerts.c.dedup_key)))
        ).scalar_one()
        again = connection.execute(
            select(func.coalesce(func.sum(sent.c.attempts - 1), 0)).where(sent.c.attempts > 1)
        ).scalar_one()
        doubled = connection.execute(
            select(sent.c.alert_id)
            .group_by(sent.c.alert_id, sent.c.person, sent.c.channel, sent.c.step, sent.c.cycle)
            .having(func.count() > 1)
        ).all()
    return Books(len(committed - reached), alerts - keys + int(again) + len(doubled))
