"""Duty: who is on now and next, one's own turns, and swapping one with a colleague."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from alerts.rosters.duty import Duty, Swap, turns
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.grid.leave_pages import may_enter_for, stand_ins, to_decide
from alerts.web.grid.override_pages import override_state
from alerts.web.grid.override_pages import router as override_router
from alerts.web.people.auth import DutyReader, Visitor, WebParts
from config.ids import is_uuid7
from config.site import Grid, Person, Role

router = APIRouter(prefix="/duty", include_in_schema=False)
router.include_router(override_router)
AHEAD = timedelta(days=7)
_GRID_ROLES = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})


@router.get("")
def duty_page(request: Request, web: WebParts, visitor: DutyReader) -> Response:
    """The week ahead of one's grid; the centre sees who is on now in every grid."""
    now = web.clock.now()
    grids = _grids(web, visitor)
    arranged = web.swaps.arranged()
    weeks = [(grid, turns(web.site, grid.id, now, now + AHEAD, arranged)) for grid in grids]
    mine = [
        (grid, turn) for grid, week in weeks for turn in week if visitor.person.id in turn.people
    ]
    return page(
        request,
        web,
        visitor,
        "duty.html",
        weeks=weeks,
        mine=mine,
        colleagues=_colleagues(web, visitor),
        swaps=web.swaps.of_person(visitor.person.id),
        leaves=web.leaves.of_person(visitor.person.id),
        to_decide=to_decide(web, visitor),
        stand_ins=_stand_ins(web, visitor),
        enter_for=may_enter_for(web, visitor),
        asks_for_self=visitor.person.role in _GRID_ROLES,
        **override_state(web, visitor, grids),
        calendar_since=web.calendars.since(visitor.person.id),
    )


@router.post("/swaps")
def ask_swap(
    web: WebParts,
    visitor: DutyReader,
    grid: Annotated[str, Form(max_length=63)],
    start: Annotated[str, Form(max_length=40)],
    taker: Annotated[str, Form(max_length=63)],
) -> Response:
    """Offer one of one's own turns to a colleague of the grid."""
    turn = _my_turn(web, visitor, grid, start)
    if taker not in {person.id for person in _colleagues(web, visitor)}:
        raise Refusal(422, "no_colleague", zh="请选择同网格的同事", en="Choose a colleague")
    if taker == turn.people[0]:
        raise Refusal(
            422, "already_on", zh="这一班本来就是对方", en="They are on that turn already"
        )
    swap = Swap(grid, turn.start, turn.end, visitor.person.id, taker)
    asked = web.swaps.ask(swap)
    _audit(web, visitor, "swap-asked", asked.id, f"{grid} {turn.start.isoformat()} to {taker}")
    return RedirectResponse("/duty#swaps", status_code=303)


@router.post("/swaps/{swap_id}/{answer}")
def answer_swap(web: WebParts, visitor: DutyReader, swap_id: str, answer: str) -> Response:
    """Accept or decline an offer, or withdraw one's own."""
    states = {"accept": "accepted", "decline": "declined", "withdraw": "withdrawn"}
    if not is_uuid7(swap_id) or answer not in states:
        raise errors.not_found()
    if not web.swaps.decide(swap_id, visitor.person.id, states[answer]):
        raise errors.not_found()
    _audit(web, visitor, f"swap-{states[answer]}", swap_id, "")
    return RedirectResponse("/duty#swaps", status_code=303)


def _audit(web: Web, visitor: Visitor, action: str, swap_id: str, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"swap {swap_id}", detail=detail
    )


def _grids(web: Web, visitor: Visitor) -> list[Grid]:
    """One's own grid; those one heads or is deputy of; all of them for the centre."""
    person = visitor.person
    if person.role not in _GRID_ROLES:
        return list(web.site.grids)
    return [
        grid
        for grid in web.site.grids
        if grid.id == person.grid or person.id in (grid.head, grid.deputy)
    ]


def _stand_ins(web: Web, visitor: Visitor) -> list[Person]:
    """Whom the form offers as substitutes; which fit is checked when it is sent."""
    wanted = {
        other.id: other
        for person in (visitor.person, *may_enter_for(web, visitor))
        for other in stand_ins(web, person)
    }
    return list(wanted.values())


def _colleagues(web: Web, visitor: Visitor) -> list[Person]:
    person = visitor.person
    return [
        other
        for other in web.site.people
        if other.role in _GRID_ROLES and other.grid == person.grid and other.id != person.id
    ]


def _my_turn(web: Web, visitor: Visitor, grid_id: str, start: str) -> Duty:
    """The turn of the form, when it is really this person's and not over."""
    now = web.clock.now()
    missing = Refusal(422, "no_turn", zh="这一班已不是您的", en="That turn is not yours any more")
    try:
        wanted = datetime.fromisoformat(start)
    except ValueError:
        raise missing from None
    if grid_id not in {grid.id for grid in _grids(web, visitor)}:
        raise missing
    for turn in turns(web.site, grid_id, now, now + AHEAD, web.swaps.arranged()):
        if turn.start == wanted and visitor.person.id in turn.people:
            return turn
    raise missing
