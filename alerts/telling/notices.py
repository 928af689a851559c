"""Turns a transition into delivery rows, and keeps the reason for every person left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.deciding.routing import Ladder, Recipient
from alerts.life.state import State, Tell, Transition
from alerts.store.records import About
from config.event import Event
from config.ids import uuid7
from config.site import Site

INAPP = "inapp"
WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, above all a 'no', and its reason in both languages."""

    stage: str
    verdict: str
    reason_zh: str
    reason_en: str
    event_id: str | None = None
    alert_id: str | None = None
    person: str | None = None


class Notices:
    """Delivery and decision rows of one transaction."""

    def __init__(self, site: Site, now: datetime) -> None:
        self._site = site
        self._now = now
        self.deliveries: list[dict[str, Any]] = []
        self.decisions: list[Decision] = []

    def add(
        self,
        transition: Transition,
        about: About,
        rungs: Ladder,
        told: frozenset[str],
        event: Event | None,
    ) -> tuple[str, ...]:
        """Queue whom the transition tells; returns the ids of the people told.

        A person already told since the alert opened is not told again on a later rung, unless
        the notice is a repetition (``turn`` > 0) or nobody else stands there.
        """
        event_id = event.id if event is not None else None
        self._explain_skipped(transition, event_id)
        people: list[str] = []
        for tell in transition.tell:
            people += self._tell(transition, tell, rungs, told, event_id)
        if transition.alert.state is State.ACKED:
            self._explain_answer(transition, rungs)
        if transition.tell or transition.action != "evidence joined":
            self._webhooks(transition, about, event_id)
        return tuple(people)

    def decision_rows(self) -> list[dict[str, Any]]:
        """Rows of table ``decisions``."""
        return [
            {
                "id": uuid7(self._now),
                "at": self._now,
                "event_id": decision.event_id,
                "alert_id": decision.alert_id,
                "person": decision.person,
                "stage": decision.stage,
                "verdict": decision.verdict,
                "reason_zh": decision.reason_zh,
                "reason_en": decision.reason_en,
            }
            for decision in self.decisions
        ]

    def _tell(
        self,
        transition: Transition,
        tell: Tell,
        rungs: Ladder,
        told: frozenset[str],
        event_id: str | None,
    ) -> list[str]:
        rung = rungs.rungs[tell.step]
        alert = transition.alert
        fresh = [person for person in rung.recipients if person.person not in told]
        chosen = fresh if fresh and tell.turn == 0 else list(rung.recipients)
        # Turns are counted anew on the next step, and a home that takes its consent back is told
        # at its first step again: only the version tells each notice from all before.
        turn = f"{alert.id}:v{alert.version}.{tell.step}"
        for recipient in chosen:
            key = f"{turn}:{recipient.person}:{INAPP}"
            self._deliver(transition, tell.step, INAPP, recipient, key, person=recipient.person)
        left_out = [person for person in rung.recipients if person not in chosen]
        again = "本轮已通知过", "was told before in this round"
        self._no(alert.id, event_id, "route", left_out, again)
        for other in rung.others:
            self._no(alert.id, event_id, "route", [other], (other.reason_zh, other.reason_en))
        return [recipient.person for recipient in chosen]

    def _deliver(
        self,
        transition: Transition,
        step: int,
        channel: str,
        target: Recipient,
        key: str,
        *,
        person: str | None,
    ) -> None:
        self.deliveries.append(
            {
                "id": uuid7(self._now),
                "alert_id": transition.alert.id,
                "alert_version": transition.alert.version,
                "cycle": transition.alert.cycle,
                "step": step,
                "channel": channel,
                "target": target.person,
                "person": person,
                "idempotency_key": key,
                "state": "pending",
                "reason_zh": target.reason_zh,
                "reason_en": target.reason_en,
                "attempts": 0,
                "next_attempt_at": self._now,
                "error": "",
                "created_at": self._now,
                "changed_at": self._now,
            }
        )

    def _webhooks(self, transition: Transition, about: About, event_id: str | None) -> None:
        alert = transition.alert
        for webhook in self._site.webhooks:
            if about.place.is_home:
                reason = "家庭摄像机的告警不发给第三方", "alerts of a home leave for no webhook"
                self._no(alert.id, event_id, "channel", [Recipient(webhook.id, "", "")], reason)
                continue
            target = Recipient(webhook.id, "登记的推送地址", "a webhook of the site")
            key = f"{alert.id}:v{alert.version}:{webhook.id}:{WEBHOOK}"
            self._deliver(transition, alert.step, WEBHOOK, target, key, person=None)

    def _explain_skipped(self, transition: Transition, event_id: str | None) -> None:
        for skipped in transition.skipped:
            self.decisions.append(
                Decision(
                    "route",
                    "not told",
                    f"跳过第{skipped.step + 1}级：{skipped.reason_zh}",
                    f"step {skipped.step} passed over at once: {skipped.reason_en}",
                    event_id=event_id,
                    alert_id=transition.alert.id,
                )
            )

    def _explain_answer(self, transition: Transition, rungs: Ladder) -> None:
        if transition.action != "acknowledged":
            return
        alert = transition.alert
        higher = [
            recipient for rung in rungs.rungs[alert.step + 1 :] for recipient in rung.recipients
        ]
        seen = {person.person: person for person in higher}
        name = self._site.person(alert.acked_by or "")
        who = name.name if name is not None else alert.acked_by
        reason = f"{who}已响应，无须逐级上报", f"{who} answered before the alert climbed this far"
        self._no(alert.id, None, "answer", seen.values(), reason)

    def _no(
        self,
        alert_id: str,
        event_id: str | None,
        stage: str,
        people: Iterable[Recipient],
        reason: tuple[str, str],
    ) -> None:
        for person in people:
            self.decisions.append(
                Decision(
                    stage,
                    "not told",
                    *reason,
                    event_id=event_id,
                    alert_id=alert_id,
                    person=person.person,
                )
            )
