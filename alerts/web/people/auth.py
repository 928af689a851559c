"""Authentication: who sends this request, by session cookie, and whether our page sent it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.seeing.service import Viewer
from alerts.web.base import errors
from alerts.web.context import Web, web_of
from alerts.web.people.access import Action, may
from alerts.web.people.sessions import LIFETIME, Session
from config.site import Person

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """A logged-in person, the session they came by, and what bounds their view."""

    person: Person
    session: Session
    viewer: Viewer

    def may(self, action: Action) -> bool:
        """True when this person's role may do it."""
        return may(self.person.role, action)


def cookie_name(request: Request, what: str) -> str:
    """Name of a cookie; over https bound to this host by the browser (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-menshen-{what}" if request.url.scheme == "https" else f"menshen-{what}"


def set_cookie(response: Response, request: Request, what: str, value: str) -> None:
    """Set a cookie that no script reads and no other site's form sends."""
    response.set_cookie(
        cookie_name(request, what),
        value,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def drop_cookie(response: Response, request: Request, what: str) -> None:
    """Make the browser forget a cookie."""
    secure = request.url.scheme == "https"
    response.delete_cookie(
        cookie_name(request, what), path="/", httponly=True, samesite="lax", secure=secure
    )


def address_of(request: Request) -> str:
    """The client's address, as the server (or the proxy it trusts) says."""
    return request.client.host if request.client is not None else "unknown"


def find_visitor(request: Request) -> Visitor | None:
    """Who sends this request; None without a living session of a known person."""
    web = web_of(request)
    token = request.cookies.get(cookie_name(request, "session"))
    session = web.sessions.find(token) if token else None
    if session is None:
        return None
    homes: tuple[str, ...] = ()
    person = web.site.person(session.person_id)
    if person is None:
        member = web.homes.member(session.person_id)
        if member is None:
            return None
        person, homes = member.person, (member.owner,)
    granted = web.homes.granted_to(person.id)
    return Visitor(person, session, Viewer(person.id, person.role, person.grid, homes, granted))


def require(action: Action) -> Callable[..., Awaitable[Visitor]]:
    """A dependency: a logged-in person whose role may do ``action``.

    A request that changes something must also carry the session's CSRF token, in the header
    ``X-CSRF-Token`` or the form field ``csrf_token``.
    """

    async def visitor(
        request: Request, found: Annotated[Visitor | None, Depends(find_visitor)]
    ) -> Visitor:
        if found is None:
            raise errors.not_logged_in()
        if request.method not in _SAFE:
            await check_csrf(request, found.session)
        if not found.may(action):
            raise errors.forbidden()
        web = web_of(request)
        needs_factor = found.person.role in web.factor_roles and action is not Action.OWN_ACCOUNT
        if needs_factor and await run_in_threadpool(lacks_factor, web, found.person):
            raise errors.enrol_first()
        return found

    visitor.__dict__["action"] = action
    return visitor


def lacks_factor(web: Web, person: Person) -> bool:
    """True for a role that works only with a second factor, before there is one."""
    return person.role in web.factor_roles and not web.second_factors.enrolled(person.id)


async def check_csrf(request: Request, session: Session) -> None:
    """Refuse a changing request that our own page did not send."""
    refuse_foreign_origin(request)
    sent = request.headers.get(CSRF_HEADER)
    if sent is None and "form" in request.headers.get("content-type", ""):
        value = (await request.form()).get(CSRF_FIELD)
        sent = value if isinstance(value, str) else None
    if sent is None or not hmac.compare_digest(sent.encode(), session.csrf_token.encode()):
        raise errors.csrf_refused()


def refuse_foreign_origin(request: Request) -> None:
    """Refuse what the browser says another site sent (Fetch Metadata; Origin, RFC 6454)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise errors.csrf_refused()
    origin = request.headers.get("origin")
    if origin is not None and _host_of(origin) != request.headers.get("host"):
        raise errors.csrf_refused()


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None of what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


WebParts = Annotated[Web, Depends(web_of)]
# One's own account needs no second factor, so that one can be enrolled; pictures and alerts do.
AnyVisitor = Annotated[Visitor, Depends(require(Action.OWN_ACCOUNT))]
Reader = Annotated[Visitor, Depends(require(Action.SEE_ALERTS))]
Responder = Annotated[Visitor, Depends(require(Action.ANSWER_ALERTS))]
Worker = Annotated[Visitor, Depends(require(Action.WORK_ALERTS))]
DutyReader = Annotated[Visitor, Depends(require(Action.SEE_DUTY))]
HomeOwner = Annotated[Visitor, Depends(require(Action.MANAGE_HOME))]
Silencer = Annotated[Visitor, Depends(require(Action.SILENCE))]
WarOrderer = Annotated[Visitor, Depends(require(Action.ORDER_WARTIME))]
Inviter = Annotated[Visitor, Depends(require(Action.INVITE))]
MapReader = Annotated[Visitor, Depends(require(Action.SEE_MAP))]
Reviewer = Annotated[Visitor, Depends(require(Action.REVIEW_MATCHES))]
Watcher = Annotated[Visitor, Depends(require(Action.WATCH_LIST))]
Searcher = Annotated[Visitor, Depends(require(Action.SEARCH))]
Exporter = Annotated[Visitor, Depends(require(Action.EXPORT))]
Holder = Annotated[Visitor, Depends(require(Action.HOLD))]
AuditReader = Annotated[Visitor, Depends(require(Action.READ_AUDIT))]
FiguresReader = Annotated[Visitor, Depends(require(Action.SEE_STATISTICS))]
DeviceReader = Annotated[Visitor, Depends(require(Action.SEE_DEVICES))]
Installer = Annotated[Visitor, Depends(require(Action.SET_UP_CAMERAS))]
EvidenceReader = Annotated[Visitor, Depends(require(Action.VIEW_EVIDENCE))]
