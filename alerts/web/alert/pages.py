"""Pages: the live alerts and one of them; each works without script too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from alerts.life.state import UNANSWERED
from alerts.seeing.service import AlertConflict
from alerts.web.alert.api import acknowledge
from alerts.web.alert.cards import card_context, card_html, order
from alerts.web.alert.handling import DEADLINES_MIN, DEPARTMENTS, may_see_photo
from alerts.web.alert.permits import next_steps, owns
from alerts.web.base import errors
from alerts.web.base.render import page
from alerts.web.home.answering import answers_to
from alerts.web.home.fallback_pages import told_alone
from alerts.web.people.access import Action
from alerts.web.people.auth import (
    Reader,
    Responder,
    WebParts,
)
from config.ids import is_uuid7
from config.site import Role

router = APIRouter(include_in_schema=False)
DESKS = frozenset({Role.TOWNSHIP, Role.ADMIN})
GRID_ROLES = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
MOST_SHOWN = 200
MOST_READ = 1000
"""Read in the order of loudness, so that loud ones that are handled hide none that waits."""
FRAGMENT_HEADER = "x-menshen-fragment"


@router.get("/")
def live_alerts(request: Request, web: WebParts, visitor: Reader) -> Response:
    """The alerts that need somebody, and the stream position they were read at."""
    # The position first: what changes between the two reads is streamed again, not lost.
    position = web.service.position()
    alerts = order(web.service.open_alerts(visitor.viewer, MOST_READ))
    cards = [
        (alert.state in UNANSWERED, card_html(web, visitor, alert)) for alert in alerts[:MOST_SHOWN]
    ]
    return page(
        request,
        web,
        visitor,
        "alerts.html",
        position=position,
        is_desk=visitor.may(Action.REVIEW_MATCHES) or visitor.person.role in DESKS,
        waiting=[card for is_waiting, card in cards if is_waiting],
        handled=[card for is_waiting, card in cards if not is_waiting],
        shown_only=MOST_SHOWN if len(alerts) > MOST_SHOWN else None,
    )


@router.get("/alerts/{alert_id}")
def one_alert(request: Request, web: WebParts, visitor: Reader, alert_id: str) -> Response:
    """One alert with its pictures and everybody who was told."""
    if not is_uuid7(alert_id):
        raise errors.not_found()
    position = web.service.position()
    alert = web.service.get(visitor.viewer, alert_id)
    return page(
        request,
        web,
        visitor,
        "alert.html",
        position=position,
        card=card_context(web, visitor, alert),
        show_evidence=visitor.may(Action.VIEW_EVIDENCE),
        camera=web.site.camera(alert.camera_id),
        steps=next_steps(web.site, visitor.viewer, alert),
        reports=[
            (report, may_see_photo(web, visitor, alert, report))
            for report in web.reports.of_alert(alert.id)
        ],
        is_owner=owns(web.site, visitor.viewer, alert),
        home_answers=answers_to(alert),
        alone=told_alone(web, visitor.viewer, alert),
        grants=web.homes.grants_of(alert.id),
        grantees=[p for p in web.site.people if p.role in GRID_ROLES and p.grid == alert.grid_id],
        departments=DEPARTMENTS,
        deadlines_min=DEADLINES_MIN,
    )


@router.post("/alerts/{alert_id}/acknowledge")
def answer_alert(
    request: Request,
    web: WebParts,
    visitor: Responder,
    alert_id: str,
    version: Annotated[int | None, Form(ge=0)] = None,
) -> Response:
    """Take an alert: a fresh card for our script, the page again for a plain form."""
    fragment = FRAGMENT_HEADER in request.headers
    try:
        alert = acknowledge(web, visitor, alert_id, version)
    except AlertConflict as error:
        if not fragment:
            raise
        body = {
            **errors.ErrorBody(error=errors.conflict(error).words).model_dump(),
            "html": card_html(web, visitor, error.view),
        }
        return JSONResponse(body, status_code=409)
    if fragment:
        return JSONResponse({"html": card_html(web, visitor, alert)})
    return RedirectResponse("/", status_code=303)
