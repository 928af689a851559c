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

from alerts.channels import schema as channel_schema
from alerts.channels.contacts import Contacts
from alerts.channels.reach import Reach
from alerts.deciding.explain import AlertLine, Explanation, Reason, explain_event
from alerts.deciding.router import Router
from alerts.life.state import LIVE
from alerts.rosters.schema import duty_overrides
from alerts.store import choices_schema, quiet_schema, schema
from alerts.store.applying import AlertStore
from alerts.telling.notices import INAPP
from alerts.timers import Timers
from config.channel_site import EMAIL
from config.clock import FakeClock
from config.event import Event, Frozen
from config.ids import uuid7
from config.secrets import Secrets
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
    duty_overrides,
    choices_schema.arming,
    choices_schema.household,
    choices_schema.home_consents,
    choices_schema.home_neighbours,
    choices_schema.watch_entries,
    choices_schema.watch_votes,
    quiet_schema.silences,
    quiet_schema.wartime_orders,
    channel_schema.quiet_hours,
)
"""What people decided, and the router heeds."""


class Told(Frozen):
    """Somebody who would be told, when, by which way, and why."""

    at: AwareDatetime
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
    site: Site,
    event: Event,
    now: datetime,
    *,
    live: Engine | None = None,
    secrets: Secrets | None = None,
    steps: int = STEPS,
) -> Rehearsed:
    """Route ``event`` as if it came in at ``now`` (timezone-aware), and let the timers run.

    Nothing is sent, and no running centre is touched: everything happens in a database that is
    thrown away.

    Args:
        live: a centre's database, only read, whose swaps, leave, arming, silences, wartime and
            watch list count; None: the site file alone.
        secrets: whose phones and mail addresses show by which ways each would be told, and when
            the next way's turn would come; None: the pages alone.
    """
    with _scratch(now) as (engine, clock):
        if live is not None:
            for table in _CHOICES:
                _copy(live, engine, table)
        numbered = Numbered(seq=1, event=event)
        batch = EventBatch(node=event.node, epoch=uuid7(now), oldest=1, events=(numbered,))
        EventStore(engine, clock).insert(batch)
        scene = _Scene(engine, site, clock, secrets)
        while Router(engine, site, clock, store=scene.store).run_once():
            pass
        return scene.run(event.id, steps=steps)


def rehearse_on(
    live: Engine, site: Site, event_id: str, now: datetime, *, secrets: Secrets | None = None
) -> Rehearsed | None:
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
        return _Scene(engine, site, clock, secrets).run(event_id, steps=STEPS)


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


class _Scene:
    """What is on the scratch database, and the parts that work on it."""

    def __init__(
        self, engine: Engine, site: Site, clock: FakeClock, secrets: Secrets | None
    ) -> None:
        self.engine = engine
        self.site = site
        self.clock = clock
        self.store = AlertStore(engine, site, clock)
        self._timers = Timers(engine, clock, store=self.store)
        ways = {gateway.id for gateway in site.gateways} | {EMAIL}
        contacts = Contacts(site, secrets or Secrets(), ways if secrets is not None else ())
        self._reach = Reach(engine, site, clock, contacts=contacts)
        with reading(engine) as connection:
            self._already = frozenset(connection.execute(select(schema.deliveries.c.id)).scalars())

    def run(self, event_id: str, *, steps: int) -> Rehearsed:
        """Let timers and ways have their turn, each at its time, until the last step repeats."""
        started_at = self.clock.now()
        self._settle()
        for _ in range(steps * (1 + len(self.site.gateways))):
            due = self._next_due()
            if due is None or _repeats(self._told()):
                break
            self.clock.advance(max(timedelta(0), due - self.clock.now()).total_seconds())
            self._timers.run_once()
            self._settle()
        return Rehearsed(
            started_at=started_at,
            told=self._told(),
            explanation=explain_event(self.engine, self.site, event_id),
        )

    def _settle(self) -> None:
        while self._reach.run_once():
            pass

    def _next_due(self) -> datetime | None:
        """When the next timer fires, or the next way has its turn."""
        with reading(self.engine) as connection:
            moments = [
                connection.execute(select(func.min(column))).scalar_one()
                for column in (schema.timers.c.due_at, schema.deliveries.c.fall_over_at)
            ]
        return min((moment for moment in moments if moment is not None), default=None)

    def _told(self) -> tuple[Told, ...]:
        sent = schema.deliveries
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(sent).order_by(sent.c.created_at, sent.c.step, sent.c.id)
            ).all()
        told = []
        for row in rows:
            if row.id in self._already:
                continue
            person = self.site.person(row.person) if row.person is not None else None
            told.append(
                Told(
                    at=row.created_at,
                    step=row.step,
                    person_id=row.person,
                    person_name=person.name if person is not None else row.target,
                    channel=row.channel,
                    reason_zh=row.reason_zh,
                    reason_en=row.reason_en,
                )
            )
        return tuple(sorted(told, key=_order))


def _repeats(told: tuple[Told, ...]) -> bool:
    """True when a step has been told twice: from there on it only goes on like that."""
    moments = {(line.step, line.at) for line in told if line.channel == INAPP}
    return len(moments) > len({step for step, _ in moments})


def _order(line: Told) -> tuple[datetime, int, str, bool]:
    return line.at, line.step, line.person_id or "", line.channel != INAPP
