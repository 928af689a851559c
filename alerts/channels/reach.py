"""Hands notices to the pages, and takes each person's next way until one is known to arrive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, or_, select, update

from alerts.channels.chain import Choice, Reachable, Rules, choose
from alerts.channels.contacts import Contacts
from alerts.hub import Bell, Hub
from alerts.life.state import UNANSWERED
from alerts.store import schema
from alerts.store.rows import insert_rows, one_of
from alerts.telling.notices import INAPP
from config.clock import Clock
from config.event import Severity
from config.ids import uuid7
from config.site import Site
from ingest.engine import reading, writing

BATCH = 200
ARRIVED = ("delivered", "read")


@dataclass(slots=True)
class _Rows:
    """What one transaction adds."""

    deliveries: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Notice:
    """What a way takes over from the row of the way before it: columns of ``deliveries``."""

    alert_id: str
    alert_version: int
    cycle: int
    step: int
    channel: str
    person: str | None
    idempotency_key: str
    state: str
    reason_zh: str
    reason_en: str
    digest_id: str | None


class Reach:
    """The chain of ways by which each notice reaches its person; any number may share a database.

    A notice to a person begins as a row of channel ``inapp``, written with the alert's change.
    It becomes accepted, for the pages read that change from then on, and in the same
    transaction the person's first way outside the pages gets a row of its own. A router does
    that as it writes the change (:meth:`hand_over`); what others write is taken up here
    (:meth:`run_once`). When that row's
    ``fall_over_at`` comes (nothing was heard for ``telling.fall_over_s``), or its provider
    refuses for good, the next way gets one: unless the notice is known to have arrived, or
    somebody has answered the alert.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        contacts: Contacts,
        hub: Hub | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._contacts = contacts
        self._hub = hub or Hub()
        self._wait = timedelta(seconds=site.telling.fall_over_s)
        self._rules = Rules(
            ZoneInfo(site.county.zone),
            {gateway.id: gateway.from_severity for gateway in site.gateways},
        )

    def run_once(self) -> int:
        """Take every notice that is due one way further; returns how many, at most 400."""
        if not self._has_work():
            return 0
        rows = _Rows()
        with writing(self._engine) as connection:
            now = self._clock.now()
            fresh = self._take_fresh(connection, now)
            late = self._fall_over(connection, now)
            if late or self._contacts.available:
                self._go_on(connection, [*fresh, *late], rows, now)
            insert_rows(connection, schema.deliveries, rows.deliveries)
            insert_rows(connection, schema.decisions, rows.decisions)
        if rows.deliveries:
            self.wake()
        return len(fresh) + len(late)

    def people(self, connection: Connection, people: Collection[str]) -> dict[str, Reachable]:
        """How each of ``people`` may be told now; nobody is asked for where no channel runs."""
        if not people or not self._contacts.available:
            return {}
        return self._contacts.load(connection, people)

    def hand_over(
        self,
        rows: Iterable[dict[str, Any]],
        people: Mapping[str, Reachable],
        unanswered: Mapping[str, Severity],
        now: datetime,
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Hand notices over before they are written, in the transaction of their change.

        Args:
            rows: new rows of ``deliveries``; those of ``inapp`` that are due are handed over.
            people: of :meth:`people`.
            unanswered: of the alerts that wait for an answer, how loud they are.
            now: the moment of the transaction.

        Returns:
            All rows of ``deliveries``, and those of ``decisions``.
        """
        made, handed = _Rows(), []
        for row in rows:
            is_due = row["channel"] == INAPP and row["next_attempt_at"] is not None
            handed.append({**row, "fall_over_at": None, **(_accepted(now) if is_due else {})})
            if is_due and row["person"] in people and row["alert_id"] in unanswered:
                notice = _Notice(**{name: row[name] for name in _CARRIED})
                severity = unanswered[row["alert_id"]]
                self._next(notice, people[row["person"]], {INAPP}, severity, made, now)
        return [*handed, *made.deliveries], made.decisions

    def wake(self) -> None:
        """Notices wait for their channels: call it after the commit."""
        self._hub.ring(Bell.NOTICES)

    def _has_work(self) -> bool:
        # A writer must not begin for nothing: on SQLite it stops all others.
        sent, now = schema.deliveries.c, self._clock.now()
        due = or_(self._is_fresh(now), sent.fall_over_at <= now)
        with reading(self._engine) as connection:
            return connection.execute(select(sent.id).where(due).limit(1)).first() is not None

    def _is_fresh(self, now: datetime) -> ColumnElement[bool]:
        sent = schema.deliveries.c
        return (sent.channel == INAPP) & (sent.next_attempt_at <= now)

    def _take_fresh(self, connection: Connection, now: datetime) -> list[_Notice]:
        return self._take(connection, self._is_fresh(now), _accepted(now), "next_attempt_at")

    def _fall_over(self, connection: Connection, now: datetime) -> list[_Notice]:
        due = schema.deliveries.c.fall_over_at <= now
        return self._take(connection, due, {"fall_over_at": None}, "fall_over_at")

    def _take(
        self, connection: Connection, due: ColumnElement[bool], values: dict[str, Any], by: str
    ) -> list[_Notice]:
        sent = schema.deliveries
        ids = (
            select(sent.c.id)
            .where(due)
            .order_by(sent.c[by])
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        taken = update(sent).where(sent.c.id.in_(ids)).values(values)
        columns = [sent.c[name] for name in _CARRIED]
        return [_Notice(*row) for row in connection.execute(taken.returning(*columns))]

    def _go_on(
        self, connection: Connection, chains: Sequence[_Notice], rows: _Rows, now: datetime
    ) -> None:
        if not chains:
            return
        alerts = self._unanswered(connection, {row.alert_id for row in chains})
        # A notice that comes from the pages' row has no other way yet.
        earlier = self._earlier(
            connection, {row.alert_id for row in chains if row.channel != INAPP}
        )
        people = self._contacts.load(connection, {row.person for row in chains if row.person})
        for row in chains:
            if row.alert_id not in alerts or row.person is None:
                continue
            base = base_key(row.idempotency_key)
            links = [link for link in earlier if link.idempotency_key.startswith(f"{base}:")]
            if any(link.state in ARRIVED and link.channel != INAPP for link in links):
                continue
            if any(link.state == "read" for link in links):
                continue
            tried = {INAPP, *(link.channel for link in links)}
            self._next(row, people[row.person], tried, alerts[row.alert_id], rows, now)

    def _next(
        self,
        row: _Notice,
        person: Reachable,
        tried: Collection[str],
        severity: Severity,
        rows: _Rows,
        now: datetime,
    ) -> None:
        choice = choose(person, tried=tried, severity=severity, now=now, rules=self._rules)
        if choice.channel is None:
            if row.channel != INAPP or choice.passed:
                rows.decisions.append(_nothing_left(row, choice, now))
            return
        rows.deliveries.append(
            {
                "id": uuid7(now),
                "alert_id": row.alert_id,
                "alert_version": row.alert_version,
                "cycle": row.cycle,
                "step": row.step,
                "digest_id": row.digest_id,
                "channel": choice.channel,
                "target": row.person,
                "person": row.person,
                "idempotency_key": f"{base_key(row.idempotency_key)}:{choice.channel}",
                "state": "pending",
                **_reason(row),
                "attempts": 0,
                "next_attempt_at": now,
                "fall_over_at": now + self._wait,
                "error": "",
                "created_at": now,
                "changed_at": now,
            }
        )

    def _unanswered(self, connection: Connection, ids: Collection[str]) -> dict[str, Severity]:
        table = schema.alerts.c
        found = select(table.id, table.severity).where(
            one_of(connection, table.id, ids),
            table.state.in_([str(state) for state in UNANSWERED]),
        )
        return {row.id: Severity(row.severity) for row in connection.execute(found)}

    def _earlier(self, connection: Connection, ids: Collection[str]) -> Sequence[Any]:
        if not ids:
            return []
        sent = schema.deliveries.c
        found = select(sent.idempotency_key, sent.channel, sent.state)
        found = found.where(one_of(connection, sent.alert_id, ids), sent.person.is_not(None))
        return connection.execute(found).all()


_CARRIED = tuple(item.name for item in fields(_Notice))


def _accepted(now: datetime) -> dict[str, Any]:
    """Pages read the change from now on."""
    return {"state": "accepted", "attempts": 1, "next_attempt_at": None, "changed_at": now}


def base_key(key: str) -> str:
    """What the keys of all ways of one notice have in common: alert, turn and person."""
    return key.rpartition(":")[0]


def _reason(row: _Notice) -> dict[str, str]:
    if row.channel == INAPP:
        return {"reason_zh": row.reason_zh, "reason_en": row.reason_en}
    zh = "发送失败" if row.state == "failed" else "没有送达回执"
    en = "failed" if row.state == "failed" else "gave no receipt"
    return {"reason_zh": f"{row.channel} {zh}，改用下一渠道", "reason_en": f"{row.channel} {en}"}


def _nothing_left(row: _Notice, choice: Choice, now: datetime) -> dict[str, Any]:
    """Why nobody tries any further; the alert's own timer goes on to the next people."""
    if choice.passed:
        reasons = choice.passed
        zh = "；".join(f"{item.channel}：{item.reason_zh}" for item in reasons)
        en = "; ".join(f"{item.channel}: {item.reason_en}" for item in reasons)
    else:
        zh, en = "所有渠道都已用过，没有送达回执", "every way was used and none gave a receipt"
    return {
        "id": uuid7(now),
        "at": now,
        "event_id": None,
        "alert_id": row.alert_id,
        "person": row.person,
        "stage": "channel",
        "verdict": "not told",
        "reason_zh": zh,
        "reason_en": en,
    }
