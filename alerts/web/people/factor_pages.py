"""Second factor pages: enrol a phone, and the second step of a login."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.qr import qr_svg
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import (
    AnyVisitor,
    Visitor,
    WebParts,
    address_of,
    cookie_name,
    drop_cookie,
    find_visitor,
    refuse_foreign_origin,
    set_cookie,
)
from alerts.web.people.login import begin_attempt, second_step
from alerts.web.people.login_form import local_path
from alerts.web.people.second_factors import address

router = APIRouter(include_in_schema=False)


@router.get("/account/second-factor")
def enrol_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
    """The code for one's phone, until the phone is confirmed."""
    return _enrol(request, web, visitor)


@router.post("/account/second-factor")
def enrol(
    request: Request,
    web: WebParts,
    visitor: AnyVisitor,
    code: Annotated[str, Form(max_length=32)] = "",
) -> Response:
    """Confirm the phone; shows the recovery codes, this once."""
    attempt = begin_attempt(web, visitor.person.id, address_of(request))
    recovery = web.second_factors.confirm(visitor.person.id, "".join(code.split()))
    if recovery is None:
        return _enrol(request, web, visitor, errors.wrong_code())
    web.throttle.succeeded(attempt, visitor.person.id, address_of(request))
    web.audit.append(
        actor=visitor.person.id,
        action="second-factor-enrolled",
        object=f"person {visitor.person.id}",
    )
    return page(request, web, visitor, "factor.html", recovery=recovery, error=None)


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
    before = find_visitor(request)
    device = request.headers.get("user-agent", "")
    try:
        token, _ = second_step(web, person_id, code, address=address_of(request), device=device)
    except Refusal as refusal:
        return code_page(request, web, ticket=ticket, target=target, error=refusal)
    if before is not None:
        web.sessions.revoke(before.session.id, person_id=before.person.id)
    response = RedirectResponse(local_path(target), status_code=303)
    set_cookie(response, request, "session", token)
    drop_cookie(response, request, "login")
    return response


def code_page(
    request: Request, web: Web, *, ticket: str, target: str, error: Refusal | None = None
) -> Response:
    """The form for the code, after name and password were right."""
    return web.templates.TemplateResponse(
        request,
        "code.html",
        {"ticket": ticket, "target": local_path(target), "error": error},
        status_code=error.status if error is not None else 200,
        headers=error.headers if error is not None else None,
    )


def _enrol(request: Request, web: Web, visitor: Visitor, error: Refusal | None = None) -> Response:
    person = visitor.person
    if web.second_factors.enrolled(person.id):
        return page(request, web, visitor, "factor.html", recovery=None, secret=None, error=None)
    if not web.second_factors.available:
        raise Refusal(
            503,
            "no_seal_key",
            zh="管理员还没有设置加密密钥，暂不能绑定手机",
            en="The operator has set no key (web.seal_key) to keep your secret with",
        )
    secret = web.second_factors.begin(person.id)
    uri = address(secret, person_id=person.id, county=web.site.county.id)
    return page(
        request,
        web,
        visitor,
        "factor.html",
        status=error.status if error is not None else 200,
        recovery=None,
        secret=secret,
        qr=Markup(qr_svg(uri, label="动态码二维码 One-time code")),  # noqa: S704 - our own SVG
        error=error,
    )
