"""Orders that switch wartime on and off: asked by one, confirmed by another, 72 hours long."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from alerts.auditing.audit import AuditLine, append_lines
from alerts.life.moves import SYSTEM
from alerts.store.quiet_schema import wartime_orders
from alerts.wartime.posture import ASKED_FOR, LASTS, Order, Posture
from config.clock import Clock
from config.errors import UserError
from config.ids import uuid7
from config.site import Person, Role, Site
from ingest.engine import reading, writing

MAY_ORDER = frozenset({Role.POLICE, Role.ADMIN, Role.TOWNSHIP})
_REASON_LIMIT = 500
_NOW = bindparam("now", type_=wartime_orders.c.ends_at.type)
# Built once: every transition of an alert asks.
_IN_FORCE = (
    select(wartime_orders)
    .where(wartime_orders.c.ended_at.is_(None), wartime_orders.c.ends_at > _NOW)
    .where(wartime_orders.c.confirmed_at <= _NOW)
    .order_by(wartime_orders.c.id)
)


def load_posture(connection: Connection, site: Site, now: datetime) -> Posture:
    """Peace or war as of ``now``, for a transaction that heeds it."""
    rows = connection.execute(_IN_FORCE, {"now": now})
    return Posture(site, tuple(_order(row) for row in rows))


class WartimeOrders:
    """Every change is one transaction with its line in the audit log."""

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock

    def ask(self, person: Person, *, reason: str, townships: Collection[str] = ()) -> Order:
        """Ask for wartime in ``townships``, or in the whole county; nothing changes yet.

        Raises:
            UserError: no reason, an unknown township, or not this person's to ask for.
        """
        now = self._clock.now()
        self._check(person, reason, townships)
        order = Order(
            id=uuid7(now),
            townships=frozenset(townships),
            reason=reason.strip(),
            asked_by=person.id,
            asked_at=now,
            confirmed_by=None,
            confirmed_at=None,
            ends_at=now + ASKED_FOR,
        )
        with writing(self._engine) as connection:
            connection.execute(
                insert(wartime_orders).values(
                    id=order.id,
                    townships=json.dumps(sorted(order.townships), ensure_ascii=False),
                    reason=order.reason,
                    asked_by=order.asked_by,
                    asked_at=now,
                    ends_at=order.ends_at,
                )
            )
            where = ", ".join(sorted(order.townships)) or "whole county"
            _audit(connection, now, person.id, "wartime asked", order.id, f"{where}; {reason}")
        return order

    def confirm(self, person: Person, order_id: str) -> Order:
        """Switch it on, for 72 hours from now; by anybody entitled but who asked.

        Raises:
            UserError: the same person, one not entitled, or no such request (any more).
        """
        now = self._clock.now()
        _entitled(person)
        with writing(self._engine) as connection:
            order = _locked(connection, order_id)
            if order is None or order.state(now) != "asked":
                raise _problem(order_id, "is not waiting to be confirmed", "ask for it again")
            if person.id == order.asked_by:
                raise _problem(
                    order_id, "was asked for by the same person", "let somebody else confirm it"
                )
            values = {"confirmed_by": person.id, "confirmed_at": now, "ends_at": now + LASTS}
            changing = update(wartime_orders).where(wartime_orders.c.id == order_id)
            connection.execute(changing.values(values))
            detail = f"until {now + LASTS:%Y-%m-%d %H:%M} UTC"
            _audit(connection, now, person.id, "wartime on", order_id, detail)
            confirmed = _locked(connection, order_id)
        assert confirmed is not None
        return confirmed

    def end(self, person: Person, order_id: str) -> None:
        """Switch it off, or withdraw the request: one person is enough for peace.

        Raises:
            UserError: one not entitled, or no such order in force.
        """
        now = self._clock.now()
        _entitled(person)
        with writing(self._engine) as connection:
            order = _locked(connection, order_id)
            if order is None or order.state(now) not in ("asked", "active"):
                raise _problem(order_id, "is not in force", "see `menshen alerts wartime list`")
            _end(connection, order_id, now, person.id)
            _audit(connection, now, person.id, "wartime off", order_id, "")

    def run_once(self) -> int:
        """End what has run its time, each written to the audit log; returns how many."""
        now = self._clock.now()
        column = wartime_orders.c
        due = (column.ended_at.is_(None)) & (column.ends_at <= now)
        with reading(self._engine) as connection:
            ids = list(connection.execute(select(column.id).where(due)).scalars())
        done = 0
        for order_id in ids:
            with writing(self._engine) as connection:
                order = _locked(connection, order_id)
                if order is None or order.ended_at is not None:
                    continue
                _end(connection, order_id, now, SYSTEM)
                what = "wartime expired" if order.confirmed_by else "wartime request void"
                _audit(connection, now, SYSTEM, what, order_id, "")
                done += 1
        return done

    def posture(self) -> Posture:
        """Peace or war at this moment."""
        with reading(self._engine) as connection:
            return load_posture(connection, self._site, self._clock.now())

    def recent(self, limit: int = 50) -> list[Order]:
        """The newest orders and requests, newest first."""
        statement = select(wartime_orders).order_by(wartime_orders.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_order(row) for row in connection.execute(statement)]

    def _check(self, person: Person, reason: str, townships: Collection[str]) -> None:
        _entitled(person)
        if not reason.strip() or len(reason) > _REASON_LIMIT:
            problem = f"needs a reason of at most {_REASON_LIMIT} letters"
            raise UserError(where="wartime", problem=problem, remedy="say why")
        known = {grid.township for grid in self._site.grids}
        for name in townships:
            if name not in known:
                raise UserError(
                    where="wartime",
                    problem=f"there is no township {name!r}",
                    remedy=f"choose from: {', '.join(sorted(known))}",
                )
        own = self._site.grid(person.grid) if person.grid is not None else None
        if person.role is Role.TOWNSHIP and own is not None and set(townships) != {own.township}:
            raise UserError(
                where="wartime",
                problem="a township asks for itself only",
                remedy=f"name {own.township}, or let the police ask",
            )


def _entitled(person: Person) -> None:
    if person.role not in MAY_ORDER:
        raise UserError(
            where="wartime",
            problem=f"is not for somebody who is {person.role}",
            remedy="police, administrators and the township switch it on and off",
        )


def _locked(connection: Connection, order_id: str) -> Order | None:
    row = connection.execute(
        select(wartime_orders).where(wartime_orders.c.id == order_id).with_for_update()
    ).first()
    return _order(row) if row is not None else None


def _end(connection: Connection, order_id: str, now: datetime, by: str) -> None:
    ending = update(wartime_orders).where(wartime_orders.c.id == order_id)
    connection.execute(ending.values(ended_at=now, ended_by=by))


def _order(row: Any) -> Order:
    return Order(
        id=row.id,
        townships=frozenset(json.loads(row.townships)),
        reason=row.reason,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def _audit(
    connection: Connection, now: datetime, actor: str, action: str, order_id: str, detail: str
) -> None:
    append_lines(connection, [AuditLine(now, actor, action, f"wartime {order_id}", detail)])


def _problem(order_id: str, problem: str, remedy: str) -> UserError:
    return UserError(where=f"wartime {order_id}", problem=problem, remedy=remedy)
