"""Reads what people arranged, in the transaction that heeds it: duty, leave, home terms."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, String, bindparam, literal, null, select, union_all

from alerts.life.ladders import NO_TERMS, HomeTerms, Place
from alerts.rosters.duty import Arrangements, StandIn, Swap
from alerts.rosters.schema import duty_overrides
from alerts.store.choices_schema import (
    absences,
    home_consents,
    home_neighbours,
    owner_calls,
    shift_swaps,
)
from config.duty import Absence


def load_arrangements(connection: Connection, now: datetime) -> Arrangements:
    """Swaps, leave and dated duties that hold and are not over.

    Swaps and leave in the order in which they were decided; the latest dated duty first.
    """
    rows = connection.execute(_ARRANGED, {"now": now}).all()
    return Arrangements(
        swaps=tuple(
            Swap(row.grid, row.starts_at, row.ends_at, row.person, row.other)
            for row in rows
            if row.what == "swap"
        ),
        absences=tuple(
            Absence(row.person, row.starts_at, row.ends_at, row.other)
            for row in rows
            if row.what == "leave"
        ),
        stand_ins=tuple(
            StandIn(row.grid, row.starts_at, row.ends_at, tuple(json.loads(row.person)))
            for row in reversed(rows)
            if row.what == "entered"
        ),
    )


def load_terms(connection: Connection, place: Place, alert_id: str) -> HomeTerms:
    """What the owner of ``place`` lets others know of this alert; nothing unless they said so."""
    if not place.is_home or place.owner is None:
        return NO_TERMS
    rows = connection.execute(_TERMS, {"owner": place.owner, "alert_id": alert_id}).all()
    agreed = any(row.what == "agreed" for row in rows)
    return HomeTerms(
        agreed=agreed,
        neighbours=tuple(row.who for row in rows if row.what == "neighbour") if agreed else (),
        called=any(row.what == "called" for row in rows),
    )


# Built once, and one round trip each: every transition of an alert asks.

_swap, _leave, _entered = shift_swaps.c, absences.c, duty_overrides.c
_NOW = bindparam("now", type_=_swap.ends_at.type)
_ARRANGED = union_all(
    select(
        literal("swap").label("what"), _swap.grid.label("grid"),
        _swap.starts_at.label("starts_at"), _swap.ends_at.label("ends_at"),
        _swap.giver.label("person"), _swap.taker.label("other"),
        _swap.decided_at.label("decided_at"), _swap.id.label("id"),
    ).where(_swap.state == "accepted", _swap.ends_at > _NOW),
    select(
        literal("leave"), null(), _leave.starts_at, _leave.ends_at,
        _leave.person, _leave.substitute, _leave.decided_at, _leave.id,
    ).where(_leave.state == "approved", _leave.ends_at > _NOW),
    select(
        literal("entered"), _entered.grid, _entered.starts_at, _entered.ends_at,
        _entered.people, null(), _entered.made_at, _entered.id,
    ).where(_entered.ended_at.is_(None), _entered.ends_at > _NOW),
).order_by("decided_at", "id")  # fmt: skip

_asked, _consent, _call = home_neighbours.c, home_consents.c, owner_calls.c
_OWNER = bindparam("owner", type_=String)
_TERMS = union_all(
    select(
        literal("neighbour").label("what"), _asked.neighbour.label("who"),
        _asked.decided_at.label("at"),
    ).where(_asked.owner == _OWNER, _asked.state == "accepted"),
    select(literal("agreed"), _consent.owner, null()).where(
        _consent.owner == _OWNER, _consent.agreed.is_(True)
    ),
    select(literal("called"), _call.alert_id, null()).where(
        _call.alert_id == bindparam("alert_id", type_=String)
    ),
).order_by("at", "who")  # fmt: skip
