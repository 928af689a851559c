"""Stand-in pages: enter who has a grid's duty from when to when, end it, see who was told."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from alerts.rosters.notes import Told, notes_about
from alerts.rosters.overrides import DutyOverride, DutyOverrides, may_enter, who_may_stand
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.grid.leave_pages import moment_of
from alerts.web.people.auth import DutyReader, Visitor, WebParts
from config.errors import UserError
from config.ids import is_uuid7
from config.site import Grid, Person

router = APIRouter(prefix="/overrides", include_in_schema=False)
BACK = "/duty#overrides"
_WORDS = {
    "end": "结束须晚于开始且未过去，最长 60 天",
    "start": "开始时间太远，最多提前 400 天",
    "people": "请选择本网格或相邻网格的人，最多 8 位",
    "reason": "事由最多 200 个字",
}


def override_state(web: Web, visitor: Visitor, grids: list[Grid]) -> dict[str, Any]:
    """What the page of duty shows: stand-ins of these grids and of oneself, who was told, and
    the form."""
    mine = [grid for grid in web.site.grids if _is_theirs(web, visitor, grid)]
    theirs = {grid.id for grid in mine}
    shown = {grid.id for grid in grids} | theirs
    me = visitor.person.id
    coming = [one for one in _book(web).find() if one.grid in shown or me in one.people]
    return {
        "overrides": [(one, _told(web, one), one.grid in theirs) for one in coming],
        "name_of": {grid.id: grid.name for grid in web.site.grids},
        "override_grids": mine,
        "override_people": _people(web, mine),
    }


@router.post("")
def add_override(
    web: WebParts,
    visitor: DutyReader,
    grid: Annotated[str, Form(max_length=63)],
    start: Annotated[str, Form(max_length=32)],
    end: Annotated[str, Form(max_length=32)],
    people: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Who has the duty of ``grid`` from ``start`` to ``end``, local times; they are told."""
    known = web.site.grid(grid)
    if known is None or not _is_theirs(web, visitor, known):
        raise errors.forbidden()
    begins, ends = moment_of(web, start), moment_of(web, end)
    try:
        _book(web).add(
            visitor.person, grid=grid, start=begins, end=ends, people=people, reason=reason
        )
    except UserError as error:
        zh = _WORDS.get(error.where or "", "不能这样安排顶班")
        raise Refusal(422, "no_override", zh=zh, en=f"{error.where} {error.problem}") from None
    return RedirectResponse(BACK, status_code=303)


@router.post("/{override_id}/end")
def end_override(web: WebParts, visitor: DutyReader, override_id: str) -> Response:
    """End it now, or call it off; those who stood in are told."""
    found = [one for one in _book(web).find() if one.id == override_id]
    if not is_uuid7(override_id) or not found:
        raise errors.not_found()
    known = web.site.grid(found[0].grid)
    if known is None or not _is_theirs(web, visitor, known):
        raise errors.forbidden()
    try:
        _book(web).end(visitor.person, override_id)
    except UserError:
        raise errors.not_found() from None
    return RedirectResponse(BACK, status_code=303)


def _book(web: Web) -> DutyOverrides:
    return DutyOverrides(web.engine, web.site, web.clock)


def _is_theirs(web: Web, visitor: Visitor, grid: Grid) -> bool:
    try:
        may_enter(web.site, visitor.person, grid.id)
    except UserError:
        return False
    return True


def _people(web: Web, grids: list[Grid]) -> list[Person]:
    """Whom the form offers; which fit the grid is checked when it is sent."""
    found = {one.id: one for grid in grids for one in who_may_stand(web.site, grid)}
    return list(found.values())


def _told(web: Web, override: DutyOverride) -> list[Told]:
    return notes_about(web.engine, [override.about])
