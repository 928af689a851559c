"""Takes notes about duty to their people: one way after the other until one is known to arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, and_, or_, select, update

from alerts.channels.base import Attempt, Channel, Notification, make_attempt
from alerts.channels.budget import look, spend
from alerts.channels.chain import Rules, choose
from alerts.channels.contacts import Contacts
from alerts.life.state import State
from alerts.rosters.handing_on import next_note
from alerts.rosters.notes import write_notes
from alerts.rosters.schema import duty_notes
from config.clock import Clock
from config.event import EventKind, Severity
from config.site import Site
from ingest.engine import reading, writing

BATCH = 8
LEASE = timedelta(seconds=120)
"""A note whose sender died is due again after this; longer than a batch takes."""
LOOK_AGAIN = timedelta(seconds=5)
"""When a note is due again for which its provider's budget did not suffice."""
ATTEMPTS = 4
"""Over one way, before the next way's turn comes."""
SEVERITY = Severity.WARNING
"""Duty rings in quiet hours, too: it may begin in them."""


@dataclass(frozen=True, slots=True)
class _Sending:
    note: Any
    channel: Channel
    tried: tuple[str, ...]


class DutyNotes:
    """Works off the notes of one database; any number may share it.

    A person without any way reads the note on the page of duty; it is ``failed`` then, so that
    who entered the duty sees that nobody was called, and the next one who answers for the grid
    is asked to tell them (:mod:`alerts.rosters.handing_on`).

    Args:
        channels: by their names; the dispatchers' own.
        pause: how long to wait after that many attempts.
        base_url: address of the pages.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        contacts: Contacts,
        channels: Mapping[str, Channel],
        pause: Callable[[int, Attempt], timedelta],
        base_url: str,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._contacts = contacts
        self._channels = channels
        self._pause = pause
        self._link = f"{base_url.rstrip('/')}/duty"
        self._wait = timedelta(seconds=site.telling.fall_over_s)
        least = {gateway.id: gateway.from_severity for gateway in site.gateways}
        self._rules = Rules(ZoneInfo(site.county.zone), least)
        self._site = site

    def run_once(self) -> int:
        """Take what is due one way further, at most 8; returns how many."""
        now, column = self._clock.now(), duty_notes.c
        due = select(duty_notes).where(column.next_attempt_at <= now)
        due = due.order_by(column.next_attempt_at, column.id).limit(BATCH)
        with reading(self._engine) as connection:
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with writing(self._engine) as connection:
            rows = connection.execute(due.with_for_update(skip_locked=True)).all()
            people = self._contacts.load(connection, {row.person for row in rows})
            claimed = [self._claim(connection, row, people[row.person], now) for row in rows]
        for item in claimed:
            if item is not None:
                self._write(item, make_attempt(item.channel, self._notification(item.note)))
        return len(rows)

    def _claim(
        self, connection: Connection, row: Any, person: Any, now: datetime
    ) -> _Sending | None:
        tried = tuple(json.loads(row.tried))
        choice = choose(person, tried=tried, severity=SEVERITY, now=now, rules=self._rules)
        if choice.channel is None:
            self._give_up(connection, row, [item.reason_zh for item in choice.passed], now)
            return None
        channel = self._channels[choice.channel]
        budget = channel.budget(row.person)
        if budget is not None:
            left = look(connection, [budget], now)[budget]
            if left < 1:
                _set(connection, row, next_attempt_at=now + LOOK_AGAIN)
                return None
            spend(connection, {budget: left - 1}, now)
        _set(
            connection, row, state="sending", channel=channel.name,
            attempts=row.attempts + 1, next_attempt_at=now + LEASE,
        )  # fmt: skip
        return _Sending(row, channel, tried)

    def _give_up(self, connection: Connection, row: Any, reasons: list[str], now: datetime) -> None:
        """No way is left: what was accepted stays so, without a receipt; nothing was: failed."""
        is_taken = row.state == "accepted"
        problem = "" if is_taken else "；".join(dict.fromkeys(reasons)) or row.problem
        state = row.state if is_taken else "failed"
        _set(connection, row, state=state, next_attempt_at=None, problem=problem)
        if is_taken:
            return
        titles = row.title_zh, row.title_en
        other = next_note(connection, self._site, person=row.person, about=row.about, titles=titles)
        write_notes(connection, [other] if other is not None else [], now)

    def _write(self, item: _Sending, attempt: Attempt) -> None:
        now, attempts = self._clock.now(), item.note.attempts + 1
        # What an earlier way has promised stays promised when this one fails.
        state = "accepted" if item.note.state == "accepted" else "waiting"
        values: dict[str, Any] = {"problem": attempt.problem, "state": state}
        is_used_up = attempt.result == "refused" or attempts >= ATTEMPTS
        if attempt.result == "accepted":
            # A provider that says "accepted" has promised, no more: without a receipt the next
            # way has its turn.
            values |= {"state": "accepted", "provider_ref": attempt.ref}
            values["next_attempt_at"] = now + self._wait
        elif is_used_up:
            values["next_attempt_at"] = now
        else:
            values["next_attempt_at"] = now + self._pause(attempts, attempt)
        if attempt.result == "accepted" or is_used_up:
            values |= {"tried": json.dumps([*item.tried, item.channel.name]), "attempts": 0}
        with writing(self._engine) as connection:
            # A receipt may have come while it was being sent.
            _set(connection, item.note, only="sending", **values)

    def _notification(self, row: Any) -> Notification:
        return Notification(
            key=f"duty:{row.id}:{row.channel or ''}",
            reference=row.id,
            target=row.person,
            alert_id=row.id,
            version=0,
            state=State.OPEN,
            step=0,
            kind=EventKind.HEALTH,
            severity=SEVERITY,
            title_zh=row.title_zh,
            title_en=row.title_en,
            camera="",
            camera_name=self._site.county.name,
            grid=None,
            opened_at=row.written_at,
            changed_at=row.written_at,
            acked_by=None,
            link=self._link,
            is_duty=True,
        )


def note_duty_receipt(
    connection: Connection, *, channel: str, reference: str, fate: str, now: datetime
) -> bool:
    """Write down a receipt of a note; False when no note has this ``reference``.

    ``fate`` is ``delivered`` or ``read``, which end it, or ``failed``: the next way's turn is now.
    """
    column = duty_notes.c
    theirs = and_(column.channel == channel, column.provider_ref == reference)
    mine = select(column.id, column.state, column.channel).where(
        or_(column.id == reference, theirs)
    )
    row = connection.execute(mine.limit(1)).first()
    if row is None:
        return False
    if row.state == "read" or (row.state == "delivered" and fate != "read"):
        return True
    if fate == "failed" and row.channel != channel:
        return True  # Of an earlier way: the next one is under way already.
    if fate == "failed":
        values = {"state": "waiting", "next_attempt_at": now, "problem": "receipt: failed"}
    else:
        values = {"state": fate, "next_attempt_at": None, "problem": ""}
    connection.execute(update(duty_notes).where(column.id == row.id).values(values))
    return True


def _set(connection: Connection, row: Any, *, only: str | None = None, **values: Any) -> None:
    changed = update(duty_notes).where(duty_notes.c.id == row.id)
    if only is not None:
        changed = changed.where(duty_notes.c.state == only)
    connection.execute(changed.values(values))
