"""Rehearses who would be told: the real router and timers on a scratch database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Engine, Table, func, insert, select

from alerts import choices_schema, quiet_schema, schema
from alerts.explain import AlertLine, Explanation, Reason, explain_event
from alerts.router import Router
from alerts.state import LIVE
from alerts.store import AlertStore
from alerts.timers import Timers
from config.clock import FakeClock
from config.event import Event, Frozen
from config.ids import uuid7
from config.site import Site
from config.wire import EventBatch, Numbered
from ingest.engine import open_engine, reading, writing
from ingest.migrate import upgrade
from ingest.schema import events, nodes
from ingest.store import EventStore

STEPS = 12
"""Timers that are let fire at most; the last step repeats for ever."""
_CHOICES: tuple[Table, ...] = (
    choices_schema.shift_swaps,
    choices_schema.absences,
    choices_schema.arming,
    choices_schema.household,
    choices_schema.home_consents,
    choices_schema.home_neighbours,
    choices_schema.watch_entries,
    choices_schema.watch_votes,
    quiet_schema.silences,
    quiet_schema.wartime_orders,
)
"""What people decided, and the router heeds."""


class Told(Frozen):
    """Somebody who would be told, when, and why; ``not_before`` where it would wait (at night)."""

    at: AwareDatetime
    not_before: AwareDatetime | None
    step: int
    person_id: str | None
    person_name: str
    channel: str
    reason_zh: str
    reason_en: str


class Rehearsed(Frozen):
    """What would happen if nobody answered; ``told`` in order of time.

    ``explanation`` is that of the event at the end of the rehearsal.
    """

    started_at: AwareDatetime
    told: tuple[Told, ...]
    explanation: Explanation

    @property
    def decisions(self) -> tuple[Reason, ...]:
        """Every decision on the way, above all each 'no'."""
        return self.explanation.decisions

    @property
    def history(self) -> tuple[AlertLine, ...]:
        """What the alert went through."""
        return self.explanation.history


def rehearse(
    site: Site, event: Event, now: datetime, *, live: Engine | None = None, steps: int = STEPS
) -> Rehearsed:
    """Route ``event`` as if it came in at ``now`` (timezone-aware), and let the timers run.

    Nothing is sent, and no running centre is touched: everything happens in a database that is
    thrown away.

    Args:
        live: a centre's database, only read, whose swaps, leave, arming, silences, wartime and
            watch list count; None: the site file alone.
    """
    with _scratch(now) as (engine, clock):
        if live is not None:
            for table in _CHOICES:
                _copy(live, engine, table)
        numbered = Numbered(seq=1, event=event)
        batch = EventBatch(node=event.node, epoch=uuid7(now), oldest=1, events=(numbered,))
        EventStore(engine, clock).insert(batch)
        store = AlertStore(engine, site, clock)
        while Router(engine, site, clock, store=store).run_once():
            pass
        return _run(engine, site, clock, store, event_id=event.id, steps=steps)


def rehearse_on(live: Engine, site: Site, event_id: str, now: datetime) -> Rehearsed | None:
    """How the alert of a stored event would go on from ``now``; None when it needs nobody.

    Raises:
        UserError: the centre has no such event.
    """
    known = explain_event(live, site, event_id)
    if known.alert_id is None or known.state not in LIVE:
        return None
    with _scratch(now) as (engine, clock):
        for table in _CHOICES:
            _copy(live, engine, table)
        _copy(live, engine, nodes)
        _copy(live, engine, events, events.c.id == event_id)
        _copy(live, engine, schema.alerts, schema.alerts.c.id == known.alert_id)
        for table in (schema.alert_events, schema.timers, choices_schema.owner_calls):
            _copy(live, engine, table, table.c.alert_id == known.alert_id)
        sent = schema.deliveries
        _copy(live, engine, sent, sent.c.alert_id == known.alert_id)
        store = AlertStore(engine, site, clock)
        already = _sent(engine)
        return _run(engine, site, clock, store, event_id=event_id, steps=STEPS, already=already)


@contextmanager
def _scratch(now: datetime) -> Iterator[tuple[Engine, FakeClock]]:
    """A database of the newest schema, and a clock at ``now`` that is moved by hand."""
    with tempfile.TemporaryDirectory(prefix="menshen-rehearsal-") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'scratch.db'}")
        try:
            upgrade(engine)
            yield engine, FakeClock(now)
        finally:
            engine.dispose()


def _copy(source: Engine, target: Engine, table: Table, *conditions: Any) -> None:
    with reading(source) as connection:
        rows = connection.execute(select(table).where(*conditions)).mappings().all()
    if rows:
        with writing(target) as connection:
            connection.execute(insert(table), [dict(row) for row in rows])


def _run(
    engine: Engine,
    site: Site,
    clock: FakeClock,
    store: AlertStore,
    *,
    event_id: str,
    steps: int,
    already: frozenset[str] = frozenset(),
) -> Rehearsed:
    """Let timers fire, each at its time, until the last step has repeated."""
    started_at = clock.now()
    timers = Timers(engine, clock, store=store)
    for _ in range(steps):
        due = _next_due(engine)
        if due is None or _repeats(_told(engine, site, already)):
            break
        clock.advance(max(timedelta(0), due - clock.now()).total_seconds())
        timers.run_once()
    return Rehearsed(
        started_at=started_at,
        told=_told(engine, site, already),
        explanation=explain_event(engine, site, event_id),
    )


def _next_due(engine: Engine) -> datetime | None:
    with reading(engine) as connection:
        due: datetime | None = connection.execute(
            select(func.min(schema.timers.c.due_at))
        ).scalar_one()
    return due


def _repeats(told: tuple[Told, ...]) -> bool:
    """True when a step has been told twice: from there on it only goes on like that."""
    moments = {(line.step, line.at) for line in told if line.person_id is not None}
    return len(moments) > len({step for step, _ in moments})


def _sent(engine: Engine) -> frozenset[str]:
    with reading(engine) as connection:
        return frozenset(connection.execute(select(schema.deliveries.c.id)).scalars())


def _told(engine: Engine, site: Site, already: frozenset[str]) -> tuple[Told, ...]:
    sent = schema.deliveries
    with reading(engine) as connection:
        rows = connection.execute(
            select(sent).order_by(sent.c.created_at, sent.c.step, sent.c.id)
        ).all()
    told = []
    for row in rows:
        if row.id in already:
            continue
        person = site.person(row.person) if row.person is not None else None
        waits = row.next_attempt_at is not None and row.next_attempt_at > row.created_at
        told.append(
            Told(
                at=row.created_at,
                not_before=row.next_attempt_at if waits else None,
                step=row.step,
                person_id=row.person,
                person_name=person.name if person is not None else row.target,
                channel=row.channel,
                reason_zh=row.reason_zh,
                reason_en=row.reason_en,
            )
        )
    return tuple(told)
