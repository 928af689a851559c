"""Takes stored events from the queue and decides about each: alert, join, or not, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Select, delete, func, or_, select, update

from alerts.choices import Choices, load_choices
from alerts.journal import Journal
from alerts.notices import Decision
from alerts.records import about_event, dedup_key
from alerts.routing import place_of
from alerts.rules import RuleBook, Verdict
from alerts.state import LIVE, Alert, Hold, Join, Open, Outcome, Recover, State
from alerts.store import AlertStore
from alerts.work import Held, Work
from config.clock import Clock
from config.event import Event, EventKind
from config.ids import uuid7
from config.logs import get_logger
from config.site import Site
from ingest.engine import reading, writing
from ingest.schema import events, routing_queue

BATCH = 50
"""Events per transaction: large enough to share a commit, small enough to be quick."""
LONGEST_WINDOW = timedelta(days=1)
RETRY_AFTER = timedelta(seconds=30)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queued:
    """An event that waits for its decision, and when the centre stored it."""

    event: Event
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Routed:
    """What was decided of one event: ``alert_id`` is None when it raised or joined nothing."""

    queued: Queued
    decision: str
    alert_id: str | None


class Router:
    """Decides about queued events; any number of routers may share one database.

    A row of the queue is locked, decided and deleted in the transaction that stores the
    decision, so a router that dies in the middle loses and repeats nothing.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        store: AlertStore,
        journal: Journal | None = None,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._store = store
        self._journal = journal
        self._rules = RuleBook(site)

    def run_once(self) -> int:
        """Decide about one batch; returns how many events, 0 when none waits."""
        if not self._has_work():
            return 0
        try:
            return self._route(BATCH)
        except Exception:  # noqa: BLE001
            # One bad event must not hold up the others: find it by going one at a time.
            _log.exception("a batch could not be routed; trying its events one by one")
        return sum(self._route_alone(event_id) for event_id in self._waiting(BATCH))

    def _has_work(self) -> bool:
        with reading(self._engine) as connection:
            return connection.execute(self._due().limit(1)).first() is not None

    def _waiting(self, limit: int) -> list[str]:
        with reading(self._engine) as connection:
            return list(connection.execute(self._due().limit(limit)).scalars())

    def _due(self) -> Select[str]:
        queue = routing_queue.c
        free = or_(queue.claimed_until.is_(None), queue.claimed_until <= self._clock.now())
        return select(queue.event_id).where(free).order_by(queue.enqueued_at, queue.event_id)

    def _route_alone(self, event_id: str) -> int:
        try:
            return self._route(1, only=event_id)
        except Exception:  # noqa: BLE001 - whatever it is, the event stays in the queue
            _log.exception("an event could not be routed; trying again later", event_id=event_id)
            with writing(self._engine) as connection:
                connection.execute(
                    update(routing_queue)
                    .where(routing_queue.c.event_id == event_id)
                    .values(claimed_until=self._clock.now() + RETRY_AFTER)
                )
            return 0

    def _route(self, limit: int, *, only: str | None = None) -> int:
        now = self._clock.now()
        with writing(self._engine) as connection:
            queued = self._claim(connection, limit, only)
            if not queued:
                return 0
            work = Work(connection, self._site, now)
            lock_subjects(connection, [item.event for item in queued])
            work.load_candidates(
                visits={item.event.visit for item in queued},
                keys={dedup_key(item.event) for item in queued},
                since=now - LONGEST_WINDOW,
            )
            choices = load_choices(connection, self._site, [q.event for q in queued], now)
            routed = [self._decide(work, item, choices) for item in queued]
            work.flush()
        if self._journal is not None:
            self._journal.routed(routed, work.happened)
        self._store.committed(work.happened)
        return len(routed)

    def _claim(self, connection: Connection, limit: int, only: str | None) -> list[Queued]:
        """Lock up to ``limit`` rows that no other router holds, and take them off the queue."""
        due = self._due().limit(limit).with_for_update(skip_locked=True)
        if only is not None:
            due = due.where(routing_queue.c.event_id == only)
        ids = list(connection.execute(due).scalars())
        if not ids:
            return []
        rows = connection.execute(
            select(events.c.body, routing_queue.c.enqueued_at)
            .join(routing_queue, routing_queue.c.event_id == events.c.id)
            .where(events.c.id.in_(ids))
            .order_by(routing_queue.c.enqueued_at, events.c.visit, events.c.revision, events.c.id)
        ).all()
        connection.execute(delete(routing_queue).where(routing_queue.c.event_id.in_(ids)))
        return [Queued(Event.model_validate_json(row.body), row.enqueued_at) for row in rows]

    def _decide(self, work: Work, queued: Queued, choices: Choices) -> Routed:
        event, now = queued.event, choices.now
        verdict = self._rules.judge(event, now)
        held = self._same_thing(work, event, verdict, now)
        if event.health is not None and not event.health.active:
            return self._recovered(work, queued, held)
        if held is not None:
            return self._join(work, queued, held, verdict)
        if (reason := choices.silenced(event)) is not None:
            work.decide(Decision("arming", "ignored", *reason, event_id=event.id))
            return Routed(queued, "ignored", None)
        case = choices.watch_case(event)
        if not verdict.is_alert and case is None:
            zh, en = _ignored(verdict)
            work.decide(Decision("rule", "ignored", zh, en, event_id=event.id))
            return Routed(queued, "ignored", None)
        place = place_of(self._site, event.camera)
        alert = Alert(
            id=uuid7(now),
            state=State.NEW,
            severity=verdict.severity,
            escalate_after_s=verdict.escalate_after_s,
            opened_at=now,
            changed_at=now,
            seen_at=now,
        )
        about = about_event(event, rule=verdict.rule_id, dedup_key=dedup_key(event), place=place)
        held = work.add(alert, about)
        if case is not None:
            work.apply(held, Hold(), event=event, relation="opened")
            zh = f"与案件 {case} 的布控车牌可能一致，先由人核对"
            en = f"may be the plate of case {case}: a person confirms it first"
            work.decide(Decision("watch", "review", zh, en, event.id, alert.id))
            return Routed(queued, "review", alert.id)
        work.apply(held, Open(), event=event, relation="opened")
        zh, en = f"规则“{verdict.rule_id}”要求告警", f"rule {verdict.rule_id} makes it an alert"
        en = f"{en}{_path(verdict)}"
        work.decide(Decision("rule", "alert", zh, en, event_id=event.id, alert_id=alert.id))
        return Routed(queued, "alert", alert.id)

    def _same_thing(self, work: Work, event: Event, verdict: Verdict, now: datetime) -> Held | None:
        """The alert this event belongs to: of its visit, or of the same thing seen lately."""
        held = work.of_visit(event.visit)
        if held is not None or not (verdict.is_alert or event.kind is EventKind.HEALTH):
            return held
        same = work.of_key(dedup_key(event))
        if same is None:
            return None
        if event.kind is EventKind.HEALTH and same.alert.state in LIVE:
            return same
        window = timedelta(seconds=verdict.dedup_window_s)
        return same if now - same.alert.seen_at < window else None

    def _join(self, work: Work, queued: Queued, held: Held, verdict: Verdict) -> Routed:
        event = queued.event
        is_revision = work.of_visit(event.visit) is held
        command = Join(severity=verdict.severity, is_revision=is_revision)
        relation = "revision" if is_revision else "joined"
        work.apply(held, command, event=event, relation=relation)
        if is_revision:
            zh, en = "同一次经过的更新", "a revision of a visit that the alert already has"
        else:
            zh = f"{verdict.dedup_window_s}秒内的同一目标，并入已有告警"
            en = f"the same thing within {verdict.dedup_window_s} s: joins the alert"
        if held.alert.state is State.CLOSED:
            zh, en = f"{zh}（该告警已办结）", f"{en}, which is closed ({held.alert.outcome})"
        decision = Decision("dedup", "joined", zh, en, event.id, held.alert.id)
        work.decide(decision)
        return Routed(queued, relation, held.alert.id)

    def _recovered(self, work: Work, queued: Queued, held: Held | None) -> Routed:
        event = queued.event
        if held is None or held.alert.state not in LIVE:
            zh, en = (
                "故障已结束，没有待处理的告警",
                "a condition has ended, and no alert waits for it",
            )
            work.decide(Decision("rule", "ignored", zh, en, event_id=event.id))
            return Routed(queued, "ignored", None)
        work.apply(held, Recover(), event=event, relation="recovery")
        zh, en = "故障已自行恢复，告警办结", "the condition has ended: the alert is closed"
        work.decide(Decision("rule", str(Outcome.RESOLVED), zh, en, event.id, held.alert.id))
        return Routed(queued, "recovered", held.alert.id)


