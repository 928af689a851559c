"""Reads alerts for people: what is within a viewer's scope, and how each looks to them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select

from alerts.auditing.findings import subject_title
from alerts.deciding.routing import STEP_NAMES
from alerts.kind_names import KIND_NAMES
from alerts.life.state import LIVE, Outcome, State
from alerts.seeing.scope import scope
from alerts.seeing.views import AlertView, DepartmentLine, TellLine, Viewer
from alerts.store import schema
from alerts.store.choices_schema import household
from alerts.store.records import load_row
from config.event import Event, EventKind, EvidenceRef, PlateReading, Severity
from config.site import LegalClass, Site
from ingest.engine import reading
from ingest.schema import events

Row = dict[str, Any]
"""A row of ``alerts`` with ``position`` and ``due_at`` added."""


def live_rows(engine: Engine, viewer: Viewer, limit: int) -> list[Row]:
    """Alerts that still need somebody, loudest first, then newest."""
    alerts = schema.alerts
    statement = _alerts(viewer).where(alerts.c.state.in_([str(state) for state in LIVE]))
    order = alerts.c.loudness.desc(), alerts.c.opened_at.desc(), alerts.c.id.desc()
    return _rows(engine, statement.order_by(*order).limit(limit))


def recent_rows(engine: Engine, viewer: Viewer, limit: int) -> list[Row]:
    """The latest alerts of any state, newest first."""
    alerts = schema.alerts
    order = alerts.c.opened_at.desc(), alerts.c.id.desc()
    return _rows(engine, _alerts(viewer).order_by(*order).limit(limit))


def found_rows(
    engine: Engine, viewer: Viewer, conditions: Sequence[ColumnElement[bool]], limit: int
) -> list[Row]:
    """Alerts within the viewer's scope that meet every condition on ``alerts``, newest first."""
    alerts = schema.alerts
    order = alerts.c.opened_at.desc(), alerts.c.id.desc()
    return _rows(engine, _alerts(viewer).where(*conditions).order_by(*order).limit(limit))


def one_row(engine: Engine, viewer: Viewer, alert_id: str) -> Row | None:
    """The alert of that id, when it exists within the viewer's scope."""
    found = _rows(engine, _alerts(viewer).where(schema.alerts.c.id == alert_id))
    return found[0] if found else None


def stream_rows(engine: Engine, viewer: Viewer, after: int, limit: int) -> list[Row]:
    """Changes above position ``after`` as the alert was then, in order."""
    statement = _changes(after, limit).where(scope(viewer, schema.alerts))
    return [_as_it_was(row) for row in _rows(engine, statement)]


def changed_rows(engine: Engine, after: int, limit: int) -> list[tuple[Row, Row]]:
    """As :func:`stream_rows` for nobody in particular: whoever shows one must apply scope.

    Returns:
        Each change as the alert was then, and the columns of the alert's row that scope asks.
    """
    alerts = schema.alerts
    asked = (alerts.c.id, alerts.c.kind, alerts.c.legal_class, alerts.c.grid, alerts.c.owner)
    found = _rows(engine, _changes(after, limit).add_columns(*asked))
    return [(_as_it_was(row), {column.name: row[column.name] for column in asked}) for row in found]


def position(engine: Engine) -> int:
    """The highest committed stream position; 0 before the first."""
    counters = schema.counters
    with reading(engine) as connection:
        value: int = connection.execute(
            select(counters.c.value).where(counters.c.name == "stream")
        ).scalar_one()
    return value


def thumbnail(engine: Engine, alert_id: str) -> bytes | None:
    """The JPEG of the newest sighting that has one."""
    alerts = schema.alerts
    with reading(engine) as connection:
        body = connection.execute(
            select(events.c.body)
            .join(alerts, alerts.c.thumbnail_event_id == events.c.id)
            .where(alerts.c.id == alert_id)
        ).scalar_one_or_none()
    return Event.model_validate_json(body).thumbnail if body is not None else None


def build_views(engine: Engine, site: Site, viewer: Viewer, rows: Sequence[Row]) -> list[AlertView]:
    """How these rows look to ``viewer``; a home's pictures and plates only to its owner."""
    told = tell_lines(engine, site, {row["id"] for row in rows})
    names = answerers(engine, site, rows)
    return [
        view_of(site, row, tuple(told[row["id"]]), names, may_look=may_look(viewer, row))
        for row in rows
    ]


def may_look(viewer: Viewer, row: Row) -> bool:
    """True when this person may see pictures and plates of an alert that they may see."""
    return not is_home(row) or row["owner"] in viewer.owners or row["id"] in viewer.granted


def is_home(row: Row) -> bool:
    """True when a home's own camera saw it."""
    return bool(row["legal_class"] == str(LegalClass.HOME))


def tell_lines(engine: Engine, site: Site, ids: set[str]) -> dict[str, list[TellLine]]:
    """Who was told of each alert, oldest first."""
    lines: dict[str, list[TellLine]] = defaultdict(list)
    if not ids:
        return lines
    sent = schema.deliveries
    statement = select(sent).where(sent.c.alert_id.in_(ids)).order_by(sent.c.created_at, sent.c.id)
    for row in _rows(engine, statement):
        person = site.person(row["person"]) if row["person"] is not None else None
        lines[row["alert_id"]].append(
            TellLine(
                person_id=row["person"],
                person_name=person.name if person is not None else row["target"],
                role=person.role if person is not None else None,
                step=row["step"],
                channel=row["channel"],
                state=row["state"],
                reason_zh=row["reason_zh"],
                reason_en=row["reason_en"],
                at=row["changed_at"],
            )
        )
    return lines


