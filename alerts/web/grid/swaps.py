"""Swaps: a turn of duty offered to a colleague, who accepts or declines it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, insert, or_, select, update

from alerts.rosters.arranged import load_arrangements
from alerts.rosters.duty import Arrangements, Swap
from alerts.rosters.notes import Note, write_notes
from alerts.rosters.swap_notes import Offer, notes_of
from alerts.store.choices_schema import shift_swaps
from config.clock import Clock
from config.ids import uuid7
from config.site import Site
from ingest.engine import reading, writing


@dataclass(frozen=True, slots=True)
class SwapRequest:
    """One offer; ``state`` is ``asked``, ``accepted``, ``declined`` or ``withdrawn``."""

    id: str
    grid: str
    starts_at: datetime
    ends_at: datetime
    giver: str
    taker: str
    state: str
    asked_at: datetime
    decided_at: datetime | None = None


class Swaps:
    """The swaps of one county; an accepted one is heeded by the roster from then on."""

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock

    def arranged(self) -> Arrangements:
        """Accepted swaps and approved leave that are not over."""
        with reading(self._engine) as connection:
            return load_arrangements(connection, self._clock.now())

    def ask(self, swap: Swap) -> SwapRequest:
        """Offer a turn; who shall take it is told. Asking the same again changes nothing."""
        now = self._clock.now()
        same = [
            request
            for request in self.of_person(swap.giver)
            if request.state == "asked"
            and (request.taker, request.starts_at, request.grid)
            == (swap.taker, swap.start, swap.grid)
        ]
        if same:
            return same[0]
        request = SwapRequest(
            id=uuid7(now),
            grid=swap.grid,
            starts_at=swap.start,
            ends_at=swap.end,
            giver=swap.giver,
            taker=swap.taker,
            state="asked",
            asked_at=now,
        )
        values = {name: getattr(request, name) for name in SwapRequest.__slots__}
        with writing(self._engine) as connection:
            connection.execute(insert(shift_swaps).values(values))
            write_notes(connection, self._notes(request, "asked"), now)
        return request

    def decide(self, swap_id: str, person: str, state: str) -> bool:
        """Accept or decline (the taker), or withdraw (the giver), while it is open.

        Accepting one offer of a turn withdraws the others of the same turn. The other one is
        told; of a swap that holds, both. False when there is no such open offer for that
        person, or its turn is over.
        """
        table = shift_swaps.c
        now = self._clock.now()
        who = table.giver if state == "withdrawn" else table.taker
        is_open = and_(table.state == "asked", table.ends_at > now)
        with writing(self._engine) as connection:
            row = connection.execute(
                select(shift_swaps)
                .where(table.id == swap_id, who == person, is_open)
                .with_for_update()
            ).one_or_none()
            if row is None:
                return False
            if state == "accepted":
                connection.execute(
                    update(shift_swaps)
                    .where(table.giver == row.giver, table.starts_at == row.starts_at, is_open)
                    .values(state="withdrawn", decided_at=now)
                )
            connection.execute(
                update(shift_swaps).where(table.id == swap_id).values(state=state, decided_at=now)
            )
            write_notes(connection, self._notes(row, state), now)
        return True

    def _notes(self, swap: Any, state: str) -> list[Note]:
        whose = Offer(swap.id, swap.grid, swap.starts_at, swap.ends_at, swap.giver, swap.taker)
        return notes_of(self._site, whose, state)

    def of_person(self, person: str) -> list[SwapRequest]:
        """Offers from or to that person whose turn is not over, newest first."""
        table = shift_swaps.c
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(shift_swaps)
                .where(
                    or_(table.giver == person, table.taker == person),
                    table.ends_at > self._clock.now(),
                )
                .order_by(table.asked_at.desc(), table.id.desc())
                .limit(50)
            ).all()
        return [
            SwapRequest(**{name: getattr(row, name) for name in SwapRequest.__slots__})
            for row in rows
        ]
