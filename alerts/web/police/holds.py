"""Holds: the page on which a case keeps something beyond its time, and what was deleted."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from alerts.retention.desk import HoldDesk
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import Holder, WebParts
from config.errors import UserError
from config.ids import is_uuid7
from ingest.retention import proof
from ingest.retention.holds import LONGEST, Scope

router = APIRouter(prefix="/holds", include_in_schema=False)
LATEST = 30


@router.get("")
def holds_page(
    request: Request,
    web: WebParts,
    visitor: Holder,
    name: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Every hold, and the proofs of deletion: the latest, or those that name ``name``."""
    now, asked = web.clock.now(), name.strip()
    proofs = proof.find(web.engine, asked) if asked else proof.latest(web.engine, LATEST)
    return page(
        request,
        web,
        visitor,
        "holds.html",
        holds=[(hold, hold.state(now)) for hold in _desk(web).holds.all()],
        cameras=web.site.cameras,
        latest_end=(now + LONGEST).astimezone(web.zone).date(),
        proofs=proofs,
        asked_for=asked,
    )


@router.post("")
def ask_hold(
    web: WebParts,
    visitor: Holder,
    case_number: Annotated[str, Form(max_length=64)],
    reason: Annotated[str, Form(max_length=1000)],
    ends: Annotated[str, Form(max_length=10)],
    camera: Annotated[str, Form(max_length=63)] = "",
    first: Annotated[str, Form(max_length=10)] = "",
    last: Annotated[str, Form(max_length=10)] = "",
    alert: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    """Begin a hold of one alert, or of one camera on some days; it works at once."""
    try:
        scope = (
            Scope(alert_id=alert.strip())
            if alert.strip()
            else Scope(camera=camera, first_at=_day(web, first), last_at=_day(web, last))
        )
        _desk(web).ask(
            scope,
            by=visitor.person.id,
            case_number=case_number,
            reason=reason,
            ends_at=_day(web, ends),
        )
    except UserError as error:
        raise _refused(error.problem) from None
    except ValueError as error:
        raise _refused(str(error)) from None
    return RedirectResponse("/holds", status_code=303)


@router.post("/{hold_id}/confirm")
def confirm_hold(web: WebParts, visitor: Holder, hold_id: str) -> Response:
    """The second person's word."""
    _known(hold_id)
    try:
        _desk(web).confirm(hold_id, by=visitor.person.id)
    except UserError as error:
        raise _no_say(error.problem) from None
    return RedirectResponse("/holds", status_code=303)


@router.post("/{hold_id}/release")
def release_hold(
    web: WebParts,
    visitor: Holder,
    hold_id: str,
    reason: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """End a hold before its time."""
    _known(hold_id)
    try:
        _desk(web).release(hold_id, by=visitor.person.id, reason=reason)
    except UserError as error:
        raise _no_say(error.problem) from None
    return RedirectResponse("/holds", status_code=303)


def _desk(web: Web) -> HoldDesk:
    return HoldDesk(web.engine, web.site, web.clock)


def _known(hold_id: str) -> None:
    if not is_uuid7(hold_id):
        raise errors.not_found()


def _day(web: Web, text: str) -> datetime:
    """The start of a local day, from ``YYYY-MM-DD``.

    Raises:
        ValueError: it is none.
    """
    return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time(), web.zone)


def _refused(problem: str) -> Refusal:
    return Refusal(
        422, "hold_rules", zh="案件编号、理由、范围和期限（最长 180 天）都要填写正确", en=problem
    )


def _no_say(problem: str) -> Refusal:
    return Refusal(409, "no_say", zh="由另一人确认；解除要写理由；已结束的不能再改", en=problem)
