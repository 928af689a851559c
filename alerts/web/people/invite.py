"""Invite: who has an account, an invitation as a QR code, and the page where it is used."""

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
from alerts.web.people.auth import (
    Inviter,
    Visitor,
    WebParts,
    cookie_name,
    drop_cookie,
    refuse_foreign_origin,
    set_cookie,
)
from config.site import Person, Role

router = APIRouter(include_in_schema=False)
PASSWORD_MIN = 8
INVITED_BY_TOWNSHIP = frozenset({Role.HOME_OWNER, Role.GRID_WORKER, Role.GRID_HEAD})


@router.get("/people")
def people_page(request: Request, web: WebParts, visitor: Inviter) -> Response:
    """Everybody of the site: who can log in, who was invited, how many devices are logged in."""
    return page(
        request,
        web,
        visitor,
        "people.html",
        people=[person for person in web.site.people if _may_invite(visitor, person)],
        accounts=web.accounts.known(),
        invitations=web.invitations.latest(),
        devices=web.sessions.counts(),
    )


@router.post("/people/{person_id}/invite")
def invite(request: Request, web: WebParts, visitor: Inviter, person_id: str) -> Response:
    """Make an invitation and show its QR code, this once."""
    person = _person(web, visitor, person_id)
    return invitation_page(request, web, visitor, person, back="/people")


@router.post("/people/{person_id}/log-out")
def log_out_everywhere(web: WebParts, visitor: Inviter, person_id: str) -> Response:
    """End every session of somebody, and push to every browser: a phone was lost, or they left."""
    person = _person(web, visitor, person_id)
    count = web.sessions.revoke_all(person.id)
    browsers = forget_browsers(web.engine, person.id)
    web.audit.append(
        actor=visitor.person.id,
        action="sessions-revoked",
        object=f"person {person.id}",
        detail=f"{count} sessions, push to {browsers} browsers",
    )
    return RedirectResponse("/people", status_code=303)


@router.get("/join/{token}")
def join_page(request: Request, web: WebParts, token: str) -> Response:
    """Where an invitation leads: choose a password."""
    return _join(request, web, token)


@router.post("/join/{token}")
def join(
    request: Request,
    web: WebParts,
    token: str,
    password: Annotated[str, Form(max_length=1024)] = "",
    again: Annotated[str, Form(max_length=1024)] = "",
    form_token: Annotated[str, Form(max_length=128)] = "",
) -> Response:
    """Set the password, spend the invitation, and go on to log in."""
    refuse_foreign_origin(request)
    nonce = request.cookies.get(cookie_name(request, "login"))
    if not web.login_form.check(nonce, form_token):
        return _join(request, web, token, errors.csrf_refused())
    problem = _weak(password, again)
    if problem is not None:
        return _join(request, web, token, problem)
    invitation = web.invitations.find(token[:64])
    if invitation is None or not web.invitations.use(invitation):
        return _join(request, web, token)
    web.accounts.set_password(invitation.person_id, password)
    web.audit.append(
        actor=invitation.person_id,
        action="invitation-used",
        object=f"person {invitation.person_id}",
        detail=f"invited by {invitation.created_by}",
    )
    response = RedirectResponse("/login", status_code=303)
    drop_cookie(response, request, "login")
    return response


def invitation_page(
    request: Request, web: Web, visitor: Visitor, person: Person, *, back: str
) -> Response:
    """A fresh invitation for ``person``: its address as a QR code and as text."""
    token = web.invitations.invite(person.id, by=visitor.person.id)
    web.audit.append(
        actor=visitor.person.id,
        action="invited",
        object=f"person {person.id}",
        detail="one-time link, valid for 48 hours",
    )
    address = f"{request.base_url}join/{token}"
    return page(
        request,
        web,
        visitor,
        "invitation.html",
        person=person,
        address=address,
        qr=Markup(qr_svg(address, label="邀请二维码 Invitation")),  # noqa: S704 - our own SVG
        back=back,
    )


def _join(request: Request, web: Web, token: str, error: Refusal | None = None) -> Response:
    invitation = web.invitations.find(token[:64])
    if invitation is None:
        raise Refusal(
            404,
            "no_invitation",
            zh="邀请已用过或已过期：已设过密码请直接登录，否则请再要一张",
            en="This invitation was used or has expired: log in if you have set your password, "
            "else ask for another",
        )
    nonce, form_token = web.login_form.issue(request.cookies.get(cookie_name(request, "login")))
    response = web.templates.TemplateResponse(
        request,
        "join.html",
        {
            "token": token,
            "form_token": form_token,
            "error": error,
            "person_id": invitation.person_id,
            "minimum": PASSWORD_MIN,
        },
        status_code=error.status if error is not None else 200,
    )
    set_cookie(response, request, "login", nonce)
    return response


def _weak(password: str, again: str) -> Refusal | None:
    if len(password) < PASSWORD_MIN or password.isdigit():
        return Refusal(
            422,
            "weak_password",
            zh=f"密码至少 {PASSWORD_MIN} 位，不能全是数字",
            en=f"At least {PASSWORD_MIN} characters, not digits alone",
        )
    if password != again:
        return Refusal(422, "not_the_same", zh="两次输入不一样", en="The two are not the same")
    return None


def _may_invite(visitor: Visitor, person: Person) -> bool:
    """The township invites its grids and homes; only an administrator invites the others."""
    return visitor.person.role is Role.ADMIN or person.role in INVITED_BY_TOWNSHIP


def _person(web: Web, visitor: Visitor, person_id: str) -> Person:
    person = web.site.person(person_id)
    if person is None or not _may_invite(visitor, person):
        raise errors.not_found()
    return person
