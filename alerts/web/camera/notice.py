"""Notice: what everybody may know of a camera; with its sign's code, "I am here" for the grid."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from alerts.life.state import State
from alerts.seeing.views import AlertView
from alerts.web.alert.permits import may_work
from alerts.web.base import errors
from alerts.web.base.render import menu_of
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import Visitor, WebParts, find_visitor, lacks_factor
from config.site import LegalClass

router = APIRouter(include_in_schema=False)
HOTLINE = "12345"
"""The government service hotline, which every place in the country has."""


@router.get("/notice/{camera_id}")
def notice_page(
    request: Request,
    web: WebParts,
    camera_id: str,
    token: Annotated[str, Query(alias="t", max_length=64)] = "",
) -> Response:
    """Operator, purpose, retention and contact of a camera in public space.

    A home's camera has no public page: it would tell strangers whose home it is.
    """
    camera = web.site.camera(camera_id)
    if camera is None or camera.legal_class is LegalClass.HOME:
        raise errors.not_found()
    visitor = find_visitor(request)
    if visitor is not None and lacks_factor(web, visitor.person):
        visitor = None
    at_sign = visitor is not None and web.signs.check(camera.id, token)
    return web.templates.TemplateResponse(
        request,
        "notice.html",
        {
            "camera": camera,
            "grid": web.site.grid(camera.grid),
            "contact": camera.contact or web.site.county.contact,
            "hotline": HOTLINE,
            "visitor": visitor,
            "menu": menu_of(visitor) if visitor is not None else [],
            "here": "",
            "at_sign": at_sign,
            "token": token if at_sign else "",
            "waiting": _waiting(web, visitor, camera.id) if at_sign and visitor else [],
        },
    )


def _waiting(web: Web, visitor: Visitor, camera_id: str) -> list[AlertView]:
    """Alerts at this camera that this person has taken and not reached yet."""
    if not visitor.may(Action.WORK_ALERTS):
        return []
    return [
        alert
        for alert in web.service.open_alerts(visitor.viewer)
        if alert.camera_id == camera_id
        and alert.state is State.ACKED
        and may_work(web.site, visitor.viewer, alert)
    ]
