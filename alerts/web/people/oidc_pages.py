"""Single sign-on pages: off to the county's identity provider, and back with its answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.keys import shared_key
from alerts.web.context import Web
from alerts.web.people.auth import (
    WebParts,
    address_of,
    cookie_name,
    drop_cookie,
    set_cookie,
)
from alerts.web.people.login import CodeNeeded, log_in_vouched
from alerts.web.people.login_form import local_path
from alerts.web.people.login_pages import code_page, device_of, enter, login_form
from alerts.web.people.oidc import NotVouchedError, OidcClient, Pending, ProviderAwayError
from config.logs import get_logger

router = APIRouter(include_in_schema=False)
CALLBACK = "/login/oidc/callback"
PENDING_S = 600
_COOKIE = "oidc"
_log = get_logger(__name__)


@router.get("/login/oidc")
def leave(
    request: Request,
    web: WebParts,
    target: Annotated[str, Query(alias="next", max_length=200)] = "/",
) -> Response:
    """Off to the provider; this browser remembers in a signed cookie what it was sent with.

    A link and no form: our content policy lets no form end at another site.
    """
    client = _client(web)
    try:
        address, pending = client.begin(
            redirect_uri=_redirect_uri(request), target=local_path(target)
        )
    except ProviderAwayError as problem:
        _log.warning("identity provider away", reason=str(problem))
        return login_form(request, web, target=local_path(target), error=_away())
    response = RedirectResponse(address, status_code=303)
    set_cookie(response, request, _COOKIE, _signer(web).dumps(asdict(pending)))
    return response


@router.get(CALLBACK)
def come_back(request: Request, web: WebParts) -> Response:
    """Back from the provider: a session, the form for the code, or the login page with why not."""
    client = _client(web)
    pending = _pending(request, web)
    if pending is None:
        return login_form(request, web, target="/", error=_not_vouched())
    try:
        account = client.finish(
            pending, dict(request.query_params), redirect_uri=_redirect_uri(request)
        )
        response = _let_in(request, web, account, pending.target)
    except ProviderAwayError as problem:
        _log.warning("identity provider away", reason=str(problem))
        response = login_form(request, web, target=pending.target, error=_away())
    except NotVouchedError as problem:
        web.metrics.logins.labels("wrong").inc()
        _log.warning("login by the identity provider refused", reason=str(problem))
        response = login_form(request, web, target=pending.target, error=_not_vouched())
    except Refusal as refusal:
        response = login_form(request, web, target=pending.target, error=refusal)
    drop_cookie(response, request, _COOKIE)
    return response


def _let_in(request: Request, web: Web, account: str, target: str) -> Response:
    if web.site.person(account) is None:
        raise Refusal(
            403,
            "not_of_this_county",
            zh="身份已确认，但您不在本县人员名单里，请联系管理员",
            en="We know who you are, but the county's list of people does not have you",
        )
    try:
        token, _ = log_in_vouched(
            web, account, address=address_of(request), device=device_of(request)
        )
    except CodeNeeded as needed:
        nonce, _ = web.login_form.issue(request.cookies.get(cookie_name(request, "login")))
        ticket = web.login_form.ticket(nonce, needed.person_id)
        response = code_page(request, web, ticket=ticket, target=target)
        set_cookie(response, request, "login", nonce)
        return response
    web.audit.append(actor=account, action="logged-in-by-oidc", object=f"person {account}")
    return enter(request, web, token, target=target)


def _client(web: Web) -> OidcClient:
    if web.oidc is None:
        raise errors.not_found()
    return web.oidc


def _redirect_uri(request: Request) -> str:
    return str(request.base_url).rstrip("/") + CALLBACK


def _pending(request: Request, web: Web) -> Pending | None:
    """What this browser was sent away with, not too long ago."""
    text = request.cookies.get(cookie_name(request, _COOKIE), "")
    try:
        return Pending(**_signer(web).loads(text, max_age=PENDING_S))
    except (BadSignature, TypeError, json.JSONDecodeError):
        return None


def _signer(web: Web) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(shared_key(web.engine, web.clock, "oidc"), salt="oidc-pending")


def _away() -> Refusal:
    return Refusal(
        503,
        "provider_away",
        zh="统一身份认证暂时无法使用，请用密码登录或稍后再试",
        en="The identity provider does not answer; use your password or try later",
    )


def _not_vouched() -> Refusal:
    return Refusal(
        401,
        "not_vouched",
        zh="统一身份认证没有成功，请重新登录",
        en="The identity provider's answer could not be trusted; log in again",
    )
