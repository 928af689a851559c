"""Home: an owner's cameras and today's pictures, arming, family, who looked, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from alerts.arming import Mode, Turn, is_snoozed, mode_at
from alerts.seeing.service import AlertView
from alerts.web.alert.handling import visible
from alerts.web.alert.permits import owns
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.camera.cameras import is_own
from alerts.web.context import Web
from alerts.web.home.answering import answer_for_home, grant_pictures
from alerts.web.home.fallback_pages import fallback_state, told_alone
from alerts.web.home.household import household_cameras
from alerts.web.people.auth import HomeOwner, Visitor, WebParts
from alerts.web.people.invite import invitation_page
from config.site import Camera
from ingest.households import Households

router = APIRouter(include_in_schema=False)
SNOOZES = (15, 60, 480)
"""Minutes of silence on offer."""


@router.get("/home")
def home_page(request: Request, web: WebParts, visitor: HomeOwner) -> Response:
    """Everything about one's own home on one page."""
    now = web.clock.now()
    today = datetime.combine(now.astimezone(web.zone).date(), time(), web.zone)
    family = web.homes.family(visitor.person.id)
    but = (*visitor.viewer.owners, *(member.person.id for member in family))
    alerts = web.service.open_alerts(visitor.viewer, 20)
    mine = own_cameras(web, visitor)
    cameras = [_camera(web, camera, today, but) for camera in mine]
    return page(
        request,
        web,
        visitor,
        "home.html",
        cameras=cameras,
        alerts=alerts,
        unheard=sum(told_alone(web, visitor.viewer, alert) for alert in alerts),
        family=family,
        may_invite=not visitor.viewer.homes,
        modes=Mode,
        snoozes=SNOOZES,
        may_enrol=bool(household_cameras(web, visitor)),
        labels=_labels(web, mine),
        **fallback_state(web, visitor),
    )


def _labels(web: Web, cameras: Sequence[Camera]) -> dict[str, str]:
    """What this home calls the people whom its cameras recognise; for its own people only."""
    store = Households(web.engine, web.site, web.clock)
    owners = {camera.owner for camera in cameras if camera.owner is not None}
    return {one.id: one.label for owner in owners for one in store.consents(owner)}


def own_cameras(web: Web, visitor: Visitor) -> list[Camera]:
    """The cameras of one's own home."""
    return [camera for camera in web.site.cameras if is_own(visitor, camera)]


def _camera(web: Web, camera: Camera, today: datetime, but: tuple[str, ...]) -> dict[str, Any]:
    choice = web.armings.of(camera.id)
    now = web.clock.now()
    is_by_hand = choice.mode is not None and (choice.until is None or now < choice.until)
    return {
        "camera": camera,
        "arming": choice,
        "mode": mode_at(choice, now, web.zone),
        "by_hand": is_by_hand,
        "snoozed": is_snoozed(choice, now),
        "events": web.seen.since(camera.id, today),
        "latest": web.seen.latest_picture(camera.id),
        "looks": web.seen.looks(camera.id, but=but, limit=20),
    }


@router.post("/home/{camera_id}/mode")
def choose_mode(
    web: WebParts, visitor: HomeOwner, camera_id: str, mode: Annotated[str, Form(max_length=16)]
) -> Response:
    """Away, night or home; ``schedule`` follows the plan."""
    camera = _own(web, visitor, camera_id)
    if mode != "schedule" and mode not in set(Mode):
        raise Refusal(422, "no_mode", zh="没有这种布防方式", en="There is no such mode")
    chosen = None if mode == "schedule" else Mode(mode)
    web.armings.choose(camera.id, chosen, by=visitor.person.id)
    _audit(web, visitor, "arming", camera.id, mode)
    return RedirectResponse("/home", status_code=303)


@router.post("/home/{camera_id}/snooze")
def snooze(
    web: WebParts, visitor: HomeOwner, camera_id: str, minutes: Annotated[int, Form(ge=0)]
) -> Response:
    """Silence for a while, of everything but trouble of the camera; 0 ends it."""
    camera = _own(web, visitor, camera_id)
    if minutes not in (0, *SNOOZES):
        raise Refusal(422, "no_snooze", zh="没有这种静音时长", en="There is no such length")
    until = web.clock.now() + timedelta(minutes=minutes) if minutes else None
    web.armings.snooze(camera.id, until, by=visitor.person.id)
    _audit(web, visitor, "snooze", camera.id, f"{minutes} min")
    return RedirectResponse("/home", status_code=303)


