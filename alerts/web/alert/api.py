"""JSON API: alerts, answers, the session, and who one is; described in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from alerts.seeing.service import AlertConflict, AlertView
from alerts.web.base import errors
from alerts.web.base.errors import ErrorBody
from alerts.web.context import Web
from alerts.web.people.access import Action
from alerts.web.people.auth import (
    AnyVisitor,
    Reader,
    Responder,
    WebParts,
    address_of,
    drop_cookie,
    refuse_foreign_origin,
    set_cookie,
)
from alerts.web.people.login import Credentials, log_in
from alerts.web.people.sessions import Session
from config.ids import is_uuid7
from config.site import Role

router = APIRouter(prefix="/api/v1", responses=errors.RESPONSES)
AlertId = Annotated[str, Path(description="UUIDv7 of the alert", max_length=36)]


class Strict(BaseModel):
    """A body in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class LoginBody(Strict):
    """Account id, or the person's name where only one has it, and the password."""

    account: str = Field(max_length=64)
    password: SecretStr = Field(max_length=1024)
    code: str = Field(default="", max_length=32, description="one-time code, where enrolled")


class SessionBody(BaseModel):
    """The session of the cookie; ``csrf_token`` goes into ``X-CSRF-Token`` of every change."""

    id: str
    csrf_token: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


class MeBody(BaseModel):
    """Who is logged in, and what their role may do."""

    id: str
    name: str
    role: Role
    grid: str | None
    actions: list[Action]


class AlertList(BaseModel):
    """Alerts, and the stream position to go on from so that nothing is missed in between."""

    position: int
    alerts: list[AlertView]


class AcknowledgeBody(Strict):
    """``version`` of the alert as it was shown; absent: whatever it is now."""

    version: int | None = Field(default=None, ge=0)


@router.post(
    "/session",
    status_code=201,
    tags=["session"],
    responses={
        401: {"model": ErrorBody, "description": "Name or password is wrong"},
        429: {"model": ErrorBody, "description": "Locked; see Retry-After"},
    },
)
def log_in_session(
    request: Request, response: Response, web: WebParts, body: LoginBody
) -> SessionBody:
    """Log in: sets the session cookie."""
    refuse_foreign_origin(request)
    token, session = log_in(
        web,
        Credentials(body.account, body.password.get_secret_value(), body.code),
        address=address_of(request),
        device=request.headers.get("user-agent", ""),
    )
    set_cookie(response, request, "session", token)
    return _session_body(session)


@router.get("/session", tags=["session"])
def read_session(visitor: AnyVisitor) -> SessionBody:
    """The session of the cookie."""
    return _session_body(visitor.session)


@router.delete("/session", status_code=204, tags=["session"])
def log_out_session(
    request: Request, response: Response, web: WebParts, visitor: AnyVisitor
) -> None:
    """Log out: the session ends on the server."""
    web.sessions.revoke(visitor.session.id, person_id=visitor.person.id)
    drop_cookie(response, request, "session")


@router.get("/me", tags=["session"])
def read_me(visitor: AnyVisitor) -> MeBody:
    """Who is logged in."""
    person = visitor.person
    return MeBody(
        id=person.id,
        name=person.name,
        role=person.role,
        grid=person.grid,
        actions=[action for action in Action if visitor.may(action)],
    )


@router.get("/alerts", tags=["alerts"])
def list_alerts(
    web: WebParts,
    visitor: Reader,
    state: Annotated[Literal["live", "all"], Query(description="live: somebody is needed")] = (
        "live"
    ),
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> AlertList:
    """Alerts within one's scope: live ones loudest first, all newest first."""
    # The position first: what changes between the two reads is then streamed again, not lost.
    position = web.service.position()
    read = web.service.open_alerts if state == "live" else web.service.recent
    return AlertList(position=position, alerts=read(visitor.viewer, limit))


@router.get("/alerts/{alert_id}", tags=["alerts"])
def read_alert(web: WebParts, visitor: Reader, alert_id: AlertId) -> AlertView:
    """One alert."""
    return _get(web, visitor, alert_id)


@router.post(
    "/alerts/{alert_id}/acknowledge",
    tags=["alerts"],
    responses={409: {"model": ErrorBody, "description": "Somebody else was first"}},
)
def acknowledge_alert(
    web: WebParts, visitor: Responder, alert_id: AlertId, body: AcknowledgeBody
) -> AlertView:
    """Take an alert: the escalation stops. A second time by the same person changes nothing."""
    return acknowledge(web, visitor, alert_id, body.version)


def acknowledge(web: Web, visitor: Responder, alert_id: str, version: int | None) -> AlertView:
    """Take an alert for the visitor, and count how that went.

    Raises:
        AlertConflict, AlertNotVisible: as the service does.
        Refusal: the id is none.
    """
    if not is_uuid7(alert_id):
        raise errors.not_found()
    try:
        view = web.service.acknowledge(visitor.viewer, alert_id, version=version)
    except AlertConflict:
        web.metrics.acknowledged.labels("conflict").inc()
        raise
    web.metrics.acknowledged.labels("ok").inc()
    return view


def _get(web: Web, visitor: Reader, alert_id: str) -> AlertView:
    if not is_uuid7(alert_id):
        raise errors.not_found()
    return web.service.get(visitor.viewer, alert_id)


def _session_body(session: Session) -> SessionBody:
    return SessionBody(
        id=session.id,
        csrf_token=session.csrf_token,
        created_at=session.created_at,
        expires_at=session.expires_at,
    )
