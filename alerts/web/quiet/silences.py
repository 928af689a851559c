"""Silences: those in force and past, a form for a new one, and a button that ends one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from alerts.silences.book import SilenceBook
from alerts.silences.matching import LONGEST, Matchers, headed_by
from alerts.store.applying import AlertStore
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.auth import Silencer, Visitor, WebParts
from config.errors import UserError
from config.event import EventKind, Severity
from config.ids import is_uuid7
from config.site import Camera, LegalClass, Role

router = APIRouter(prefix="/silences", include_in_schema=False)
_HOURS = int(LONGEST.total_seconds()) // 3600


@router.get("")
def silences_page(request: Request, web: WebParts, visitor: Silencer) -> Response:
    """What is silenced; the head of a grid sees what concerns it."""
    grids = _grids(web, visitor)
    return page(
        request,
        web,
        visitor,
        "silences.html",
        kept=_book(web).kept(grids=grids),
        grids=[grid for grid in web.site.grids if grids is None or grid.id in grids],
        cameras=_cameras(web, grids),
        kinds=list(EventKind),
        levels=[level for level in Severity if level is not Severity.CRITICAL],
        longest_hours=_HOURS,
    )


@router.post("")
def add_silence(
    web: WebParts,
    visitor: Silencer,
    reason: Annotated[str, Form(max_length=500)],
    hours: Annotated[float, Form(gt=0, le=_HOURS)],
    starts: Annotated[str, Form(max_length=20)] = "",
    most: Annotated[Severity, Form()] = Severity.WARNING,
    cameras: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    grids: Annotated[list[str], Form()] = [],  # noqa: B006
    kinds: Annotated[list[EventKind], Form()] = [],  # noqa: B006
) -> Response:
    """Silence what all the chosen matchers fit, from now or a later time, for some hours."""
    start = _start(web, starts)
    try:
        matchers = Matchers.model_validate(
            {"cameras": cameras, "grids": grids, "kinds": kinds, "most": most}
        )
        _book(web).add(
            visitor.person,
            matchers,
            reason=reason,
            starts_at=start,
            ends_at=start + timedelta(hours=hours),
        )
    except ValidationError:
        raise _refused(
            "请选择摄像机、网格或类型；紧急告警不能静默", "Choose what it is about"
        ) from None
    except UserError as error:
        raise _refused("不能这样设置静默", error.problem) from None
    return RedirectResponse("/silences", status_code=303)


@router.post("/{silence_id}/end")
def end_silence(web: WebParts, visitor: Silencer, silence_id: str) -> Response:
    """End it now: what it hides opens."""
    if not is_uuid7(silence_id):
        raise errors.not_found()
    try:
        _book(web).end(visitor.person, silence_id)
    except UserError as error:
        raise _refused("不能结束这条静默", error.problem) from None
    return RedirectResponse("/silences", status_code=303)


def _start(web: Web, text: str) -> datetime:
    """Local wall-clock time of the form's field; empty is now."""
    if not text:
        return web.clock.now()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=web.zone)
    except ValueError:
        raise _refused("开始时间不对", "That is no time") from None


def _book(web: Web) -> SilenceBook:
    store = AlertStore(web.engine, web.site, web.clock)
    return SilenceBook(web.engine, web.site, web.clock, store=store)


def _grids(web: Web, visitor: Visitor) -> frozenset[str] | None:
    """None for those who may silence anywhere."""
    if visitor.person.role is not Role.GRID_HEAD:
        return None
    return headed_by(web.site, visitor.person)


def _cameras(web: Web, grids: frozenset[str] | None) -> list[Camera]:
    return [
        camera
        for camera in web.site.cameras
        if camera.legal_class is not LegalClass.HOME and (grids is None or camera.grid in grids)
    ]


def _refused(zh: str, en: str) -> Refusal:
    return Refusal(422, "no_silence", zh=zh, en=en)
