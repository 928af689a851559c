"""Seen: reads what a camera saw and who looked at it, for pages about one camera."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, String, and_, cast, literal, or_, select

from alerts.store.schema import alerts, audit
from config.event import Event, EventKind
from ingest.engine import reading
from ingest.schema import events

LOOKS = ("view-evidence", "view-report-photo", "view-thumbnail", "view-snapshot", "view-live")
"""Actions of the audit log that mean: somebody looked at a picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked at something of a camera."""

    at: datetime
    actor: str
    action: str
    detail: str


class Seen:
    """Events and looks of single cameras."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def since(self, camera: str, start: datetime, *, limit: int = 48) -> list[Event]:
        """The newest revision of each visit since ``start``, newest first; no trouble reports."""
        columns = events.c
        with reading(self._engine) as connection:
            bodies = connection.execute(
                select(columns.body)
                .where(
                    columns.camera == camera,
                    columns.captured_at >= start,
                    columns.kind.not_in([str(EventKind.HEALTH), str(EventKind.SHED)]),
                )
                .order_by(columns.captured_at.desc(), columns.revision.desc())
                .limit(limit * 3)
            ).scalars()
            found = [Event.model_validate_json(body) for body in bodies]
        newest: dict[str, Event] = {}
        for event in found:
            kept = newest.get(event.visit)
            if kept is None or event.revision > kept.revision:
                newest[event.visit] = event
        return sorted(newest.values(), key=lambda e: e.captured_at, reverse=True)[:limit]

    def event(self, camera: str, event_id: str) -> Event | None:
        """One event of that camera."""
        with reading(self._engine) as connection:
            body = connection.execute(
                select(events.c.body).where(events.c.id == event_id, events.c.camera == camera)
            ).scalar_one_or_none()
        return None if body is None else Event.model_validate_json(body)

    def latest_picture(self, camera: str) -> Event | None:
        """The newest of the last events that carries a picture."""
        columns = events.c
        with reading(self._engine) as connection:
            bodies = connection.execute(
                select(columns.body)
                .where(columns.camera == camera)
                .order_by(columns.captured_at.desc())
                .limit(30)
            ).scalars()
            for body in bodies:
                event = Event.model_validate_json(body)
                if event.thumbnail is not None:
                    return event
        return None

    def looks(self, camera: str, *, but: tuple[str, ...], limit: int = 50) -> list[Look]:
        """Who looked at pictures of a camera, newest first, leaving out the people ``but``."""
        its_alerts = select(literal("alert ") + cast(alerts.c.id, String)).where(
            alerts.c.camera == camera
        )
        about = or_(audit.c.object == f"camera {camera}", audit.c.object.in_(its_alerts))
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(audit)
                .where(and_(audit.c.action.in_(LOOKS), about, audit.c.actor.not_in(but)))
                .order_by(audit.c.seq.desc())
                .limit(limit)
            ).all()
        return [Look(row.at, row.actor, row.action, row.detail) for row in rows]
