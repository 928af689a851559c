"""One transaction of alerts: loads and locks them, applies commands, writes all that follows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, delete

from alerts.auditing.audit import AuditLine, chained, end_of
from alerts.inhibition.causes import Causes
from alerts.inhibition.roots import GRACE
from alerts.life.ladders import Ladder, Place
from alerts.life.machine import Scene, step
from alerts.life.state import UNANSWERED, Alert, Command, ParentGone, State, Timer, Transition
from alerts.rosters.arranged import load_arrangements, load_terms
from alerts.store import schema
from alerts.store.counting import Counted, move_counters, take_counters
from alerts.store.holding import Held, Holdings
from alerts.store.quiet_schema import notice_pace
from alerts.store.records import About, dump_row, to_columns, with_event
from alerts.store.rows import Swap, insert_all, insert_rows, one_of, swap_and_insert
from alerts.storm.brake import Brake, Notice
from alerts.telling.notices import Decision, Notices
from alerts.wartime.orders import load_posture
from config.event import Event, Severity
from config.site import Site

NO_CAUSES = Causes()
_OPENS_FROM = (State.NEW, State.REVIEW, State.SUPPRESSED, State.CLOSED)


@dataclass(frozen=True, slots=True)
class Happened:
    """One transition that was committed, for the journal and the metrics."""

    transition: Transition
    about: About
    told: tuple[str, ...]
    event_id: str | None


class Ways(Protocol):
    """Hands notices over as they are written; see :class:`alerts.channels.reach.Reach`."""

    def people(self, connection: Connection, people: Collection[str]) -> Mapping[str, Any]:
        """How each of ``people`` may be told."""

    def hand_over(
        self,
        rows: Iterable[dict[str, Any]],
        people: Mapping[str, Any],
        unanswered: Mapping[str, Severity],
        now: datetime,
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All rows of ``deliveries`` then, and new ones of ``decisions``."""

    def wake(self) -> None:
        """What was handed over is committed."""


