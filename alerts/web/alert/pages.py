"""Pages: the live alerts, one alert, the account; each works without script too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from alerts.service import AlertConflict
from alerts.state import UNANSWERED
from alerts.web.alert.api import acknowledge
from alerts.web.alert.cards import card_context, card_html, order
from alerts.web.alert.handling import DEADLINES_MIN, DEPARTMENTS, may_see_photo
from alerts.web.alert.permits import next_steps, owns
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import (
    AnyVisitor,
    Reader,
    Responder,
    WebParts,
    address_of,
    cookie_name,
    drop_cookie,
    find_visitor,
    refuse_foreign_origin,
    set_cookie,
)
from alerts.web.people.factor_pages import code_page
from alerts.web.people.login import CodeNeeded, Credentials, log_in
from alerts.web.people.login_form import local_path
from config.ids import is_uuid7
from config.site import Role

router = APIRouter(include_in_schema=False)
DESKS = frozenset({Role.TOWNSHIP, Role.ADMIN})
GRID_ROLES = frozenset({Role.GRID_WORKER, Role.GRID_HEAD})
FRAGMENT_HEADER = "x-menshen-fragment"


@router.get("/")
def live_alerts(request: Request, web: WebParts, visitor: Reader) -> Response:
    """The alerts that need somebody, and the stream position they were read at."""
    # The position first: what changes between the two reads is streamed again, not lost.
    position = web.service.position()
    alerts = order(web.service.open_alerts(visitor.viewer))
    cards = [(alert.state in UNANSWERED, card_html(web, visitor, alert)) for alert in alerts]
    return page(
        request,
        web,
        visitor,
        "alerts.html",
        position=position,
        is_desk=visitor.may(Action.REVIEW_MATCHES) or visitor.person.role in DESKS,
        waiting=[card for is_waiting, card in cards if is_waiting],
        handled=[card for is_waiting, card in cards if not is_waiting],
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


@router.get("/login")
def login_page(
    request: Request, web: WebParts, target: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """The login form; somebody who is logged in goes on."""
    if find_visitor(request) is not None:
        return RedirectResponse(local_path(target), status_code=303)
    return _login_form(request, web, target=local_path(target))


@router.post("/login")
def log_in_page(
    request: Request,
    web: WebParts,
    account: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    form_token: Annotated[str, Form(max_length=128)] = "",
    target: Annotated[str, Form(alias="next", max_length=200)] = "/",
) -> Response:
    """Log in. Whatever session the browser had ends, and the new token is a fresh one."""
    refuse_foreign_origin(request)
    nonce = request.cookies.get(cookie_name(request, "login"))
    if not web.login_form.check(nonce, form_token):
        return _login_form(request, web, target=local_path(target), error=errors.csrf_refused())
    before = find_visitor(request)
    typed = Credentials(account, password)
    try:
        token, _ = log_in(
            web,
            typed,
            address=address_of(request),
            device=request.headers.get("user-agent", ""),
        )
    except CodeNeeded as needed:
        ticket = web.login_form.ticket(nonce or "", needed.person_id)
        return code_page(request, web, ticket=ticket, target=target)
    except Refusal as refusal:
        return _login_form(request, web, target=local_path(target), error=refusal, account=account)
    if before is not None:
        web.sessions.revoke(before.session.id, person_id=before.person.id)
    response = RedirectResponse(local_path(target), status_code=303)
    set_cookie(response, request, "session", token)
    drop_cookie(response, request, "login")
    return response


@router.post("/logout")
def log_out_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
    """Log out: the session ends on the server, the cookie here."""
    web.sessions.revoke(visitor.session.id, person_id=visitor.person.id)
    response = RedirectResponse("/login", status_code=303)
    drop_cookie(response, request, "session")
    return response


@router.get("/account")
def account_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
    """Who one is, and every device that is logged in."""
    sessions = web.sessions.of_person(visitor.person.id)
    has_factor = web.second_factors.enrolled(visitor.person.id)
    return page(request, web, visitor, "account.html", sessions=sessions, has_factor=has_factor)


@router.post("/account/sessions/{session_id}/revoke")
def revoke_session(web: WebParts, visitor: AnyVisitor, session_id: str) -> Response:
    """End one of one's own sessions: a phone that was lost."""
    if not is_uuid7(session_id) or not web.sessions.revoke(session_id, person_id=visitor.person.id):
        raise errors.not_found()
    return RedirectResponse("/account", status_code=303)


def _login_form(
    request: Request, web: Web, *, target: str, error: Refusal | None = None, account: str = ""
) -> Response:
    nonce, token = web.login_form.issue(request.cookies.get(cookie_name(request, "login")))
    context = {"form_token": token, "target": target, "error": error, "account": account}
    response = web.templates.TemplateResponse(
        request,
        "login.html",
        context,
        status_code=error.status if error is not None else 200,
        headers=error.headers if error is not None else None,
    )
    set_cookie(response, request, "login", nonce)
    return response
