"""Leave pages: ask for leave and name a substitute; who stands above approves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from alerts.rosters.notes import Note, span_text
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.grid.leaves import LeaveRequest
from alerts.web.people.auth import DutyReader, Visitor, WebParts
from config.ids import is_uuid7
from config.site import Person, Role

router = APIRouter(prefix="/duty/leave", include_in_schema=False)
LONGEST = timedelta(days=60)
BACK = "/duty#leave"
_GRID_ROLES = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
_ABOVE = frozenset({Role.TOWNSHIP, Role.ADMIN})


@router.post("")
def ask_leave(
    web: WebParts,
    visitor: DutyReader,
    start: Annotated[str, Form(max_length=32)],
    end: Annotated[str, Form(max_length=32)],
    substitute: Annotated[str, Form(max_length=63)] = "",
    reason: Annotated[str, Form(max_length=200)] = "",
    person: Annotated[str, Form(max_length=63)] = "",
) -> Response:
    """Ask for leave from ``start`` to ``end``, both local times as browsers send them.

    With ``person`` somebody above enters it for them (who has fallen ill, say): it holds at once.
    """
    who = _whose(web, visitor, person)
    begins, ends = moment_of(web, start), moment_of(web, end)
    now = web.clock.now()
    if not begins < ends or ends <= now or ends - begins > LONGEST:
        raise Refusal(
            422,
            "no_span",
            zh="结束须晚于开始且未过去，最长 60 天",
            en="The end must lie ahead, after the start; at most 60 days",
        )
    if substitute and substitute not in {other.id for other in stand_ins(web, who)}:
        raise Refusal(422, "no_colleague", zh="请选择同网格的同事", en="Choose a colleague")
    asked = web.leaves.ask(
        who.id, begins, ends, substitute=substitute or None, reason=reason.strip()
    )
    span = f"{begins.isoformat()} to {ends.isoformat()}, substitute {substitute or 'nobody'}"
    _audit(web, visitor, "leave-asked", asked, f"of {who.id}: {span}")
    if who.id != visitor.person.id:
        tell = _to_substitute(web, asked, "approved")
        web.leaves.decide(asked.id, "approved", by=visitor.person.id, tell=tell)
        _audit(web, visitor, "leave-approved", asked, f"of {who.id}")
    return RedirectResponse(BACK, status_code=303)


@router.post("/{leave_id}/{answer}")
def answer_leave(web: WebParts, visitor: DutyReader, leave_id: str, answer: str) -> Response:
    """Approve or decline somebody's leave, or withdraw one's own, also an approved one."""
    states = {"approve": "approved", "decline": "declined", "withdraw": "withdrawn"}
    leave = web.leaves.find(leave_id) if is_uuid7(leave_id) else None
    if leave is None or answer not in states:
        raise errors.not_found()
    is_own = leave.person == visitor.person.id
    may = (
        is_own
        if answer == "withdraw"
        else may_decide(web, visitor.person, web.site.person(leave.person))
    )
    tell = _to_substitute(web, leave, states[answer])
    by = visitor.person.id
    if not may or not web.leaves.decide(leave.id, states[answer], by=by, tell=tell):
        raise errors.not_found()
    _audit(web, visitor, f"leave-{states[answer]}", leave, f"of {leave.person}")
    return RedirectResponse(BACK, status_code=303)


def _to_substitute(web: Web, leave: LeaveRequest, state: str) -> list[Note]:
    """What the substitute is told: that they stand in and until when, or no longer.

    Never why: somebody's reason for leave is nobody else's.
    """
    if leave.substitute is None:
        return []
    name = web.site.name_of(leave.person)
    span = span_text(leave.starts_at, leave.ends_at, web.zone)
    if state == "approved":
        zh = f"请您替{name}值班：{span}。到时自动结束"
        en = f"You stand in for {name}: {span}. It ends by itself then"
    elif leave.state == "approved":
        zh = f"不必再替{name}值班：{span}，已取消"
        en = f"You no longer stand in for {name}: {span}, called off"
    else:
        return []
    return [Note(leave.substitute, f"leave {leave.id}", zh, en)]


def may_decide(web: Web, decider: Person, person: Person | None) -> bool:
    """The grid's head decides for its people, the township and administrators for everybody.

    Nobody decides for themselves.
    """
    if person is None or person.id == decider.id or person.role not in _GRID_ROLES:
        return False
    grid = web.site.grid(person.grid) if person.grid is not None else None
    if decider.role in _ABOVE:
        own = web.site.grid(decider.grid) if decider.grid is not None else None
        return own is None or grid is None or own.township == grid.township
    return grid is not None and decider.id == grid.head


def to_decide(web: Web, visitor: Visitor) -> list[LeaveRequest]:
    """Requests that wait for this person's word."""
    return [
        one
        for one in web.leaves.waiting()
        if may_decide(web, visitor.person, web.site.person(one.person))
    ]


def may_enter_for(web: Web, visitor: Visitor) -> list[Person]:
    """Whose leave this person may enter for them."""
    return [person for person in web.site.people if may_decide(web, visitor.person, person)]


def stand_ins(web: Web, person: Person) -> list[Person]:
    """Whom somebody may name: people of their grid and of the grids beside it."""
    grid = web.site.grid(person.grid) if person.grid is not None else None
    near = {person.grid, *(grid.neighbours if grid is not None else ())}
    return [
        other
        for other in web.site.people
        if other.role in _GRID_ROLES and other.grid in near and other.id != person.id
    ]


def _whose(web: Web, visitor: Visitor, person_id: str) -> Person:
    if not person_id or person_id == visitor.person.id:
        if visitor.person.role not in _GRID_ROLES:
            raise errors.forbidden()
        return visitor.person
    person = web.site.person(person_id)
    if person is None or not may_decide(web, visitor.person, person):
        raise errors.forbidden()
    return person


def moment_of(web: Web, text: str) -> datetime:
    """``2026-10-01T08:00``, as an input of type datetime-local sends it, in the county's zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(422, "no_time", zh="请填写日期和时间", en="Give date and time") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=web.zone)


def _audit(web: Web, visitor: Visitor, action: str, leave: LeaveRequest, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"leave {leave.id}", detail=detail
    )
