"""Calendars: one's own turns of duty as a file, and at a secret address that calendars poll."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from alerts.rosters.ical import MEDIA_TYPE, duty_calendar
from alerts.web.base import errors
from alerts.web.base.render import page
from alerts.web.context import Web
from alerts.web.people.access import Action, may
from alerts.web.people.auth import DutyReader, WebParts

router = APIRouter(include_in_schema=False)
BEHIND, AHEAD = timedelta(days=7), timedelta(days=60)


@router.get("/duty/calendar.ics")
def own_calendar(web: WebParts, visitor: DutyReader) -> Response:
    """One's own turns as a file."""
    return _calendar(web, visitor.person.id)


@router.post("/duty/calendar")
def renew_link(request: Request, web: WebParts, visitor: DutyReader) -> Response:
    """Make an address for one's phone's calendar and show it; the one before ends."""
    token = web.calendars.renew(visitor.person.id)
    _audit(web, visitor.person.id, "calendar-link-made")
    address = f"{request.base_url}calendar/{token}.ics"
    return page(request, web, visitor, "calendar.html", address=address)


@router.post("/duty/calendar/end")
def end_link(web: WebParts, visitor: DutyReader) -> Response:
    """End the address."""
    web.calendars.end(visitor.person.id)
    _audit(web, visitor.person.id, "calendar-link-ended")
    return RedirectResponse("/duty#calendar", status_code=303)


@router.get("/calendar/{token}.ics")
def linked_calendar(web: WebParts, token: str) -> Response:
    """The turns of whoever the token belongs to; a calendar program cannot log in."""
    person_id = web.calendars.person_of(token[:64])
    person = web.site.person(person_id) if person_id is not None else None
    if person is None or not may(person.role, Action.SEE_DUTY):
        raise errors.not_found()
    return _calendar(web, person.id)


def _calendar(web: Web, person_id: str) -> Response:
    now = web.clock.now()
    text = duty_calendar(
        web.site, person_id, now - BEHIND, now + AHEAD, now=now, arranged=web.swaps.arranged()
    )
    headers = {"Content-Disposition": 'attachment; filename="duty.ics"'}
    return Response(text, media_type=f"{MEDIA_TYPE}; charset=utf-8", headers=headers)


def _audit(web: Web, person_id: str, action: str) -> None:
    web.audit.append(actor=person_id, action=action, object=f"person {person_id}")
