"""Fall-back pages: an owner agrees that others are told, asks neighbours, and takes it back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from alerts.life.state import State
from alerts.seeing.views import AlertView, Viewer
from alerts.web.alert.permits import owns
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.home.fallbacks import NEIGHBOUR_LIMIT
from alerts.web.people.auth import HomeOwner, Visitor, WebParts
from config.site import Person, Role

router = APIRouter(prefix="/home", include_in_schema=False)
BACK = "/home#fallback"


def fallback_state(web: Web, visitor: Visitor) -> dict[str, Any]:
    """What the page shows: the consent, whom one asked, and who asked oneself."""
    person = visitor.person.id
    return {
        "agreed": web.fallbacks.agreed(person),
        "neighbours": web.fallbacks.neighbours(person),
        "asked_of_me": web.fallbacks.asked_of(person),
    }


def told_alone(web: Web, viewer: Viewer, alert: AlertView) -> bool:
    """True when this alert of the viewer's own home waits for an answer, and nobody but the home
    and the worker on duty will ever be told."""
    if alert.state is not State.OPEN or not owns(web.site, viewer, alert):
        return False
    camera = web.site.camera(alert.camera_id)
    owner = camera.owner if camera is not None else None
    is_wider = owner is None or web.fallbacks.agreed(owner) or web.fallbacks.called(alert.id)
    return not is_wider


@router.post("/fallback")
def choose_fallback(
    web: WebParts, visitor: HomeOwner, agreed: Annotated[Literal["yes", "no"], Form()]
) -> Response:
    """Agree that the grid is told when the home is silent, or take it back; only the owner may."""
    _owner_only(visitor)
    web.fallbacks.agree(visitor.person.id, is_agreed=agreed == "yes")
    what = "fallback-agreed" if agreed == "yes" else "fallback-revoked"
    _audit(web, visitor, what, visitor.person.id, "")
    return RedirectResponse(BACK, status_code=303)


@router.post("/neighbours")
def ask_neighbour(
    web: WebParts, visitor: HomeOwner, account: Annotated[str, Form(max_length=63)]
) -> Response:
    """Ask a neighbour, by the account they told one, to be told in one's place."""
    _owner_only(visitor)
    if not web.fallbacks.agreed(visitor.person.id):
        raise Refusal(409, "not_agreed", zh="请先打开“通知网格”", en="Agree to the fall-back first")
    known = web.fallbacks.neighbours(visitor.person.id)
    if len(known) >= NEIGHBOUR_LIMIT or account.strip() in {one.neighbour for one in known}:
        raise Refusal(422, "enough", zh="已请过，或已满 3 位", en="Asked already, or 3 are enough")
    person = web.site.person(account.strip())
    # The same answer whoever it is: the form must not tell which accounts there are.
    if person is not None and _is_neighbour(visitor.person, person):
        web.fallbacks.ask(visitor.person.id, person.id)
        _audit(web, visitor, "neighbour-asked", visitor.person.id, person.id)
    return RedirectResponse(BACK, status_code=303)


@router.post("/neighbours/{person_id}/{answer}")
def answer_neighbour(web: WebParts, visitor: HomeOwner, person_id: str, answer: str) -> Response:
    """Accept or decline the home of ``person_id``, leave it, or ``end`` a neighbour's turn."""
    me = visitor.person.id
    moves = {
        "accept": (person_id, me, "accepted", ("asked",)),
        "decline": (person_id, me, "declined", ("asked",)),
        "leave": (person_id, me, "ended", ("accepted",)),
        "end": (me, person_id, "ended", ("asked", "accepted")),
    }
    if answer not in moves:
        raise errors.not_found()
    owner, neighbour, state, earlier = moves[answer]
    if not web.fallbacks.decide(owner, neighbour, state, earlier=earlier):
        raise errors.not_found()
    _audit(web, visitor, f"neighbour-{state}", owner, neighbour)
    return RedirectResponse(BACK, status_code=303)


def _owner_only(visitor: Visitor) -> None:
    if visitor.viewer.homes:
        raise errors.forbidden()


def _is_neighbour(owner: Person, person: Person) -> bool:
    is_near = owner.grid is not None and person.grid == owner.grid
    return person.role is Role.HOME_OWNER and is_near and person.id != owner.id


def _audit(web: Web, visitor: Visitor, action: str, owner: str, detail: str) -> None:
    web.audit.append(actor=visitor.person.id, action=action, object=f"home {owner}", detail=detail)
