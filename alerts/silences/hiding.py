"""Applies silences to the alerts of one transaction, and writes down why each is hidden."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from alerts.life.state import Command, Fire, State, Suppress, TimerKind
from alerts.silences.matching import Matchers, Silence, Subject, end_of, hidden_by
from alerts.store.holding import Held
from alerts.store.quiet_schema import silences
from alerts.store.work import Work
from alerts.telling.notices import Decision
from config.clock import local_text
from config.event import Event


def in_force(connection: Connection, now: datetime) -> tuple[Silence, ...]:
    """Silences that hold at ``now``."""
    return tuple(to_silence(row) for row in connection.execute(_IN_FORCE, {"now": now}))


def to_silence(row: Any) -> Silence:
    """A row of ``silences``."""
    matchers = Matchers.model_validate_json(row.matchers)
    return Silence(row.id, row.owner, row.reason, matchers, row.starts_at, row.ends_at)


def subject_of(held: Held) -> Subject:
    """What of a loaded alert a silence looks at."""
    return Subject(held.about.kind, held.alert.severity, held.about.place)


def silence_behind(work: Work, held: Held, silence: Silence, event: Event | None) -> None:
    """Hide ``held`` until the silence ends; ``event`` is what raised it, if new."""
    command, relation = _suppress(held, silence), "opened" if event is not None else ""
    work.apply(held, command, event=event, relation=relation)
    _note(work, held, silence, event)


def heed_silences(work: Work, held: Held, command: Command) -> Command:
    """What to do when an alert's time behind a root is over: open, or go behind a silence.

    What a silence has hidden opens when that one ends, whatever others hold: whoever ends one
    by hand sees all that it hid.
    """
    due = held.timer
    if command != Fire(TimerKind.RELEASE) or held.alert.state is not State.SUPPRESSED:
        return command
    if due is None or due.due_at > work.now or _is_silence(work.connection, held.alert.parent):
        return command
    silence = hidden_by(in_force(work.connection, work.now), subject_of(held))
    if silence is None:
        return command
    _note(work, held, silence, None)
    return _suppress(held, silence)


def _suppress(held: Held, silence: Silence) -> Suppress:
    reason = f"silence {silence.id} of {silence.owner}"
    return Suppress(silence.id, reason, end_of(silence, held.about.kind))


def _note(work: Work, held: Held, silence: Silence, event: Event | None) -> None:
    owner = work.site.person(silence.owner)
    name = owner.name if owner is not None else silence.owner
    until = local_text(silence.ends_at)
    zh = f"{name}设置的静默 {silence.id}（{silence.reason}），至 {until}"
    en = f"silence {silence.id} of {silence.owner} until {until}: {silence.reason}"
    event_id = event.id if event is not None else None
    work.decide(Decision("silence", "not told", zh, en, event_id, held.alert.id))


def _is_silence(connection: Connection, parent: str | None) -> bool:
    found = select(silences.c.id).where(silences.c.id == parent)
    return connection.execute(found).first() is not None


_NOW = bindparam("now", type_=silences.c.ends_at.type)
# Built once: every batch of the router asks.
_IN_FORCE = (
    select(silences)
    .where(silences.c.starts_at <= _NOW, silences.c.ends_at > _NOW, silences.c.ended_at.is_(None))
    .order_by(silences.c.id)
)
