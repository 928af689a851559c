"""Notes to people about duty that is theirs now: written with the change that makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select

from alerts.rosters.schema import duty_notes
from alerts.store.rows import insert_rows
from config.ids import uuid7
from ingest.engine import reading


@dataclass(frozen=True, slots=True)
class Note:
    """What ``person`` is told; ``about`` names the dated duty or leave it comes from."""

    person: str
    about: str
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a note: ``state`` as of its way ``channel`` (None: none was used yet)."""

    person: str
    about: str
    title_zh: str
    written_at: datetime
    state: str
    channel: str | None
    problem: str


def write_notes(connection: Connection, notes: Iterable[Note], now: datetime) -> None:
    """Queue them in the transaction of the change that they tell of."""
    rows = [
        {
            "id": uuid7(now),
            "person": note.person,
            "about": note.about,
            "title_zh": note.title_zh,
            "title_en": note.title_en,
            "written_at": now,
            "state": "waiting",
            "tried": "[]",
            "attempts": 0,
            "next_attempt_at": now,
            "problem": "",
        }
        for note in notes
    ]
    insert_rows(connection, duty_notes, rows)


def notes_about(engine: Engine, about: Sequence[str]) -> list[Told]:
    """What was told about these, the newest first."""
    if not about:
        return []
    column = duty_notes.c
    columns = [column[name] for name in Told.__slots__]
    wanted = select(*columns).where(column.about.in_(about))
    with reading(engine) as connection:
        rows = connection.execute(wanted.order_by(column.written_at.desc(), column.id.desc()))
        return [Told(**row) for row in rows.mappings()]


def span_text(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """``2026-03-02 20:00 – 2026-03-03 08:00 UTC+08:00``, in the county's time."""
    begins, ends = start.astimezone(zone), end.astimezone(zone)
    return f"{begins:%Y-%m-%d %H:%M} – {ends:%Y-%m-%d %H:%M} UTC{ends.isoformat()[-6:]}"
