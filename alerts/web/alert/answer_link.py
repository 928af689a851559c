"""Answer link: where a notification leads; shows what it is about and takes one answer, once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from alerts.life.state import LIVE
from alerts.seeing.service import AlertNotVisible, AlertView
from alerts.seeing.views import Viewer
from alerts.telling.answers import Permit
from alerts.web.alert.permits import owns
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.home.answering import answer_for_home, answers_to
from alerts.web.home.fallback_pages import told_alone
from alerts.web.people.auth import WebParts, refuse_foreign_origin

router = APIRouter(include_in_schema=False)
TAKE = "take"
"""The one answer of everybody who is not at home there: I take it."""


@router.get("/a/{token}")
def answer_page(request: Request, web: WebParts, token: str) -> Response:
    """What the alert is about, without pictures, and the buttons. Looking at it changes nothing.

    Messengers and mail scanners fetch every address they see, so only the button answers.
    """
    permit, viewer, alert = _found(web, token)
    answers, alone = _choices(web, viewer, alert), told_alone(web, viewer, alert)
    return _page(request, web, permit, alert, token=token, answers=answers, alone=alone)


@router.post("/a/{token}")
def answer_once(
    request: Request, web: WebParts, token: str, what: Annotated[str, Form(max_length=16)]
) -> Response:
    """Answer, and spend the link."""
    refuse_foreign_origin(request)
    permit, viewer, alert = _found(web, token)
    if what not in _choices(web, viewer, alert):
        raise Refusal(422, "no_answer", zh="没有这种回答", en="There is no such answer")
    if not web.answers.spend(permit, what):
        raise _gone()
    web.audit.append(
        actor=viewer.person_id,
        action="answered-by-link",
        object=f"alert {alert.id}",
        detail=f"{what}; notice {permit.delivery_id}",
    )
    if what == TAKE:
        web.service.acknowledge(viewer, alert.id, version=None)
    else:
        answer_for_home(web, viewer, alert, what)
    alert = web.service.get(viewer, alert.id)
    return _page(request, web, permit, alert, token=token, answers=())


def _found(web: Web, token: str) -> tuple[Permit, Viewer, AlertView]:
    permit = web.answers.permit(token)
    person = web.site.person(permit.person) if permit is not None else None
    if permit is None or person is None:
        raise _gone()
    if person.role in web.factor_roles:
        raise Refusal(
            403,
            "factor_needed",
            zh="您的角色须用动态码登录后处理",
            en="Your role answers only after logging in with a one-time code",
        )
    viewer = Viewer(person.id, person.role, person.grid)
    try:
        return permit, viewer, web.service.get(viewer, permit.alert_id)
    except AlertNotVisible:
        raise errors.not_found() from None


def _choices(web: Web, viewer: Viewer, alert: AlertView) -> tuple[str, ...]:
    if owns(web.site, viewer, alert):
        return answers_to(alert)
    return (TAKE,) if alert.state in LIVE else ()


def _gone() -> Refusal:
    return Refusal(
        410,
        "link_spent",
        zh="链接已用过或已过期，请登录处理",
        en="This link was used or has expired; log in to answer",
    )


def _page(
    request: Request,
    web: Web,
    permit: Permit,
    alert: AlertView,
    *,
    token: str,
    answers: tuple[str, ...],
    alone: bool = False,
) -> Response:
    return web.templates.TemplateResponse(
        request,
        "answer.html",
        {
            "alert": alert,
            "answers": answers,
            "alone": alone,
            "token": token,
            "permit": permit,
            "now": web.clock.now(),
            "zone": web.zone,
        },
    )