@router.post("/home/{camera_id}/schedule")
def add_turn(
    web: WebParts,
    visitor: HomeOwner,
    camera_id: str,
    mode: Annotated[str, Form(max_length=16)],
    start: Annotated[str, Form(max_length=8)],
    end: Annotated[str, Form(max_length=8)],
    days: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Add a weekly span to the plan."""
    camera = _own(web, visitor, camera_id)
    body = {"days": days, "start": start, "end": end, "mode": mode}
    try:
        turn = Turn.model_validate(body)
        turns = (*web.armings.of(camera.id).schedule, turn)
        web.armings.schedule(camera.id, turns, by=visitor.person.id)
    except ValidationError:
        raise Refusal(
            422,
            "no_turn",
            zh="请选择日期、起止时间和方式（最多 28 条）",
            en="Choose days, start, end and mode (at most 28 spans)",
        ) from None
    _audit(web, visitor, "arming-schedule", camera.id, f"added {turn.start}-{turn.end} {turn.mode}")
    return RedirectResponse("/home#plan", status_code=303)


@router.post("/home/{camera_id}/schedule/remove")
def remove_turn(
    web: WebParts,
    visitor: HomeOwner,
    camera_id: str,
    number: Annotated[int, Form(ge=0, le=27)],
) -> Response:
    """Take the ``number``-th span off the plan."""
    camera = _own(web, visitor, camera_id)
    turns = list(web.armings.of(camera.id).schedule)
    if number >= len(turns):
        raise errors.not_found()
    del turns[number]
    web.armings.schedule(camera.id, tuple(turns), by=visitor.person.id)
    _audit(web, visitor, "arming-schedule", camera.id, f"removed {number}")
    return RedirectResponse("/home#plan", status_code=303)


@router.post("/home/family")
def add_member(
    request: Request,
    web: WebParts,
    visitor: HomeOwner,
    name: Annotated[str, Form(min_length=1, max_length=40)],
) -> Response:
    """Add a family member and show their invitation; only the owner may."""
    if visitor.viewer.homes or not name.strip():
        raise errors.forbidden()
    member = web.homes.add(visitor.person.id, name.strip())
    if member is None:
        raise Refusal(422, "home_full", zh="家人已满 8 位", en="A home has at most 8 members")
    _audit(web, visitor, "family-added", member.person.id, "")
    return invitation_page(request, web, visitor, member.person, back="/home")


@router.post("/home/family/{person_id}/remove")
def remove_member(web: WebParts, visitor: HomeOwner, person_id: str) -> Response:
    """End a family member's share: their sessions end too."""
    if not web.homes.remove(visitor.person.id, person_id):
        raise errors.not_found()
    web.accounts.forget(person_id)
    _audit(web, visitor, "family-removed", person_id, "")
    return RedirectResponse("/home", status_code=303)


@router.post("/alerts/{alert_id}/answer")
def answer(
    web: WebParts, visitor: HomeOwner, alert_id: str, what: Annotated[str, Form(max_length=16)]
) -> Response:
    """The owner's buttons: it is us, false alarm, call the grid head, call the police desk."""
    alert = _owned_alert(web, visitor, alert_id)
    answer_for_home(web, visitor.viewer, alert, what)
    return RedirectResponse(f"/alerts/{alert.id}", status_code=303)


@router.post("/alerts/{alert_id}/grant")
def grant_view(
    web: WebParts,
    visitor: HomeOwner,
    alert_id: str,
    person: Annotated[str, Form(max_length=63)] = "",
) -> Response:
    """Let one grid person see this alert's pictures for 30 minutes; empty: take it back."""
    alert = _owned_alert(web, visitor, alert_id)
    if not person:
        for owner in visitor.viewer.owners:
            web.homes.end_grants(alert_id=alert.id, owner=owner)
        _audit(web, visitor, "grant-ended", alert.id, "")
    else:
        grant_pictures(web, visitor.viewer, alert, person)
    return RedirectResponse(f"/alerts/{alert.id}", status_code=303)


def _owned_alert(web: Web, visitor: Visitor, alert_id: str) -> AlertView:
    alert = visible(web, visitor, alert_id)
    if not owns(web.site, visitor.viewer, alert):
        raise errors.forbidden()
    return alert


def _own(web: Web, visitor: Visitor, camera_id: str) -> Camera:
    camera = web.site.camera(camera_id)
    if camera is None or not is_own(visitor, camera):
        raise errors.not_found()
    return camera


def _audit(web: Web, visitor: Visitor, action: str, about: str, detail: str) -> None:
    kind = "alert" if action.startswith(("view-", "grant-")) else "home"
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"{kind} {about}", detail=detail
    )
