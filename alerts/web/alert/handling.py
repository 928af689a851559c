"""Handling: arrive, report, whistle, close; each form of the page of one alert."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from alerts.life.state import Outcome
from alerts.seeing.service import AlertConflict, AlertView
from alerts.web.alert.permits import may_verify, may_work
from alerts.web.alert.pictures import stored_picture
from alerts.web.alert.reports import FieldReport
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.uploads import sent
from alerts.web.context import Web
from alerts.web.people.auth import Visitor, WebParts, Worker
from config.ids import is_uuid7

router = APIRouter(prefix="/alerts/{alert_id}", include_in_schema=False)

DEPARTMENTS = (
    "派出所",
    "消防救援站",
    "城管执法队",
    "应急管理办",
    "卫生院",
    "市场监管所",
    "供电所",
    "自来水公司",
)
"""Whom a whistle usually calls (吹哨报到); any other name can be typed."""
DEADLINES_MIN = (15, 30, 60, 120, 1440)
LONGEST_MIN = 7 * 24 * 60
MOST_CALLED = 12


@router.post("/arrive")
async def arrive(request: Request, web: WebParts, visitor: Worker, alert_id: str) -> Response:
    """Say that one is there: by the token of the camera's sign, or with a photo."""
    alert = await run_in_threadpool(_mine, web, visitor, alert_id)
    async with sent(request) as form:
        by_sign = web.signs.check(alert.camera_id, form.text("token", limit=64))
        photo = await form.photo(web.media)
    if not by_sign and photo is None:
        raise Refusal(
            422,
            "no_proof",
            zh="请扫摄像机旁的二维码，或拍一张现场照片",
            en="Scan the sign at the camera, or take a photo of the place",
        )
    report = web.reports.new(
        alert_id=alert.id,
        person=visitor.person.id,
        kind="arrived",
        proof="sign" if by_sign else "photo",
        photo_sha256=photo,
    )
    act = partial(web.service.arrive, visitor.viewer, alert.id)
    await run_in_threadpool(_file, web, report, act)
    return _back(alert.id)


@router.post("/report")
async def report(request: Request, web: WebParts, visitor: Worker, alert_id: str) -> Response:
    """Say what was found, with a photo; the outcome is the reporter's proposal."""
    alert = await run_in_threadpool(_mine, web, visitor, alert_id)
    async with sent(request) as form:
        note, outcome = form.text("note"), _outcome(form.text("outcome", limit=32))
        photo = await form.photo(web.media)
    if not note and photo is None:
        raise Refusal(
            422,
            "empty_report",
            zh="请写一句情况，或附一张照片",
            en="Write a sentence, or add a photo",
        )
    filed = web.reports.new(
        alert_id=alert.id,
        person=visitor.person.id,
        kind="reported",
        note=note,
        outcome=str(outcome),
        photo_sha256=photo,
    )
    act = partial(web.service.report, visitor.viewer, alert.id, note=note[:200])
    await run_in_threadpool(_file, web, filed, act)
    return _back(alert.id)


@router.post("/whistle")
def whistle(
    web: WebParts,
    visitor: Worker,
    alert_id: str,
    department: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    other: Annotated[str, Form(max_length=30)] = "",
    minutes: Annotated[int, Form(ge=5, le=LONGEST_MIN)] = 30,
    minutes_for: Annotated[list[str], Form()] = [],  # noqa: B006
) -> Response:
    """Call departments, each to report in within its own minutes, else within ``minutes``.

    ``minutes_for`` holds texts like ``消防救援站=15``; an empty one says nothing.
    """
    alert = _mine(web, visitor, alert_id)
    names = [name.strip()[:30] for name in (*department, other) if name.strip()]
    if not names:
        raise Refusal(422, "nobody_called", zh="请选择部门", en="Choose a department")
    own, now = _own_minutes(minutes_for), web.clock.now()
    called = [
        (name, now + timedelta(minutes=own.get(name, minutes))) for name in dict.fromkeys(names)
    ][:MOST_CALLED]
    web.service.whistle(visitor.viewer, alert.id, departments=called)
    return _back(alert.id)