class Work:
    """The changes of one transaction, written together by :meth:`flush`.

    Locks are taken in one order everywhere (alerts by id, then the audit's and the stream's
    counter), so that two transactions never wait for each other.

    Args:
        ways: how people are told outside the pages; None: left to the chain's own loop.
    """

    def __init__(
        self, connection: Connection, site: Site, now: datetime, *, ways: Ways | None = None
    ) -> None:
        self._ways = ways
        self._connection = connection
        self._site = site
        self._now = now
        self._held = Holdings(connection)
        self._notices = Notices(site, now)
        self._joined: list[dict[str, Any]] = []
        self._audit: list[AuditLine] = []
        self._stream: list[tuple[Alert, str]] = []
        self._touched: set[str] = set()
        self._arranged = load_arrangements(connection, now)
        self._posture = load_posture(connection, site, now)
        self.happened: list[Happened] = []

    @property
    def connection(self) -> Connection:
        """That of the transaction."""
        return self._connection

    @property
    def site(self) -> Site:
        """What is watched, and who is told."""
        return self._site

    @property
    def now(self) -> datetime:
        """When all of it happens."""
        return self._now

    def load(self, alert_id: str, roots: Collection[str] = ()) -> Held | None:
        """The alert of that id with what it hides, locked; None when there is none.

        ``roots`` are de-duplication keys of alerts that would explain it.
        """
        return self._held.load(alert_id, roots)

    def load_candidates(
        self,
        *,
        visits: Collection[str],
        keys: Collection[str],
        since: datetime,
        causes: Causes = NO_CAUSES,
    ) -> None:
        """Load and lock what events of these visits and de-duplication keys could touch."""
        self._held.load_candidates(
            visits=visits, keys=keys, since=since, now=self._now, causes=causes
        )

    def of_visit(self, visit: str) -> Held | None:
        """The loaded alert that a visit belongs to."""
        return self._held.of_visit(visit)

    def of_key(self, key: str) -> Held | None:
        """The loaded alert of a de-duplication key that was seen last."""
        return self._held.of_key(key)

    def of_trouble(self, key: str) -> Held | None:
        """The loaded alert of trouble of that key, the one that goes on before any that ended."""
        return self._held.of_trouble(key)

    def root(self, keys: Sequence[str]) -> Held | None:
        """The loaded alert that explains trouble of these root keys, the widest first."""
        return self._held.root(keys)

    def behind(self, subjects: Collection[str]) -> Iterator[Held]:
        """Loaded trouble of ``subjects`` that is open, or waits to be."""
        return self._held.behind(subjects, self._now)

    def add(self, alert: Alert, about: About) -> Held:
        """A new alert, in state NEW."""
        held = Held(alert, about)
        self._held.add(held)
        return held

    def move(self, held: Held, place: Place) -> None:
        """What the alert is about has gone elsewhere; stored with its next transition."""
        held.about = replace(held.about, place=place)

    def apply(
        self, held: Held, command: Command, *, event: Event | None = None, relation: str = ""
    ) -> Transition:
        """Run one command on a loaded alert; ``event`` is the evidence that causes it.

        Raises:
            Refused: see :func:`alerts.life.machine.step`; nothing is recorded.
        """
        rungs = self._ladder(held)
        place = held.about.place
        scene = Scene(
            now=self._now,
            ladder=rungs,
            told=frozenset(held.told),
            timer=held.timer,
            profile=self._posture.profile(place),
        )
        before = held.alert
        transition = step(before, command, scene)
        if not transition.changed:
            return transition
        held.alert, held.timer = transition.alert, transition.timer
        if transition.alert.cycle != before.cycle:
            held.told = set()
        if event is not None:
            self._link(held, event, relation)
        told: tuple[str, ...] = ()
        if not _is_unheard(before, transition.alert):
            told = self._notices.add(transition, held.about, rungs, frozenset(held.told), event)
            held.told.update(told)
        self._record(held, transition, told, event)
        self._note_wartime(before, transition, held.about, event)
        if transition.alert.state is State.CLOSED:
            self._let_go(held)
        return transition

    def _ladder(self, held: Held) -> Ladder:
        about = held.about
        terms = load_terms(self._connection, about.place, held.alert.id)
        return self._posture.ladder(
            about.place, self._now, self._arranged, rule=about.rule, terms=terms
        )

    def _let_go(self, root: Held) -> None:
        """What a closed alert has hidden opens after a while, unless it recovers by itself."""
        for held in self._held.hidden_by(root.alert.id):
            self.apply(held, ParentGone(GRACE))
            zh = f"起因告警 {root.alert.id} 已办结，{GRACE.seconds // 60}分钟后仍未恢复则告警"
            en = f"what hid it, alert {root.alert.id}, is closed: it opens unless it recovers"
            self.decide(Decision("inhibition", "let go", zh, en, None, held.alert.id))

    def _note_wartime(
        self, before: Alert, transition: Transition, about: About, event: Event | None
    ) -> None:
        order = self._posture.order(about.place) if transition.tell else None
        if order is None or before.state not in _OPENS_FROM:
            return
        zh = f"战时状态（{order.reason}）：通知范围更大，时限减半"
        en = f"wartime order {order.id} holds here: more are told at once, timers are halved"
        if about.place.is_home:
            zh = f"战时状态（{order.reason}）：时限减半，家庭告警的通知范围不变"
            en = f"wartime order {order.id} holds here: timers are halved, a home's circle is not"
        event_id = event.id if event is not None else None
        self.decide(Decision("wartime", "wartime", zh, en, event_id, transition.alert.id))

    def decide(self, decision: Decision) -> None:
        """Keep a decision and its reason."""
        self._notices.decisions.append(decision)

    def flush(self) -> None:
        """Write everything; call it once, last."""
        if self._touched:
            self._write_alerts()
        decisions = self._notices.decision_rows()
        if not self._audit:
            insert_rows(self._connection, schema.decisions, decisions)
            return
        people = self._reachable()
        counted = take_counters(self._connection)
        # From here on both counters are locked; paces and digests are kept under the audit's.
        audit, stream = chained(counted.audit, self._audit), self._stream_rows(counted.stream)
        brake = self._brake()
        deliveries, more = self._handed_over(self._braked(brake), people)
        parts = (
            *brake.parts(),
            (schema.decisions, [*decisions, *more]),
            (schema.audit, audit),
            (schema.deliveries, deliveries),
            (schema.stream, stream),
        )
        insert_all(self._connection, parts, replacing=(notice_pace,))
        move_counters(self._connection, Counted(end_of(audit), stream[-1]["position"]))

    def _link(self, held: Held, event: Event, relation: str) -> None:
        held.about = with_event(held.about, event)
        self._held.link(event.visit, held.alert.id)
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
        self._stream.append((alert, dump_row(to_columns(alert, held.about))))
        self._touched.add(alert.id)
        event_id = event.id if event is not None else None
        self.happened.append(Happened(transition, held.about, told, event_id))

    def _write_alerts(self) -> None:
        touched = [self._held[alert_id] for alert_id in sorted(self._touched)]
        stored = {held.alert.id: held.stored for held in touched if held.stored is not None}
        rows = [to_columns(held.alert, held.about) for held in touched]
        changed = [row for row in rows if row["id"] in stored]
        ended = [held.alert.id for held in touched if held.is_armed and held.timer is None]
        if ended:
            old = one_of(self._connection, schema.timers.c.alert_id, ended)
            self._connection.execute(delete(schema.timers).where(old))
        parts = (
            (schema.alerts, [row for row in rows if row["id"] not in stored]),
            (schema.timers, [_timer_row(held.alert, held.timer) for held in touched if held.timer]),
            (schema.alert_events, self._joined),
        )
        swap = Swap(schema.alerts, changed, stored)
        if not swap_and_insert(self._connection, swap, parts, replacing=(schema.timers,)):
            raise LostRace(f"one of {', '.join(stored)} has another version now")

    def _brake(self) -> Brake:
        gather = {hook.id: hook.gather_after for hook in self._site.webhooks}
        return Brake(self._connection, self._site.pace, self._now, gather)

    def _braked(self, brake: Brake) -> list[dict[str, Any]]:
        """The deliveries, without what is held back for a digest."""
        rows = self._notices.deliveries
        noisy = {row["alert_id"]: _notice_of(self._held[row["alert_id"]]) for row in rows}
        return brake.apply(rows, noisy)

    def _reachable(self) -> Mapping[str, Any]:
        rows = self._notices.deliveries
        people = {row["person"] for row in rows if row["person"] is not None}
        return self._ways.people(self._connection, people) if self._ways is not None else {}

    def _handed_over(
        self, rows: list[dict[str, Any]], people: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if self._ways is None or not rows:
            return rows, []
        alerts = [self._held[name].alert for name in {row["alert_id"] for row in rows}]
        loud = {alert.id: alert.severity for alert in alerts if alert.state in UNANSWERED}
        return self._ways.hand_over(rows, people, loud, self._now)

    def _stream_rows(self, last: int) -> list[dict[str, Any]]:
        return [
            {
                "position": position,
                "alert_id": alert.id,
                "at": self._now,
                "body": body,
                "version": alert.version,
            }
            for position, (alert, body) in enumerate(self._stream, start=last + 1)
        ]


def _timer_row(alert: Alert, timer: Timer) -> dict[str, Any]:
    return {"alert_id": alert.id, "kind": str(timer.kind), "due_at": timer.due_at}


def _notice_of(held: Held) -> Notice:
    return Notice(
        grid=held.about.place.grid or "",
        kind=str(held.about.kind),
        is_critical=held.alert.severity is Severity.CRITICAL,
        escalate_after_s=held.alert.escalate_after_s,
    )


def _is_unheard(before: Alert, after: Alert) -> bool:
    """True when nobody, not even a webhook, has heard of the alert before or hears of it now."""
    was_quiet = before.state in (State.NEW, State.SUPPRESSED)
    return was_quiet and after.state in (State.SUPPRESSED, State.CLOSED)


class LostRace(Exception):  # noqa: N818 - the transaction is simply tried again
    """Another transaction changed the alert first; nothing was written."""
