"""Decides about one event after the other inside a transaction: alert, join, hide, or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.choices import Choices
from alerts.deciding.routing import place_of
from alerts.deciding.rules import RuleBook, Verdict
from alerts.inhibition.hiding import hide_what_is_behind, may_hide, suppress_behind
from alerts.inhibition.roots import Roots
from alerts.life.state import (
    LIVE,
    Alert,
    Hold,
    Join,
    Open,
    Outcome,
    Recover,
    State,
    TimerKind,
)
from alerts.silences.hiding import silence_behind, subject_of
from alerts.silences.matching import Silence, hidden_by
from alerts.store.holding import Held
from alerts.store.records import about_event, dedup_key
from alerts.store.work import Work
from alerts.telling.notices import Decision
from config.event import Event, EventKind, Severity
from config.ids import uuid7
from config.site import Site

WATCHED = "watch"
"""Begins the de-duplication key of what is on the watch list, wherever it is seen."""
_ENDS = LIVE | {State.SUPPRESSED}
_AT_HOME = (
    "家人（已登记并同意），不作陌生人告警",
    "a household member, enrolled with consent: no stranger alarm",
)
"""Who it is stays on the pages of their own home."""


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


@dataclass(frozen=True, slots=True)
class Decider:
    """What the decisions of one transaction look at, as of one moment."""

    site: Site
    rules: RuleBook
    roots: Roots
    choices: Choices
    silences: tuple[Silence, ...]
    work: Work
    keys: Mapping[str, str]
    """Event id → what is the same thing as the event (:func:`key_of`)."""

    @property
    def now(self) -> datetime:
        """The moment of the transaction."""
        return self.choices.now

    def decide(self, queued: Queued) -> Routed:
        """Decide about one event and record why."""
        event = queued.event
        verdict = self.rules.judge(event, self.now)
        case = self.choices.watch_case(event)
        held = self._same_thing(event, verdict, case)
        if event.health is not None and not event.health.active:
            return self._recovered(queued, held)
        if held is not None:
            return self._join(queued, held, verdict)
        if self.choices.is_household(event):
            return self._ignored(queued, Decision("household", "ignored", *_AT_HOME, event.id))
        if (reason := self.choices.silenced(event)) is not None:
            return self._ignored(queued, Decision("arming", "ignored", *reason, event_id=event.id))
        if not verdict.is_alert and case is None:
            zh, en = f"规则“{verdict.rule_id}”规定不告警", f"rule {verdict.rule_id} ignores it"
            en = f"{en}{_path(verdict)}"
            return self._ignored(queued, Decision("rule", "ignored", zh, en, event_id=event.id))
        return self._raise(queued, self._new(event, verdict), verdict, case)

    def _same_thing(self, event: Event, verdict: Verdict, case: str | None) -> Held | None:
        """The alert this event belongs to: of its visit, or of the same thing seen lately."""
        held = self.work.of_visit(event.visit)
        if held is not None and case is not None and not _is_watched(held):
            held = None  # A later revision read a plate that is looked for: that is news.
        is_wanted = verdict.is_alert or case is not None or event.kind is EventKind.HEALTH
        if held is not None or not is_wanted:
            return held
        if event.kind is EventKind.HEALTH:
            # Trouble that had ended and is there again must not join what is closed: nobody
            # would hear of it.
            trouble = self.work.of_trouble(self.keys[event.id])
            return trouble if trouble is not None and trouble.alert.state in _ENDS else None
        same = self.work.of_key(self.keys[event.id])
        if same is None or _is_over_unheard(same, self.now):
            return None
        window = timedelta(seconds=verdict.dedup_window_s)
        return same if self.now - same.alert.seen_at < window else None

    def _new(self, event: Event, verdict: Verdict) -> Held:
        alert = Alert(
            id=uuid7(self.now),
            state=State.NEW,
            severity=verdict.severity,
            escalate_after_s=verdict.escalate_after_s,
            opened_at=self.now,
            changed_at=self.now,
            seen_at=self.now,
        )
        place = place_of(self.site, event.camera)
        about = about_event(event, rule=verdict.rule_id, dedup_key=self.keys[event.id], place=place)
        return self.work.add(alert, about)

    def _raise(self, queued: Queued, held: Held, verdict: Verdict, case: str | None) -> Routed:
        event, alert_id = queued.event, held.alert.id
        if case is not None:
            self.work.apply(held, Hold(), event=event, relation="opened")
            zh = f"与案件 {case} 的布控车牌可能一致，先由人核对"
            en = f"may be the plate of case {case}: a person confirms it first"
            self.work.decide(Decision("watch", "review", zh, en, event.id, alert_id))
            return Routed(queued, "review", alert_id)
        if (root := self.work.root(self.roots.explain(event))) and may_hide(held, root):
            suppress_behind(self.work, held, root, event)
            return Routed(queued, "suppressed", alert_id)
        if (silence := hidden_by(self.silences, subject_of(held))) is not None:
            silence_behind(self.work, held, silence, event)
            routed = Routed(queued, "silenced", alert_id)
        else:
            self.work.apply(held, Open(), event=event, relation="opened")
            routed = Routed(queued, "alert", alert_id)
        zh, en = f"规则“{verdict.rule_id}”要求告警", f"rule {verdict.rule_id} makes it an alert"
        en = f"{en}{_path(verdict)}"
        self.work.decide(Decision("rule", "alert", zh, en, event_id=event.id, alert_id=alert_id))
        hide_what_is_behind(self.work, self.roots, held, event)
        return routed

    def _join(self, queued: Queued, held: Held, verdict: Verdict) -> Routed:
        event = queued.event
        is_revision = self.work.of_visit(event.visit) is held
        is_outgrown = self._has_outgrown(held, verdict.severity)
        louder = replace(subject_of(held), severity=verdict.severity)
        other = hidden_by(self.silences, louder) if is_outgrown else None
        is_unsilenced = is_outgrown and other is None
        command = Join(verdict.severity, is_revision=is_revision, is_unsilenced=is_unsilenced)
        relation = "revision" if is_revision else "joined"
        if _is_watched(held) and held.alert.state is State.REVIEW:
            # Whoever confirms sends the people of where it was seen last.
            self.work.move(held, place_of(self.site, event.camera))
        self.work.apply(held, command, event=event, relation=relation)
        if other is not None:
            silence_behind(self.work, held, other, None)
        if is_revision:
            zh, en = "同一次经过的更新", "a revision of a visit that the alert already has"
        else:
            zh = f"{verdict.dedup_window_s}秒内的同一目标，并入已有告警"
            en = f"the same thing within {verdict.dedup_window_s} s: joins the alert"
        if held.alert.state is State.CLOSED:
            zh, en = f"{zh}（该告警已办结）", f"{en}, which is closed ({held.alert.outcome})"
        self.work.decide(Decision("dedup", "joined", zh, en, event.id, held.alert.id))
        return Routed(queued, relation, held.alert.id)

    def _has_outgrown(self, held: Held, severity: Severity) -> bool:
        """True when ``severity`` is more than the silence that hides it was asked to hide."""
        if held.alert.state is not State.SUPPRESSED:
            return False
        mine = [item for item in self.silences if item.id == held.alert.parent]
        return any(severity.rank > item.matchers.most.rank for item in mine)

    def _recovered(self, queued: Queued, held: Held | None) -> Routed:
        event = queued.event
        if held is None or held.alert.state not in _ENDS:
            zh, en = (
                "故障已结束，没有待处理的告警",
                "a condition has ended, and no alert waits for it",
            )
            return self._ignored(queued, Decision("rule", "ignored", zh, en, event_id=event.id))
        self.work.apply(held, Recover(), event=event, relation="recovery")
        zh, en = "故障已自行恢复，告警办结", "the condition has ended: the alert is closed"
        outcome = str(Outcome.RESOLVED)
        self.work.decide(Decision("rule", outcome, zh, en, event.id, held.alert.id))
        return Routed(queued, "recovered", held.alert.id)

    def _ignored(self, queued: Queued, decision: Decision) -> Routed:
        self.work.decide(decision)
        return Routed(queued, "ignored", None)


def key_of(event: Event, choices: Choices) -> str:
    """Same key, same thing: for a plate that is looked for, whatever camera it passes."""
    if event.plate is not None and choices.watch_case(event) is not None:
        return f"{WATCHED}|||{event.plate.text}"
    return dedup_key(event)


def _is_watched(held: Held) -> bool:
    return held.about.dedup_key.startswith(f"{WATCHED}|")


def _is_over_unheard(held: Held, now: datetime) -> bool:
    """True for a sighting whose silence is over: nobody heard of it, so what comes now is news."""
    if held.alert.state is State.CLOSED:
        return held.alert.parent is not None
    timer = held.timer
    return timer is not None and timer.kind is TimerKind.LAPSE and timer.due_at <= now


def _path(verdict: Verdict) -> str:
    """Through which rules it came to the one that answered, and which did not fit."""
    way = f" (by {' > '.join(verdict.path)})" if len(verdict.path) > 1 else ""
    if not verdict.passed_over:
        return way
    passed = "; ".join(f"{name}: {reason}" for name, reason in verdict.passed_over)
    return f"{way} (passed over: {passed})"
