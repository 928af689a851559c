"""One transaction of alerts: loads and locks them, applies commands, writes all that follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, or_, select, update

from alerts import schema
from alerts.audit import AuditLine, append_lines
from alerts.machine import Scene, step
from alerts.notices import Decision, Notices
from alerts.records import About, dump_row, to_about, to_alert, to_columns, to_timer, with_event
from alerts.rosters.arranged import load_arrangements, load_terms
from alerts.routing import Ladder, ladder
from alerts.rows import insert_rows
from alerts.state import Alert, Command, Timer, Transition
from config.event import Event
from config.site import Site


@dataclass(slots=True)
class Held:
    """An alert while a transaction works on it; ``stored`` is the version in the database."""

    alert: Alert
    about: About
    timer: Timer | None = None
    stored: int | None = None
    told: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Happened:
    """One transition that was committed, for the journal and the metrics."""

    transition: Transition
    about: About
    told: tuple[str, ...]
    event_id: str | None


class Work:
    """The changes of one transaction, written together by :meth:`flush`.

    Locks are taken in one order everywhere (alerts by id, then the audit's and the stream's
    counter), so that two transactions never wait for each other.
    """

    def __init__(self, connection: Connection, site: Site, now: datetime) -> None:
        self._connection = connection
        self._site = site
        self._now = now
        self._held: dict[str, Held] = {}
        self._by_visit: dict[str, str] = {}
        self._notices = Notices(site, now)
        self._joined: list[dict[str, Any]] = []
        self._audit: list[AuditLine] = []
        self._stream: list[tuple[str, str]] = []
        self._touched: set[str] = set()
        self._arranged = load_arrangements(connection, now)
        self.happened: list[Happened] = []

    def load(self, alert_id: str) -> Held | None:
        """The alert of that id, locked; None when there is none."""
        self._load(schema.alerts.c.id == alert_id)
        return self._held.get(alert_id)

    def load_candidates(
        self, *, visits: Collection[str], keys: Collection[str], since: datetime
    ) -> None:
        """Load and lock what events of these visits and de-duplication keys could join."""
        links = schema.alert_events
        rows = self._connection.execute(
            select(links.c.visit, links.c.alert_id).where(links.c.visit.in_(visits))
        )
        self._by_visit.update({row.visit: row.alert_id for row in rows})
        recent = schema.alerts.c.dedup_key.in_(keys) & (schema.alerts.c.seen_at >= since)
        self._load(or_(schema.alerts.c.id.in_(set(self._by_visit.values())), recent))

    def of_visit(self, visit: str) -> Held | None:
        """The loaded alert that a visit belongs to."""
        alert_id = self._by_visit.get(visit)
        return self._held.get(alert_id) if alert_id is not None else None

    def of_key(self, key: str) -> Held | None:
        """The loaded alert of a de-duplication key that was seen last."""
        same = [held for held in self._held.values() if held.about.dedup_key == key]
        return max(same, key=lambda held: held.alert.seen_at, default=None)

    def add(self, alert: Alert, about: About) -> Held:
        """A new alert, in state NEW."""
        held = Held(alert, about)
        self._held[alert.id] = held
        return held

    def apply(
        self, held: Held, command: Command, *, event: Event | None = None, relation: str = ""
    ) -> Transition:
        """Run one command on a loaded alert; ``event`` is the evidence that causes it.

        Raises:
            Refused: see :func:`alerts.machine.step`; nothing is recorded.
        """
        rungs = self._ladder(held)
        scene = Scene(now=self._now, ladder=rungs, told=frozenset(held.told), timer=held.timer)
        before = held.alert
        transition = step(before, command, scene)
        if not transition.changed:
            return transition
        held.alert, held.timer = transition.alert, transition.timer
        if transition.alert.cycle != before.cycle:
            held.told = set()
        if event is not None:
            self._link(held, event, relation)
        told = self._notices.add(transition, held.about, rungs, frozenset(held.told), event)
        held.told.update(told)
        self._record(held, transition, told, event)
        return transition

    def _ladder(self, held: Held) -> Ladder:
        about = held.about
        terms = load_terms(self._connection, about.place, held.alert.id)
        return ladder(
            self._site, about.place, self._now, self._arranged, rule=about.rule, terms=terms
        )

    def decide(self, decision: Decision) -> None:
        """Keep a decision and its reason."""
        self._notices.decisions.append(decision)

    def flush(self) -> None:
        """Write everything; call it once, last."""
        self._write_alerts()
        self._write_timers()
        self._insert(schema.alert_events, self._joined)
        self._insert(schema.deliveries, self._notices.deliveries)
        self._insert(schema.decisions, self._notices.decision_rows())
        append_lines(self._connection, self._audit)
        self._write_stream()

    def _load(self, condition: ColumnElement[bool]) -> None:
        rows = (
            self._connection.execute(
                select(schema.alerts)
                .where(condition)
                .order_by(schema.alerts.c.id)
                .with_for_update()
            )
            .mappings()
            .all()
        )
        for row in rows:
            if row["id"] not in self._held:
                held = Held(to_alert(row), to_about(row), stored=row["version"])
                self._held[row["id"]] = held
        self._load_children([row["id"] for row in rows])

    def _load_children(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        timers, sent = schema.timers, schema.deliveries
        for row in self._connection.execute(
            select(timers).where(timers.c.alert_id.in_(ids))
        ).mappings():
            self._held[row["alert_id"]].timer = to_timer(row)
        for told in self._connection.execute(
            select(sent.c.alert_id, sent.c.cycle, sent.c.person)
            .where(sent.c.alert_id.in_(ids), sent.c.person.is_not(None))
            .distinct()
        ):
            held = self._held[told.alert_id]
            if told.cycle == held.alert.cycle:
                held.told.add(told.person)

    def _link(self, held: Held, event: Event, relation: str) -> None:
        held.about = with_event(held.about, event)
        self._by_visit[event.visit] = held.alert.id
        self._joined.append(
            {
                "event_id": event.id,
                "alert_id": held.alert.id,
                "visit": event.visit,
                "relation": relation,
                "at": self._now,
            }
        )

    def _record(
        self, held: Held, transition: Transition, told: tuple[str, ...], event: Event | None
    ) -> None:
        alert = transition.alert
        detail = f"version {alert.version}"
        if transition.detail:
            detail = f"{detail}; {transition.detail}"
        if event is not None:
            detail = f"{detail}; event {event.id}"
        line = AuditLine(
            self._now, transition.actor, transition.action, f"alert {alert.id}", detail
        )
        self._audit.append(line)
        self._stream.append((alert.id, dump_row(to_columns(alert, held.about))))
        self._touched.add(alert.id)
        event_id = event.id if event is not None else None
        self.happened.append(Happened(transition, held.about, told, event_id))

    def _write_alerts(self) -> None:
        touched = [self._held[alert_id] for alert_id in sorted(self._touched)]
        new = [to_columns(held.alert, held.about) for held in touched if held.stored is None]
        self._insert(schema.alerts, new)
        for held in touched:
            if held.stored is None:
                continue
            result = self._connection.execute(
                update(schema.alerts)
                .where(schema.alerts.c.id == held.alert.id)
                .where(schema.alerts.c.version == bindparam("stored_version"))
                .values(to_columns(held.alert, held.about)),
                {"stored_version": held.stored},
            )
            if result.rowcount != 1:
                raise LostRace(f"alert {held.alert.id} is no longer at version {held.stored}")

    def _write_timers(self) -> None:
        if not self._touched:
            return
        timers = schema.timers
        self._connection.execute(delete(timers).where(timers.c.alert_id.in_(self._touched)))
        armed = [(alert_id, self._held[alert_id].timer) for alert_id in sorted(self._touched)]
        self._insert(
            timers,
            [
                {"alert_id": alert_id, "kind": str(timer.kind), "due_at": timer.due_at}
                for alert_id, timer in armed
                if timer is not None
            ],
        )

    def _write_stream(self) -> None:
        """Positions come from a counter whose row stays locked until the commit."""
        if not self._stream:
            return
        counters = schema.counters
        row = counters.c.name == "stream"
        self._connection.execute(
            update(counters).where(row).values(value=counters.c.value + len(self._stream))
        )
        last = self._connection.execute(select(counters.c.value).where(row)).scalar_one()
        first = last - len(self._stream) + 1
        self._insert(
            schema.stream,
            [
                {"position": first + index, "alert_id": alert_id, "at": self._now, "body": body}
                for index, (alert_id, body) in enumerate(self._stream)
            ],
        )

    def _insert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        insert_rows(self._connection, table, rows)


class LostRace(Exception):  # noqa: N818 - the transaction is simply tried again
    """Another transaction changed the alert first; nothing was written."""