def lock_subjects(connection: Connection, batch: Sequence[Event]) -> None:
    """Hold, until the transaction ends, everything that events of the same thing have in common.

    Two routers must not both find "no alert yet" for one plate. PostgreSQL takes advisory
    locks, in one order; SQLite has one writer anyway.
    """
    if connection.dialect.name != "postgresql":
        return
    # One round trip: the columns of a row are computed from left to right.
    keys = sorted(set(_lock_keys(batch)))
    if keys:
        connection.execute(select(*(func.pg_advisory_xact_lock(key) for key in keys)))


def _lock_keys(batch: Iterable[Event]) -> Iterable[int]:
    for event in batch:
        for name in (f"visit|{event.visit}", f"key|{dedup_key(event)}"):
            digest = hashlib.sha256(name.encode()).digest()
            yield int.from_bytes(digest[:8], "big", signed=True)


def _ignored(verdict: Verdict) -> tuple[str, str]:
    zh = f"规则“{verdict.rule_id}”规定不告警"
    return zh, f"rule {verdict.rule_id} ignores it{_path(verdict)}"


def _path(verdict: Verdict) -> str:
    if not verdict.passed_over:
        return ""
    passed = "; ".join(f"{name}: {reason}" for name, reason in verdict.passed_over)
    return f" (passed over: {passed})"
