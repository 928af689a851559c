"""Explains one event: the rule that answered, whom it reached, and why nobody else."""

from __future__ import annotations

from pydantic import AwareDatetime
from sqlalchemy import Engine, select

from alerts.life.state import State
from alerts.seeing.reading import tell_lines
from alerts.seeing.views import TellLine
from alerts.store import schema
from config.errors import UserError
from config.event import EventKind, Frozen, Severity
from config.site import Site
from ingest.engine import reading
from ingest.schema import events, routing_queue


class Reason(Frozen):
    """One stored decision; ``person_name`` is empty where it is about the event itself."""

    at: AwareDatetime
    stage: str
    verdict: str
    person_name: str
    reason_zh: str
    reason_en: str


class AlertLine(Frozen):
    """One line of the audit log about the alert."""

    at: AwareDatetime
    actor: str
    action: str
    detail: str


class Explanation(Frozen):
    """Everything the centre decided about one event."""

    event_id: str
    camera: str
    kind: EventKind
    captured_at: AwareDatetime
    received_at: AwareDatetime
    is_waiting: bool
    """True while no router has decided about it yet."""
    alert_id: str | None
    relation: str | None
    """``opened``, ``joined``, ``revision`` or ``recovery``."""
    state: State | None
    severity: Severity | None
    told: tuple[TellLine, ...]
    decisions: tuple[Reason, ...]
    history: tuple[AlertLine, ...]


def explain_event(engine: Engine, site: Site, event_id: str) -> Explanation:
    """What was decided about ``event_id`` and its alert.

    Raises:
        UserError: the centre has no such event.
    """
    alerts, links, log = schema.alerts, schema.alert_events, schema.audit
    with reading(engine) as connection:
        event = connection.execute(select(events).where(events.c.id == event_id)).first()
        if event is None:
            raise UserError(
                where=f"event {event_id}",
                problem="is not in this database",
                remedy="check the id; an event still in a node's outbox has not arrived yet",
            )
        waits = connection.execute(
            select(routing_queue.c.event_id).where(routing_queue.c.event_id == event_id)
        ).first()
        alert = connection.execute(
            select(alerts.c.id, alerts.c.state, alerts.c.severity, links.c.relation)
            .join(links, links.c.alert_id == alerts.c.id)
            .where(links.c.event_id == event_id)
        ).first()
        history = (
            connection.execute(
                select(log).where(log.c.object == f"alert {alert.id}").order_by(log.c.seq)
            ).all()
            if alert is not None
            else []
        )
    alert_id = alert.id if alert is not None else None
    return Explanation(
        event_id=event.id,
        camera=event.camera,
        kind=EventKind(event.kind),
        captured_at=event.captured_at,
        received_at=event.received_at,
        is_waiting=waits is not None,
        alert_id=alert_id,
        relation=alert.relation if alert is not None else None,
        state=State(alert.state) if alert is not None else None,
        severity=Severity(alert.severity) if alert is not None else None,
        told=tuple(tell_lines(engine, site, {alert_id})[alert_id]) if alert_id else (),
        decisions=_decisions(engine, site, event_id, alert_id),
        history=tuple(
            AlertLine(at=row.at, actor=row.actor, action=row.action, detail=row.detail)
            for row in history
        ),
    )


def _decisions(
    engine: Engine, site: Site, event_id: str, alert_id: str | None
) -> tuple[Reason, ...]:
    """Decisions about the event, and those about its alert that no other event caused."""
    kept = schema.decisions
    mine = kept.c.event_id == event_id
    if alert_id is not None:
        mine = mine | ((kept.c.alert_id == alert_id) & kept.c.event_id.is_(None))
    with reading(engine) as connection:
        rows = connection.execute(select(kept).where(mine).order_by(kept.c.at, kept.c.id)).all()
    reasons = []
    for row in rows:
        person = site.person(row.person) if row.person is not None else None
        reasons.append(
            Reason(
                at=row.at,
                stage=row.stage,
                verdict=row.verdict,
                person_name=person.name if person is not None else row.person or "",
                reason_zh=row.reason_zh,
                reason_en=row.reason_en,
            )
        )
    return tuple(reasons)
