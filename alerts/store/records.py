"""Between rows of the database and the values of the state machine, in both directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import RowMapping

from alerts.deciding.routing import Place
from alerts.life.state import Alert, Department, Outcome, State, Timer, TimerKind
from config.event import Event, EventKind, Severity
from config.site import LegalClass

Row = Mapping[str, Any] | RowMapping


@dataclass(frozen=True, slots=True)
class About:
    """What an alert is about: the place, and its newest sighting.

    ``plate`` and ``evidence`` are JSON of the event's fields, as stored.
    """

    kind: EventKind
    rule: str
    dedup_key: str
    place: Place
    event_id: str
    captured_at: datetime
    thumbnail_event_id: str | None
    plate: str | None
    evidence: str


def about_event(event: Event, *, rule: str, dedup_key: str, place: Place) -> About:
    """What a new alert is about."""
    return About(
        kind=event.kind,
        rule=rule,
        dedup_key=dedup_key,
        place=place,
        event_id=event.id,
        captured_at=event.captured_at,
        thumbnail_event_id=event.id if event.thumbnail is not None else None,
        plate=event.plate.model_dump_json() if event.plate is not None else None,
        evidence=_evidence(event),
    )


def with_event(about: About, event: Event) -> About:
    """``about`` after ``event`` joined; an event older than the newest sighting changes nothing."""
    if event.captured_at < about.captured_at:
        return about
    return replace(
        about,
        event_id=event.id,
        captured_at=event.captured_at,
        thumbnail_event_id=event.id if event.thumbnail is not None else about.thumbnail_event_id,
        plate=event.plate.model_dump_json() if event.plate is not None else about.plate,
        evidence=_evidence(event) if event.evidence else about.evidence,
    )


def dedup_key(event: Event) -> str:
    """Same key, same thing: kind, camera, zone and subject (plate text, condition or visit)."""
    return "|".join((event.kind, event.camera, event.zone or "", event.subject()))


def to_columns(alert: Alert, about: About) -> dict[str, Any]:
    """The row of table ``alerts``."""
    return {
        "id": alert.id,
        "version": alert.version,
        "state": str(alert.state),
        "severity": str(alert.severity),
        "loudness": alert.severity.rank,
        "cycle": alert.cycle,
        "step": alert.step,
        "turn": alert.turn,
        "sightings": alert.sightings,
        "escalate_after_s": alert.escalate_after_s,
        "opened_at": alert.opened_at,
        "changed_at": alert.changed_at,
        "seen_at": alert.seen_at,
        "acked_by": alert.acked_by,
        "acked_at": alert.acked_at,
        "departments": _departments(alert),
        "back_to": alert.back_to and str(alert.back_to),
        "parent": alert.parent,
        "outcome": alert.outcome and str(alert.outcome),
        "closed_at": alert.closed_at,
        "kind": str(about.kind),
        "rule": about.rule,
        "dedup_key": about.dedup_key,
        "camera": about.place.camera,
        "grid": about.place.grid,
        "owner": about.place.owner,
        "legal_class": about.place.legal_class and str(about.place.legal_class),
        "event_id": about.event_id,
        "captured_at": about.captured_at,
        "thumbnail_event_id": about.thumbnail_event_id,
        "plate": about.plate,
        "evidence": about.evidence,
    }


def to_alert(row: Row) -> Alert:
    """The state machine's part of a row of ``alerts``."""
    return Alert(
        id=row["id"],
        state=State(row["state"]),
        severity=Severity(row["severity"]),
        escalate_after_s=row["escalate_after_s"],
        opened_at=row["opened_at"],
        changed_at=row["changed_at"],
        seen_at=row["seen_at"],
        version=row["version"],
        cycle=row["cycle"],
        step=row["step"],
        turn=row["turn"],
        sightings=row["sightings"],
        acked_by=row["acked_by"],
        acked_at=row["acked_at"],
        departments=tuple(
            Department(name, datetime.fromisoformat(deadline), by)
            for name, deadline, by in json.loads(row["departments"])
        ),
        back_to=State(row["back_to"]) if row["back_to"] else None,
        parent=row["parent"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        closed_at=row["closed_at"],
    )


def to_about(row: Row) -> About:
    """The rest of a row of ``alerts``."""
    legal_class = LegalClass(row["legal_class"]) if row["legal_class"] else None
    return About(
        kind=EventKind(row["kind"]),
        rule=row["rule"],
        dedup_key=row["dedup_key"],
        place=Place(
            camera=row["camera"], grid=row["grid"], owner=row["owner"], legal_class=legal_class
        ),
        event_id=row["event_id"],
        captured_at=row["captured_at"],
        thumbnail_event_id=row["thumbnail_event_id"],
        plate=row["plate"],
        evidence=row["evidence"],
    )


def to_timer(row: Row) -> Timer:
    """A row of ``timers``."""
    return Timer(kind=TimerKind(row["kind"]), due_at=row["due_at"])


def dump_row(columns: dict[str, Any]) -> str:
    """A row of ``alerts`` as JSON, times as ISO 8601 in UTC."""
    return to_json(
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in columns.items()
        }
    ).decode()


def load_row(text: str) -> dict[str, Any]:
    """The inverse of :func:`dump_row`."""
    row: dict[str, Any] = json.loads(text)
    for name, value in row.items():
        if name.endswith("_at") and value is not None:
            row[name] = datetime.fromisoformat(value)
    return row


def _evidence(event: Event) -> str:
    return json.dumps([item.model_dump(mode="json") for item in event.evidence])


def _departments(alert: Alert) -> str:
    return json.dumps(
        [[item.name, item.deadline.isoformat(), item.reported_by] for item in alert.departments],
        ensure_ascii=False,
    )
