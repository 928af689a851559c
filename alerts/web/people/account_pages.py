"""Account pages: one's own devices, and the phone that shows one-time codes."""

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
from alerts.web.notify.choices import forget_browsers
from alerts.web.people.auth import AnyVisitor, Visitor, WebParts, address_of
from alerts.web.people.login import begin_attempt
from alerts.web.people.second_factors import address

router = APIRouter(include_in_schema=False)


@router.get("/account")
def account_page(request: Request, web: WebParts, visitor: AnyVisitor) -> Response:
    """Who one is, and every device that is logged in."""
    sessions = web.sessions.of_person(visitor.person.id)
    has_factor = web.second_factors.enrolled(visitor.person.id)
    return page(request, web, visitor, "account.html", sessions=sessions, has_factor=has_factor)


@router.post("/account/sessions/{session_id}/revoke")
def revoke_session(web: WebParts, visitor: AnyVisitor, session_id: str) -> Response:
    """End one of one's own sessions, and push to its browser: a phone that was lost."""
    me = visitor.person.id
    ended = next((one for one in web.sessions.of_person(me) if one.id == session_id), None)
    if ended is None or not web.sessions.revoke(ended.id, person_id=me):
        raise errors.not_found()
    forget_browsers(web.engine, me, like=ended.device)
    return RedirectResponse("/account", status_code=303)


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
