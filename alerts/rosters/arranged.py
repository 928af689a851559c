"""Reads what people arranged, in the transaction that heeds it: duty, leave, home terms."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, literal, null, select, union_all

from alerts.choices_schema import (
    absences,
    home_consents,
    home_neighbours,
    owner_calls,
    shift_swaps,
)
from alerts.ladders import NO_TERMS, HomeTerms, Place
from alerts.rosters.duty import Arrangements, StandIn, Swap
from alerts.rosters.schema import duty_overrides
from config.duty import Absence


def load_arrangements(connection: Connection, now: datetime) -> Arrangements:
    """Swaps, leave and dated duties that hold and are not over.

    Swaps and leave in the order in which they were decided; the latest dated duty first.
    """
    swap, leave, entered = shift_swaps.c, absences.c, duty_overrides.c
    # One round trip: every transition of an alert asks.
    rows = connection.execute(
        union_all(
            select(
                literal("swap").label("what"), swap.grid.label("grid"),
                swap.starts_at.label("starts_at"), swap.ends_at.label("ends_at"),
                swap.giver.label("person"), swap.taker.label("other"),
                swap.decided_at.label("decided_at"), swap.id.label("id"),
            ).where(swap.state == "accepted", swap.ends_at > now),
            select(
                literal("leave"), null(), leave.starts_at, leave.ends_at,
                leave.person, leave.substitute, leave.decided_at, leave.id,
            ).where(leave.state == "approved", leave.ends_at > now),
            select(
                literal("entered"), entered.grid, entered.starts_at, entered.ends_at,
                entered.people, null(), entered.made_at, entered.id,
            ).where(entered.ended_at.is_(None), entered.ends_at > now),
        ).order_by("decided_at", "id")
    ).all()  # fmt: skip
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
    agreed = connection.execute(
        select(home_consents.c.agreed).where(home_consents.c.owner == place.owner)
    ).scalar_one_or_none()
    called = connection.execute(
        select(owner_calls.c.alert_id).where(owner_calls.c.alert_id == alert_id)
    ).scalar_one_or_none()
    asked = home_neighbours.c
    neighbours = connection.execute(
        select(asked.neighbour)
        .where(asked.owner == place.owner, asked.state == "accepted")
        .order_by(asked.decided_at, asked.neighbour)
    ).scalars()
    return HomeTerms(
        agreed=bool(agreed),
        neighbours=tuple(neighbours) if agreed else (),
        called=called is not None,
    )
