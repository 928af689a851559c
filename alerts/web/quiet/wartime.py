"""Wartime: whether it holds and where, the form that asks for it, and the second person's yes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from alerts.wartime.orders import WartimeOrders
from alerts.wartime.posture import LASTS
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import WarOrderer, WebParts
from config.errors import UserError
from config.ids import is_uuid7

router = APIRouter(prefix="/wartime", include_in_schema=False)


@router.get("")
def wartime_page(request: Request, web: WebParts, visitor: WarOrderer) -> Response:
    """Orders and requests, newest first."""
    now = web.clock.now()
    return page(
        request,
        web,
        visitor,
        "wartime.html",
        orders=[(order, order.state(now)) for order in _orders(web).recent()],
        townships=sorted({grid.township for grid in web.site.grids}),
        hours=int(LASTS.total_seconds()) // 3600,
    )


@router.post("")
def ask_wartime(
    web: WebParts,
    visitor: WarOrderer,
    reason: Annotated[str, Form(max_length=500)],
    townships: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Ask for it; nothing changes until somebody else confirms."""
    try:
        _orders(web).ask(visitor.person, reason=reason, townships=townships)
    except UserError as error:
        raise _refused(error) from None
    return RedirectResponse("/wartime", status_code=303)


@router.post("/{order_id}/{what}")
def decide_wartime(web: WebParts, visitor: WarOrderer, order_id: str, what: str) -> Response:
    """Confirm somebody else's request, or end an order (or withdraw a request)."""
    if not is_uuid7(order_id) or what not in ("confirm", "end"):
        raise errors.not_found()
    try:
        if what == "confirm":
            _orders(web).confirm(visitor.person, order_id)
        else:
            _orders(web).end(visitor.person, order_id)
    except UserError as error:
        raise _refused(error) from None
    return RedirectResponse("/wartime", status_code=303)


def _orders(web: Web) -> WartimeOrders:
    return WartimeOrders(web.engine, web.site, web.clock)


def _refused(error: UserError) -> Refusal:
    return Refusal(422, "no_wartime", zh="不能这样操作", en=f"It {error.problem}")
