"""Counts what a demo did, from the store, the outboxes, the journal and the scenes' truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, select

from config.event import Event, EventKind
from demo.journal import Line
from demo.scoring import Appearance, PlateVisit, percentile, score_plates
from ingest.accounting import account
from ingest.schema import events


class Summary(BaseModel):
    """One run in numbers; field names are the keys of ``menshen demo --json``."""

    model_config = ConfigDict(frozen=True)

    cameras: int
    frames_decoded: int
    events: int
    plates_read: int
    plates_expected: int
    plates_exact: int
    plates_wrong: int
    plates_invented: int
    faces: int
    alerts: int
    acknowledged: int
    escalated: int
    outbox_left: int
    evidence_left: int
    lost: int
    duplicates: int
    event_to_alert_ms_p50: float | None
    event_to_alert_ms_p99: float | None
    missing_models: tuple[str, ...] = ()


def summarise(
    *,
    engine: Engine,
    outboxes: Sequence[Path],
    reports: Sequence[Path],
    journal: Sequence[Line],
    appearances: Sequence[Appearance],
    until: datetime,
    missing_models: Sequence[str] = (),
) -> Summary:
    """Count one run. ``until`` is when the edge was told to stop watching.

    Only events of these ``outboxes`` count, so a database that held others before is fine.
    """
    nodes: list[dict[str, Any]] = [
        json.loads(report.read_text(encoding="utf-8")) for report in reports
    ]
    stored = _stored(engine, [node["outbox_epoch"] for node in nodes])
    visits = _last_revisions(stored)
    plates = [
        PlateVisit(item.camera, item.plate.text, item.started_at, item.captured_at)
        for item in visits
        if item.plate is not None
    ]
    score = score_plates(appearances, plates, until=until)
    books = account(outboxes, engine)
    opened = [line for line in journal if _is(line, "opened")]
    waits = [
        line["committed_to_alerted_ms"] for line in opened if "committed_to_alerted_ms" in line
    ]
    return Summary(
        cameras=sum(len(node["cameras"]) for node in nodes),
        frames_decoded=sum(node["frames_decoded"] for node in nodes),
        events=len(stored),
        plates_read=len(plates),
        plates_expected=score.expected,
        plates_exact=score.exact,
        plates_wrong=score.wrong,
        plates_invented=score.invented,
        faces=sum(item.kind is EventKind.FACE for item in visits),
        alerts=len(opened),
        acknowledged=len({line["alert_id"] for line in journal if _is(line, "acknowledged")}),
        escalated=len({line["alert_id"] for line in journal if _is(line, "escalated")}),
        outbox_left=books.outbox_left,
        evidence_left=sum(node["evidence_left"] for node in nodes),
        lost=books.lost,
        duplicates=books.duplicates,
        event_to_alert_ms_p50=percentile(waits, 0.5),
        event_to_alert_ms_p99=percentile(waits, 0.99),
        missing_models=tuple(missing_models),
    )


def _is(line: Line, what: str) -> bool:
    return bool(line["line"] == "alert" and line["what"] == what)


def _stored(engine: Engine, epochs: Sequence[str]) -> list[Event]:
    query = select(events.c.body).where(events.c.epoch.in_(epochs)).order_by(events.c.id)
    with engine.connect() as connection:
        return [Event.model_validate_json(row.body) for row in connection.execute(query)]


def _last_revisions(stored: Sequence[Event]) -> list[Event]:
    latest: dict[str, Event] = {}
    for event in stored:
        known = latest.get(event.visit)
        if known is None or event.revision >= known.revision:
            latest[event.visit] = event
    return list(latest.values())
