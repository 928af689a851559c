"""Watch: the pages of the watch list and of possible matches, side by side."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from alerts.life.state import State
from alerts.seeing import reading
from alerts.store.schema import alerts
from alerts.web.alert.handling import visible
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import Reviewer, Visitor, Watcher, WebParts
from alerts.web.police.watching import LONGEST, USUAL, Wanted
from config.ids import is_uuid7

router = APIRouter(include_in_schema=False)
MOST_SHOWN = 200
_PLATE = re.compile(r"[\u4e00-\u9fffA-Z0-9]{5,10}")


@router.get("/watch")
def watch_page(request: Request, web: WebParts, visitor: Watcher) -> Response:
    """Every entry with its state, and the form for a new one."""
    now = web.clock.now()
    return page(
        request,
        web,
        visitor,
        "watch.html",
        entries=[(entry, entry.state(now)) for entry in web.watch_list.all()],
        today=now.astimezone(web.zone).date(),
        usual_end=(now + USUAL).astimezone(web.zone).date(),
        latest_end=(now + LONGEST).astimezone(web.zone).date(),
    )


@router.post("/watch")
def ask_watch(
    web: WebParts,
    visitor: Watcher,
    plate: Annotated[str, Form(max_length=16)],
    case_number: Annotated[str, Form(max_length=64)],
    legal_basis: Annotated[str, Form(max_length=500)],
    reason: Annotated[str, Form(max_length=1000)],
    starts: Annotated[str, Form(max_length=10)],
    ends: Annotated[str, Form(max_length=10)],
    grids: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """File a request; it does nothing until two others have approved it."""
    text = plate.strip().upper().replace("·", "").replace(" ", "")
    known = {grid.id for grid in web.site.grids}
    fields = (case_number.strip(), legal_basis.strip(), reason.strip())
    if _PLATE.fullmatch(text) is None or not all(fields) or not set(grids) <= known:
        raise _refused("车牌、案件编号、法律依据、理由和范围都要填写正确", "Every field is needed")
    try:
        first, last = _day(web, starts), _day(web, ends)
        wanted = Wanted(text, *fields, tuple(dict.fromkeys(grids)), first, last)
        entry_id = web.watch_list.ask(wanted, requester=visitor.person.id)
    except ValueError as error:
        raise _refused("起止日期不对，或超过 90 天，或没有选范围", str(error)) from None
    _audit(web, visitor, "watch-asked", entry_id, f"case {fields[0]}; until {ends}")
    return RedirectResponse("/watch", status_code=303)


@router.post("/watch/{entry_id}/{answer}")
def answer_watch(web: WebParts, visitor: Watcher, entry_id: str, answer: str) -> Response:
    """Approve or refuse somebody else's request, or end an entry."""
    if not is_uuid7(entry_id) or answer not in ("approve", "refuse", "end"):
        raise errors.not_found()
    who = visitor.person.id
    if answer == "end":
        done = web.watch_list.end(entry_id, who)
    else:
        done = web.watch_list.vote(entry_id, who, approves=answer == "approve")
    if not done:
        raise Refusal(
            409,
            "no_say",
            zh="申请人不能批准自己的布控，每人只有一票",
            en="Nobody approves their own request, and everybody has one vote",
        )
    _audit(web, visitor, f"watch-{answer}", entry_id, "")
    return RedirectResponse("/watch", status_code=303)


@router.get("/review")
def review_page(request: Request, web: WebParts, visitor: Reviewer) -> Response:
    """Possible matches: what the camera saw beside what is looked for."""
    # Asked for by their state: among the loudest alerts of a bad night they would not be.
    in_review = alerts.c.state == str(State.REVIEW)
    rows = reading.found_rows(web.engine, visitor.viewer, [in_review], MOST_SHOWN)
    waiting = reading.build_views(web.engine, web.site, visitor.viewer, rows)
    pairs = [
        (alert, web.watch_list.active_for(alert.plate.text if alert.plate else "", alert.grid_id))
        for alert in waiting
    ]
    return page(request, web, visitor, "review.html", pairs=pairs)


@router.post("/alerts/{alert_id}/review")
def decide_match(
    web: WebParts,
    visitor: Reviewer,
    alert_id: str,
    is_match: Annotated[str, Form(max_length=3, pattern="^(yes|no)$")],
) -> Response:
    """A person says whether it is the one: yes opens the alert, no closes it as a false alarm."""
    alert = visible(web, visitor, alert_id)
    web.service.confirm(visitor.viewer, alert.id, is_match=is_match == "yes")
    return RedirectResponse("/review", status_code=303)


def _day(web: Web, text: str) -> datetime:
    """The start of a local day, from ``YYYY-MM-DD``.

    Raises:
        ValueError: it is none.
    """
    return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time(), web.zone)


def _refused(zh: str, en: str) -> Refusal:
    return Refusal(422, "watch_rules", zh=zh, en=en)


def _audit(web: Web, visitor: Visitor, action: str, entry_id: str, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"watch {entry_id}", detail=detail
    )