def title(site: Site, *, camera: str, kind: EventKind, plate: str | None) -> tuple[str, str]:
    """What an alert is called, in Chinese and English; ``plate`` only where it may be shown."""
    if (own := subject_title(site, camera)) is not None:
        return own
    known = site.camera(camera)
    name = known.name if known is not None else camera
    zh, en = KIND_NAMES[kind]
    tail = f" {plate}" if plate else ""
    return f"{name}：{zh}{tail}", f"{name}: {en}{tail}"


def _alerts(viewer: Viewer) -> Any:
    alerts, timers, stream = schema.alerts, schema.timers, schema.stream
    newest = (
        select(func.max(stream.c.position))
        .where(stream.c.alert_id == alerts.c.id)
        .scalar_subquery()
        .label("position")
    )
    return (
        select(alerts, timers.c.due_at, newest)
        .outerjoin(timers, timers.c.alert_id == alerts.c.id)
        .where(scope(viewer, alerts))
    )


def _changes(after: int, limit: int) -> Any:
    stream, alerts, timers = schema.stream, schema.alerts, schema.timers
    return (
        select(stream.c.position, stream.c.body, timers.c.due_at, alerts.c.version.label("newest"))
        .join(alerts, alerts.c.id == stream.c.alert_id)
        .outerjoin(timers, timers.c.alert_id == alerts.c.id)
        .where(stream.c.position > after)
        .order_by(stream.c.position)
        .limit(limit)
    )


def _as_it_was(row: Row) -> Row:
    then = load_row(row["body"])
    due_at = row["due_at"] if then["version"] == row["newest"] else None
    return {**then, "position": row["position"], "due_at": due_at}


def _rows(engine: Engine, statement: Any) -> list[Row]:
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def answerers(engine: Engine, site: Site, rows: Sequence[Row]) -> dict[str, str]:
    """Names of those who answered; family members are people the site does not list."""
    ids = {row["acked_by"] for row in rows if row["acked_by"] is not None}
    known = {name: person.name for name in ids if (person := site.person(name)) is not None}
    if not ids - known.keys():
        return known
    strangers = select(household.c.person_id, household.c.name)
    with reading(engine) as connection:
        found = connection.execute(strangers.where(household.c.person_id.in_(ids - known.keys())))
        return {**known, **{row.person_id: row.name for row in found}}


def _departments(site: Site, row: Row) -> tuple[DepartmentLine, ...]:
    lines = []
    for name, deadline, by in json.loads(row["departments"]):
        person = site.person(by) if by is not None else None
        lines.append(
            DepartmentLine(
                name=name,
                deadline=datetime.fromisoformat(deadline),
                reported_by=person.name if person is not None else by,
            )
        )
    return tuple(lines)


def view_of(
    site: Site,
    row: Row,
    told: tuple[TellLine, ...],
    names: dict[str, str],
    *,
    may_look: bool,
) -> AlertView:
    """One alert as those see it who may, or may not, look at its pictures and plates."""
    has_picture = row["thumbnail_event_id"] is not None or row["evidence"] != "[]"
    plate = PlateReading.model_validate_json(row["plate"]) if row["plate"] and may_look else None
    kind = EventKind(row["kind"])
    camera = site.camera(row["camera"])
    grid = site.grid(row["grid"]) if row["grid"] is not None else None
    title_zh, title_en = title(
        site, camera=row["camera"], kind=kind, plate=plate.text if plate is not None else None
    )
    step_zh, step_en = STEP_NAMES[min(row["step"], len(STEP_NAMES) - 1)]
    return AlertView(
        id=row["id"],
        version=row["version"],
        state=State(row["state"]),
        step=row["step"],
        step_name_zh=step_zh,
        step_name_en=step_en,
        kind=kind,
        severity=Severity(row["severity"]),
        title_zh=title_zh,
        title_en=title_en,
        camera_id=row["camera"],
        camera_name=camera.name if camera is not None else row["camera"],
        grid_id=row["grid"],
        grid_name=grid.name if grid is not None else row["grid"],
        legal_class=LegalClass(row["legal_class"]) if row["legal_class"] else None,
        opened_at=row["opened_at"],
        changed_at=row["changed_at"],
        captured_at=row["captured_at"],
        next_step_at=row["due_at"],
        plate=plate,
        sightings=row["sightings"],
        event_id=row["event_id"],
        evidence=_evidence(row) if may_look else (),
        has_thumbnail=may_look and row["thumbnail_event_id"] is not None,
        picture_hidden=has_picture and not may_look,
        told=told,
        acked_by=row["acked_by"],
        acked_by_name=names.get(row["acked_by"], row["acked_by"]),
        departments=_departments(site, row),
        acked_at=row["acked_at"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        position=row["position"] or 0,
    )


def _evidence(row: Row) -> tuple[EvidenceRef, ...]:
    return tuple(EvidenceRef.model_validate(item) for item in json.loads(row["evidence"]))
