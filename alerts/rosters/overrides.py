"""Dated duties that people enter: who stands in for a grid, from when to when, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from alerts.auditing.audit import AuditLine, append_lines
from alerts.rosters.notes import Note, span_text, write_notes
from alerts.rosters.schema import duty_overrides
from config.clock import Clock
from config.errors import UserError
from config.ids import uuid7
from config.site import Grid, Person, Role, Site
from ingest.engine import reading, writing

LONGEST = timedelta(days=60)
FARTHEST = timedelta(days=400)
"""How far ahead a dated duty may begin."""
MOST_PEOPLE = 8
_REASON_LIMIT = 200
_GRID_ROLES = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
_ABOVE = frozenset({Role.TOWNSHIP, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class DutyOverride:
    """One dated duty; times in UTC. The first of ``people`` is told first."""

    id: str
    grid: str
    starts_at: datetime
    ends_at: datetime
    people: tuple[str, ...]
    reason: str
    made_by: str
    made_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    @property
    def about(self) -> str:
        """What notes and audit lines name."""
        return f"override {self.id}"

    def state(self, now: datetime) -> str:
        """``planned``, ``active``, ``over``, or ``ended`` before its time."""
        if self.ended_at is not None:
            return "ended"
        if now < self.starts_at:
            return "planned"
        return "active" if now < self.ends_at else "over"


class DutyOverrides:
    """Every change is one transaction with its audit line and the notes to those concerned.

    What is entered holds from the commit on: whoever looks up duty reads these rows then.
    """

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock

    def add(
        self,
        by: Person,
        *,
        grid: str,
        start: datetime,
        end: datetime,
        people: Sequence[str],
        reason: str = "",
    ) -> DutyOverride:
        """``people`` have the duty of ``grid`` from ``start`` to ``end``, timezone-aware.

        They are told. It counts before the site file, and before what was entered earlier for
        the same span.

        Raises:
            UserError: the span, a person or the grid does not fit, or it is not for ``by``.
        """
        now = self._clock.now()
        names = tuple(dict.fromkeys(people))
        where = may_enter(self._site, by, grid)
        _check_span(start, end, now)
        _check_people(self._site, where, names)
        text = reason.strip()
        if len(text) > _REASON_LIMIT:
            raise _wrong("reason", f"is longer than {_REASON_LIMIT} letters", "shorten it")
        made = DutyOverride(uuid7(now), grid, start, end, names, text, by.id, now)
        with writing(self._engine) as connection:
            values = {name: getattr(made, name) for name in DutyOverride.__slots__}
            connection.execute(
                insert(duty_overrides).values({**values, "people": json.dumps(names)})
            )
            write_notes(connection, [self._stands_in(made, name) for name in names], now)
            _audit(connection, now, by.id, "duty-override-made", made)
        return made

    def end(self, by: Person, override_id: str) -> DutyOverride:
        """End it now, or call off what has not begun; those who stood in are told.

        Raises:
            UserError: there is none of that id that is not over, or it is not for ``by``.
        """
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(
                select(duty_overrides).where(duty_overrides.c.id == override_id).with_for_update()
            ).first()
            known = _made(row) if row is not None else None
            if known is None or known.state(now) not in ("planned", "active"):
                raise _wrong(
                    f"override {override_id}", "is not planned or in force",
                    "`menshen alerts roster override list` shows those that are",
                )  # fmt: skip
            may_enter(self._site, by, known.grid)
            ended = update(duty_overrides).where(duty_overrides.c.id == override_id)
            connection.execute(ended.values(ended_at=now, ended_by=by.id))
            write_notes(connection, [self._no_longer(known, name) for name in known.people], now)
            _audit(connection, now, by.id, "duty-override-ended", known)
        return known

    def find(self, *, is_over: bool = False, grids: Sequence[str] = ()) -> list[DutyOverride]:
        """Those that are not over, the next to end first; ``is_over``: past ones too, at most 200.

        ``grids``: only of these; empty means all.
        """
        column, now = duty_overrides.c, self._clock.now()
        wanted: list[ColumnElement[bool]] = []
        if not is_over:
            wanted += [column.ended_at.is_(None), column.ends_at > now]
        if grids:
            wanted.append(column.grid.in_(grids))
        order = column.made_at.desc() if is_over else column.ends_at
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(duty_overrides).where(*wanted).order_by(order, column.id).limit(200)
            )
            return [_made(row) for row in rows]

    def _stands_in(self, made: DutyOverride, person: str) -> Note:
        span, grid = self._words(made)
        with_zh, with_en = "", ""
        if others := [self._site.name_of(name) for name in made.people if name != person]:
            with_zh, with_en = f"，同班：{'、'.join(others)}", f", with {', '.join(others)}"
        zh = f"请您顶班：{grid}，{span}{with_zh}。到时自动结束"
        en = f"You stand in: {grid}, {span}{with_en}. It ends by itself then"
        return Note(person, made.about, zh, en)

    def _no_longer(self, made: DutyOverride, person: str) -> Note:
        span, grid = self._words(made)
        zh = f"不必再顶班：{grid}，{span}，已取消"
        return Note(person, made.about, zh, f"You no longer stand in: {grid}, {span}, called off")

    def _words(self, made: DutyOverride) -> tuple[str, str]:
        grid = self._site.grid(made.grid)
        span = span_text(made.starts_at, made.ends_at, self._site.duty.zone)
        return span, grid.name if grid is not None else made.grid


def may_enter(site: Site, by: Person, grid_id: str) -> Grid:
    """The grid, when ``by`` may enter duties for it: its head and deputy, its township, and
    administrators.

    Raises:
        UserError: there is no such grid, or it is not theirs.
    """
    grid = site.grid(grid_id)
    if grid is None:
        raise _wrong("grid", f"the site lists no {grid_id!r}", "give the id of a grid")
    own = site.grid(by.grid) if by.grid is not None else None
    is_above = by.role in _ABOVE and (own is None or own.township == grid.township)
    if not is_above and by.id not in (grid.head, grid.deputy):
        raise _wrong(
            "override", f"the duty of {grid.name} is not {by.name}'s to change",
            "ask its grid head or deputy, its township or an administrator",
        )  # fmt: skip
    return grid


def who_may_stand(site: Site, grid: Grid) -> list[Person]:
    """Grid people of the grid and of those beside it."""
    near = {grid.id, *grid.neighbours}
    return [one for one in site.people if one.role in _GRID_ROLES and one.grid in near]


def _check_span(start: datetime, end: datetime, now: datetime) -> None:
    if not start < end:
        raise _wrong("end", "is not after the start", "give an end after the start")
    if end <= now:
        raise _wrong("end", "is past", "give an end that lies ahead")
    if end - start > LONGEST:
        raise _wrong("end", f"is more than {LONGEST.days} days later", "enter a shorter span")
    if start - now > FARTHEST:
        raise _wrong(
            "start", f"is more than {FARTHEST.days} days ahead", "enter it nearer the time"
        )


def _check_people(site: Site, grid: Grid, names: tuple[str, ...]) -> None:
    if not 1 <= len(names) <= MOST_PEOPLE:
        raise _wrong("people", f"are {len(names)}", f"name 1 to {MOST_PEOPLE} people")
    fit = {one.id: one for one in who_may_stand(site, grid)}
    for name in names:
        if name not in fit:
            known = (
                "is nobody the site lists" if site.person(name) is None else "may not stand there"
            )
            raise _wrong(
                "people", f"{name!r} {known}",
                f"choose from the grid and those beside it: {', '.join(fit) or 'nobody is listed'}",
            )  # fmt: skip


def _wrong(where: str, problem: str, remedy: str) -> UserError:
    return UserError(where=where, problem=problem, remedy=remedy)


def _made(row: Any) -> DutyOverride:
    values = {name: getattr(row, name) for name in DutyOverride.__slots__}
    return DutyOverride(**{**values, "people": tuple(json.loads(row.people))})


def _audit(connection: Connection, now: datetime, by: str, action: str, made: DutyOverride) -> None:
    span = f"{made.starts_at.isoformat()} to {made.ends_at.isoformat()}"
    detail = f"{made.grid} {span}: {', '.join(made.people)}"
    if made.reason:
        detail = f"{detail}; {made.reason}"
    append_lines(connection, [AuditLine(now, by, action, made.about, detail)])
