"""Login pages: name and password, the second step with a code, and logging out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.people.auth import (
    AnyVisitor,
    WebParts,
    address_of,
    cookie_name,
    drop_cookie,
    find_visitor,
    refuse_foreign_origin,
    set_cookie,
)
from alerts.web.people.login import CodeNeeded, Credentials, log_in, second_step
from alerts.web.people.login_form import local_path

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(
    request: Request, web: WebParts, target: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """The login form; somebody who is logged in goes on."""
    if find_visitor(request) is not None:
        return RedirectResponse(local_path(target), status_code=303)
    return login_form(request, web, target=local_path(target))


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
        return login_form(request, web, target=local_path(target), error=errors.csrf_refused())
    typed = Credentials(account, password)
    try:
        token, _ = log_in(web, typed, address=address_of(request), device=device_of(request))
    except CodeNeeded as needed:
        ticket = web.login_form.ticket(nonce or "", needed.person_id)
        return code_page(request, web, ticket=ticket, target=target)
    except Refusal as refusal:
        return login_form(request, web, target=local_path(target), error=refusal, account=account)
    return enter(request, web, token, target=target)


@router.post("/login/code")
def second_login_page(
    request: Request,
    web: WebParts,
    ticket: Annotated[str, Form(max_length=300)] = "",
    code: Annotated[str, Form(max_length=32)] = "",
    target: Annotated[str, Form(alias="next", max_length=200)] = "/",
) -> Response:
    """The second step of a login: a code of the phone, or a recovery code."""
    refuse_foreign_origin(request)
    nonce = request.cookies.get(cookie_name(request, "login"))
    person_id = web.login_form.redeem(nonce, ticket)
    if person_id is None:
        return RedirectResponse("/login", status_code=303)
    address, device = address_of(request), device_of(request)
    try:
        token, _ = second_step(web, person_id, code, address=address, device=device)
    except Refusal as refusal:
        return code_page(request, web, ticket=ticket, target=target, error=refusal)
    return enter(request, web, token, target=target)


@router.post("/logout")
def log_out_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
    """Log out: the session ends on the server, the cookie here."""
    web.sessions.revoke(visitor.session.id, person_id=visitor.person.id)
    response = RedirectResponse("/login", status_code=303)
    drop_cookie(response, request, "session")
    return response


def enter(request: Request, web: Web, token: str, *, target: str) -> Response:
    """The end of every login: the browser's earlier session ends, the new one begins."""
    before = find_visitor(request)
    if before is not None:
        web.sessions.revoke(before.session.id, person_id=before.person.id)
    response = RedirectResponse(local_path(target), status_code=303)
    set_cookie(response, request, "session", token)
    drop_cookie(response, request, "login")
    return response


def login_form(
    request: Request, web: Web, *, target: str, error: Refusal | None = None, account: str = ""
) -> Response:
    """The form for name and password."""
    nonce, token = web.login_form.issue(request.cookies.get(cookie_name(request, "login")))
    context: dict[str, Any] = {
        "form_token": token,
        "target": target,
        "error": error,
        "account": account,
        "oidc": web.oidc.settings if web.oidc is not None else None,
    }
    response = _form(request, web, "login.html", context, error)
    set_cookie(response, request, "login", nonce)
    return response


def code_page(
    request: Request, web: Web, *, ticket: str, target: str, error: Refusal | None = None
) -> Response:
    """The form for the code, after name and password were right."""
    context: dict[str, Any] = {"ticket": ticket, "target": local_path(target), "error": error}
    return _form(request, web, "code.html", context, error)


def device_of(request: Request) -> str:
    """What the browser says of itself."""
    return request.headers.get("user-agent", "")


def _form(
    request: Request, web: Web, template: str, context: dict[str, Any], error: Refusal | None
) -> Response:
    return web.templates.TemplateResponse(
        request,
        template,
        context,
        status_code=error.status if error is not None else 200,
        headers=error.headers if error is not None else None,
    )
