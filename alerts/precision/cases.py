"""Reads verified alerts as cases: only what people found on the spot says who was right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, func, select

from alerts.life.state import Outcome
from alerts.precision.figures import Case
from alerts.store.schema import alert_events, alerts
from config.event import Event, EventKind
from config.site import LegalClass, Site
from ingest.engine import reading
from ingest.schema import events

LIMIT = 5_000
_VERIFIED = (str(Outcome.RESOLVED), str(Outcome.FALSE_ALARM))
_SIGHTINGS = [str(kind) for kind in EventKind if kind not in (EventKind.HEALTH, EventKind.SHED)]


def cases(
    engine: Engine, site: Site, *, since: datetime, cameras: Sequence[str] | None = None
) -> list[Case]:
    """The newest verified sightings since a moment, at most 5,000; homes are left out.

    A home is its household's own business: how often its camera errs is for nobody's statistics.
    """
    column = alerts.c
    statement = (
        select(column.camera, column.kind, column.outcome, column.opened_at, events.c.body)
        .join(alert_events, alert_events.c.alert_id == column.id)
        .join(events, events.c.id == alert_events.c.event_id)
        .where(alert_events.c.relation == "opened")
        .where(column.outcome.in_(_VERIFIED), column.kind.in_(_SIGHTINGS))
        .where(column.opened_at >= since)
        .where(func.coalesce(column.legal_class, "") != str(LegalClass.HOME))
        .order_by(column.opened_at.desc(), column.id.desc())
        .limit(LIMIT)
    )
    if cameras is not None:
        statement = statement.where(column.camera.in_(cameras))
    zone = ZoneInfo(site.county.zone)
    with reading(engine) as connection:
        return [_case(row, zone) for row in connection.execute(statement)]


def _case(row: Any, zone: ZoneInfo) -> Case:
    event = Event.model_validate_json(row.body)
    box = event.box
    return Case(
        camera=row.camera,
        kind=EventKind(row.kind),
        is_right=row.outcome == str(Outcome.RESOLVED),
        hour=row.opened_at.astimezone(zone).hour,
        zone=event.zone,
        score=_score(event),
        centre=(box[0] + box[2] / 2, box[1] + box[3] / 2) if box is not None else None,
    )


def _score(event: Event) -> float | None:
    if event.plate is not None:
        return event.plate.confidence
    return event.face.quality if event.face is not None else None
