"""The silences of one database: asked for, ended, listed, and each end heeded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    func,
    insert,
    or_,
    select,
    update,
)

from alerts.auditing.audit import AuditLine, append_lines
from alerts.life.state import ParentGone, Refused, State
from alerts.silences.hiding import to_silence
from alerts.silences.matching import Matchers, Silence, refusal
from alerts.store import schema
from alerts.store.applying import AlertStore
from alerts.store.quiet_schema import silences
from config.clock import Clock
from config.errors import UserError
from config.ids import uuid7
from config.site import Person, Site
from ingest.engine import reading, writing

_BATCH = 100
_SETTLED = timedelta(minutes=1)
"""A router that read the silence just before its end has committed by then."""
_REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A silence with its state: ``planned``, ``active``, ``ended`` (by hand) or ``expired``."""

    silence: Silence
    state: str
    ended_by: str | None
    hides: int
    """Alerts that it hides at this moment."""


class SilenceBook:
    """Every change is one transaction with its line in the audit log."""

    def __init__(self, engine: Engine, site: Site, clock: Clock, *, store: AlertStore) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._store = store

    def add(
        self,
        person: Person,
        matchers: Matchers,
        *,
        reason: str,
        ends_at: datetime,
        starts_at: datetime | None = None,
    ) -> Silence:
        """Silence from ``starts_at`` (now, if None or past) to ``ends_at``, owned by ``person``.

        Alerts that are open already go on: somebody was told of them.

        Raises:
            UserError: no reason, too long, or not this person's to silence.
        """
        now = self._clock.now()
        start = max(starts_at or now, now)
        problem = refusal(self._site, person, matchers, starts_at=start, ends_at=ends_at)
        text = reason.strip()
        if not text or len(text) > _REASON_LIMIT:
            problem = f"it needs a reason of at most {_REASON_LIMIT} letters"
        if problem is not None:
            raise UserError(where="silence", problem=problem, remedy="change it and ask again")
        made = Silence(uuid7(now), person.id, text, matchers, start, ends_at)
        with writing(self._engine) as connection:
            connection.execute(
                insert(silences).values(
                    id=made.id,
                    owner=made.owner,
                    reason=made.reason,
                    matchers=matchers.model_dump_json(),
                    starts_at=made.starts_at,
                    ends_at=made.ends_at,
                    created_at=now,
                )
            )
            detail = f"until {ends_at:%Y-%m-%d %H:%M} UTC; {matchers.model_dump_json()}; {text}"
            _audit(connection, now, person.id, "silence created", made.id, detail)
        return made

    def end(self, person: Person, silence_id: str) -> None:
        """End it now; what it hides opens.

        Raises:
            UserError: there is no such silence in force or planned, or it is not this person's
                to end.
        """
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(
                select(silences).where(silences.c.id == silence_id).with_for_update()
            ).first()
            if row is None or row.ended_at is not None or row.ends_at <= now:
                raise _no_silence(silence_id)
            kept = to_silence(row)
            later = kept.starts_at + timedelta(seconds=1)
            strange = refusal(
                self._site, person, kept.matchers, starts_at=kept.starts_at, ends_at=later
            )
            if strange is not None and person.id != kept.owner:
                raise UserError(where=f"silence {silence_id}", problem=strange, remedy="ask them")
            ended = update(silences).where(silences.c.id == silence_id)
            connection.execute(ended.values(ended_at=now, ended_by=person.id))
            _audit(connection, now, person.id, "silence ended", silence_id, "")
        self.run_once()

    def run_once(self) -> int:
        """Let go of what ended silences hide, and write each end down; returns how many."""
        now = self._clock.now()
        done = 0
        for row in self._over(now):
            left = self._let_go(row) if row.ended_at is not None else 0
            if left or now - min(row.ends_at, row.ended_at or row.ends_at) < _SETTLED:
                continue
            with writing(self._engine) as connection:
                closing = update(silences).where(silences.c.id == row.id)
                result = connection.execute(
                    closing.where(silences.c.closed_at.is_(None)).values(closed_at=now)
                )
                if result.rowcount == 1 and row.ended_at is None:
                    _audit(connection, now, "system", "silence expired", row.id, "")
                done += result.rowcount
        return done

    def kept(self, *, grids: frozenset[str] | None = None, limit: int = 200) -> list[Kept]:
        """The newest silences, those in force first; ``grids``: only what is about these."""
        hidden = (
            select(func.count())
            .where(schema.alerts.c.parent == silences.c.id, _is_hidden())
            .scalar_subquery()
        )
        statement = select(silences, hidden.label("hides")).order_by(silences.c.id.desc())
        with reading(self._engine) as connection:
            rows = connection.execute(statement.limit(limit)).all()
        now = self._clock.now()
        found = [Kept(to_silence(row), _state(row, now), row.ended_by, row.hides) for row in rows]
        if grids is not None:
            found = [kept for kept in found if self._concerns(kept.silence.matchers, grids)]
        order = {"active": 0, "planned": 1}
        return sorted(found, key=lambda kept: order.get(kept.state, 2))

    def _concerns(self, matchers: Matchers, grids: frozenset[str]) -> bool:
        cameras = (self._site.camera(name) for name in matchers.cameras)
        named = {camera.grid for camera in cameras if camera is not None} | set(matchers.grids)
        return not named or bool(named & grids)

    def _over(self, now: datetime) -> Sequence[Any]:
        column = silences.c
        over = or_(column.ended_at.is_not(None), column.ends_at <= now)
        with reading(self._engine) as connection:
            return connection.execute(
                select(silences).where(column.closed_at.is_(None), over).order_by(column.id)
            ).all()

    def _let_go(self, silence: Any) -> int:
        """Alerts behind a silence that was ended by hand open at once; returns how many waited."""
        alerts, timers = schema.alerts, schema.timers
        statement = (
            select(alerts.c.id)
            .outerjoin(timers, timers.c.alert_id == alerts.c.id)
            .where(alerts.c.parent == silence.id, _is_hidden())
            # Those that were let go already open long before the end that was planned.
            .where(or_(timers.c.due_at.is_(None), timers.c.due_at >= silence.ends_at))
            .order_by(alerts.c.id)
            .limit(_BATCH)
        )
        waited = 0
        while True:
            with reading(self._engine) as connection:
                ids = list(connection.execute(statement).scalars())
            if not ids:
                return waited
            for alert_id in ids:
                with suppress(Refused):  # it recovered meanwhile
                    self._store.apply(alert_id, ParentGone(timedelta(0)))
            waited += len(ids)


def _is_hidden() -> ColumnElement[bool]:
    return schema.alerts.c.state == str(State.SUPPRESSED)


def _state(row: Any, now: datetime) -> str:
    if row.ended_at is not None:
        return "ended"
    if row.ends_at <= now:
        return "expired"
    return "active" if row.starts_at <= now else "planned"


def _audit(
    connection: Connection, now: datetime, actor: str, action: str, silence_id: str, detail: str
) -> None:
    append_lines(connection, [AuditLine(now, actor, action, f"silence {silence_id}", detail)])


def _no_silence(silence_id: str) -> UserError:
    return UserError(
        where=f"silence {silence_id}",
        problem="is not in force, and not planned",
        remedy="`menshen alerts silence list` shows those that are",
    )