@router.post("/department")
def department_reports(
    web: WebParts,
    visitor: Worker,
    alert_id: str,
    department: Annotated[str, Form(max_length=30)],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Write down that a called department has reported in."""
    alert = _mine(web, visitor, alert_id)
    filed = web.reports.new(
        alert_id=alert.id,
        person=visitor.person.id,
        kind="department",
        department=department,
        note=note.strip(),
    )
    act = partial(web.service.department_report, visitor.viewer, alert.id, department=department)
    _file(web, filed, act)
    return _back(alert.id)


@router.post("/verify")
def verify(
    web: WebParts, visitor: Worker, alert_id: str, outcome: Annotated[str, Form(max_length=32)]
) -> Response:
    """Close a reported alert with its outcome."""
    alert = visible(web, visitor, alert_id)
    if not may_verify(web.site, visitor.viewer, alert):
        raise errors.forbidden()
    web.service.close(visitor.viewer, alert.id, outcome=_outcome(outcome))
    return _back(alert.id)


@router.post("/reopen")
def reopen(web: WebParts, visitor: Worker, alert_id: str) -> Response:
    """Take up a closed alert again, within 24 hours."""
    alert = visible(web, visitor, alert_id)
    if not may_verify(web.site, visitor.viewer, alert):
        raise errors.forbidden()
    web.service.reopen(visitor.viewer, alert.id)
    return _back(alert.id)


@router.get("/reports/{report_id}/photo")
def report_photo(web: WebParts, visitor: Worker, alert_id: str, report_id: str) -> Response:
    """A photo that was filed; one of a home only for its owner and who took it. Audited."""
    alert = visible(web, visitor, alert_id)
    found = next((r for r in web.reports.of_alert(alert.id) if r.id == report_id), None)
    if found is None or found.photo_sha256 is None:
        raise errors.not_found()
    if not may_see_photo(web, visitor, alert, found):
        raise errors.not_found()
    web.audit.append(
        actor=visitor.person.id,
        action="view-report-photo",
        object=f"alert {alert.id}",
        detail=f"{found.photo_sha256}; purpose: answering this alert",
    )
    return stored_picture(web, found.photo_sha256)


def may_see_photo(web: Web, visitor: Visitor, alert: AlertView, report: FieldReport) -> bool:
    """Photos from a home follow its pictures' rule."""
    camera = web.site.camera(alert.camera_id)
    owner = camera.owner if camera is not None else None
    at_home = str(alert.legal_class) == "home"
    return not at_home or report.person == visitor.person.id or owner in visitor.viewer.owners


def visible(web: Web, visitor: Visitor, alert_id: str) -> AlertView:
    """The alert, when it is this visitor's to see.

    Raises:
        Refusal, AlertNotVisible: it is not, or there is none.
    """
    if not is_uuid7(alert_id):
        raise errors.not_found()
    return web.service.get(visitor.viewer, alert_id)


def _mine(web: Web, visitor: Visitor, alert_id: str) -> AlertView:
    alert = visible(web, visitor, alert_id)
    if not may_work(web.site, visitor.viewer, alert):
        raise errors.forbidden()
    return alert


def _file(web: Web, report: FieldReport, act: Callable[[], AlertView]) -> None:
    # Stored first: a transition whose report is lost would claim what nobody can read.
    web.reports.file(report)
    try:
        act()
    except AlertConflict:
        web.reports.withdraw(report)
        raise


def _own_minutes(texts: list[str]) -> dict[str, int]:
    found = {}
    for name, _, number in (text.partition("=") for text in texts if text):
        minutes = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0
        if not 5 <= minutes <= LONGEST_MIN:
            raise Refusal(422, "no_deadline", zh="期限不对", en="That is no deadline")
        found[name.strip()] = minutes
    return found


def _outcome(text: str) -> Outcome:
    try:
        return Outcome(text)
    except ValueError:
        raise Refusal(422, "no_outcome", zh="请选择处理结果", en="Choose an outcome") from None


def _back(alert_id: str) -> Response:
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)
