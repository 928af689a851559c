"""Household: whom a home's own cameras may recognise: enrol with consent, renew, withdraw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool

from alerts.web.base import errors, photos
from alerts.web.base.render import page
from alerts.web.base.uploads import Sent, sent
from alerts.web.context import Web
from alerts.web.home.household_pictures import Outcome, PictureDesk, picture_door
from alerts.web.home.household_state import members_of
from alerts.web.home.household_words import CONSENT, CONSENT_VERSION, REFUSALS
from alerts.web.people.auth import HomeOwner, Visitor, WebParts
from config.household import MEMBERS_PER_HOME, Enrol
from config.site import Camera
from ingest.households import Consent, Households, recognises
from ingest.live import LiveRelay

PATH = "/home/household"
RENEW_WITHIN = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A form whose every field is right."""

    label: str
    guardian: str | None
    cameras: tuple[Camera, ...]
    photo: bytes


class _NoError(Exception):
    """Why the form cannot be taken, as a key of :data:`REFUSALS`."""


def household_router(relay: LiveRelay, tokens: Mapping[str, SecretStr]) -> APIRouter:
    """The owner's page, and the door where nodes fetch pictures.

    Args:
        relay: through it a node is asked: its live link is the only way in behind NAT.
        tokens: the bearer token of each node.
    """
    router = APIRouter(include_in_schema=False)
    desk = PictureDesk()
    router.include_router(picture_door(desk, tokens))

    @router.get(PATH)
    def household_page(request: Request, web: WebParts, visitor: HomeOwner) -> Response:
        """Who is enrolled, where, until when; and the form to enrol somebody."""
        return _page(request, web, visitor, relay)

    @router.post(PATH)
    async def enrol(request: Request, web: WebParts, visitor: HomeOwner) -> Response:
        """Record a consent and let the home's nodes learn the face in a photo."""
        cameras = household_cameras(web, visitor)
        if not cameras:
            raise errors.not_found()
        call = web.broadcaster.call
        async with sent(request) as form:
            label, guardian = form.text("label", limit=200), form.text("guardian", limit=200)
            try:
                asked = await _asked(form, cameras)
                outcome: str = await _enrol(web, visitor, relay, desk, asked)
            except _NoError as error:
                outcome = str(error)
        if outcome == "ok":
            return RedirectResponse(f"{PATH}?done=yes", status_code=303)
        typed = {"label": label[:20], "guardian": guardian[:40]}
        return await call(
            lambda: _page(request, web, visitor, relay, problem=outcome, typed=typed, status=422)
        )

    @router.post(PATH + "/{member_id}/delete")
    def withdraw(web: WebParts, visitor: HomeOwner, member_id: str) -> Response:
        """End a consent at once; the nodes erase what they hold."""
        _owner_only(web, visitor)
        if not _households(web).withdraw(visitor.person.id, member_id):
            raise errors.not_found()
        _audit(web, visitor, "household-withdrawn", f"member {member_id}")
        return RedirectResponse(PATH, status_code=303)

    @router.post(PATH + "/{member_id}/renew")
    def renew(
        web: WebParts,
        visitor: HomeOwner,
        member_id: str,
        consent: Annotated[str, Form(max_length=8)] = "",
    ) -> Response:
        """The same person agrees for one more year."""
        _owner_only(web, visitor)
        is_agreed = consent == "yes"
        store = _households(web)
        if not is_agreed or not store.renew(
            visitor.person.id, member_id, consent_version=CONSENT_VERSION
        ):
            raise errors.not_found()
        _audit(web, visitor, "household-renewed", f"member {member_id}, text {CONSENT_VERSION}")
        return RedirectResponse(PATH, status_code=303)

    return router


def household_cameras(web: Web, visitor: Visitor) -> tuple[Camera, ...]:
    """Cameras at which this person may enrol their household; empty for everybody else.

    Family members share the pages of a home, but only its owner answers for who is enrolled.
    """
    if visitor.viewer.homes:
        return ()
    return tuple(one for one in web.site.cameras if recognises(one, visitor.person.id))


def _owner_only(web: Web, visitor: Visitor) -> None:
    if not household_cameras(web, visitor):
        raise errors.not_found()


def _page(
    request: Request,
    web: Web,
    visitor: Visitor,
    relay: LiveRelay,
    *,
    problem: str | None = None,
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    cameras = household_cameras(web, visitor)
    if not cameras:
        raise errors.not_found()
    store, now = _households(web), web.clock.now()
    nodes = store.nodes()
    return page(
        request,
        web,
        visitor,
        "household.html",
        status=status,
        members=members_of(store.consents(visitor.person.id), nodes, web.site, relay, now),
        problems={
            one.node: nodes[one.node].problem
            for one in cameras
            if one.node in nodes and nodes[one.node].problem
        },
        cameras=cameras,
        offline=[one for one in cameras if not relay.is_online(one.node)],
        consent=CONSENT,
        consent_version=CONSENT_VERSION,
        problem=REFUSALS.get(problem) if problem is not None else None,
        typed=typed or {},
        done="done" in request.query_params and problem is None,
        renew_from=now + RENEW_WITHIN,
    )


async def _asked(form: Sent, cameras: tuple[Camera, ...]) -> _Asked:
    """The form, held against everything that can be said before a node is asked."""
    label = form.text("label", limit=200)
    if not 0 < len(label) <= 20 or not label.isprintable():
        raise _NoError("no_label")
    chosen = tuple(one for one in cameras if one.id in form.texts("camera"))
    if not chosen:
        raise _NoError("no_camera")
    guardian = form.text("guardian", limit=200) if form.text("minor") == "yes" else None
    if guardian is not None and (not 0 < len(guardian) <= 40 or not guardian.isprintable()):
        raise _NoError("no_guardian")
    if form.text("consent") != "yes":
        raise _NoError("no_consent")
    data = await form.file("photo")
    if not data:
        raise _NoError("no_photo")
    photo = await run_in_threadpool(photos.clean, data)
    return _Asked(label, guardian, chosen, photo)


async def _enrol(
    web: Web, visitor: Visitor, relay: LiveRelay, desk: PictureDesk, asked: _Asked
) -> str:
    call, store, owner = web.broadcaster.call, _households(web), visitor.person.id
    at_nodes: dict[str, list[str]] = defaultdict(list)
    for camera in asked.cameras:
        at_nodes[camera.node].append(camera.id)
    if not all(relay.is_online(node) for node in at_nodes):
        raise _NoError("offline")
    now = web.clock.now()
    if sum(one.holds(now) for one in await call(lambda: store.consents(owner))) >= MEMBERS_PER_HOME:
        raise _NoError("home_full")
    made, revisions = await call(
        lambda: store.ask(
            owner=owner,
            label=asked.label,
            cameras=[one.id for one in asked.cameras],
            guardian=asked.guardian,
            consent_version=CONSENT_VERSION,
        )
    )
    outcome: str = "silent"
    try:
        outcome = await _learnt(desk, relay, made, asked.photo, at_nodes, revisions)
        if outcome == "ok" and not await call(lambda: store.enrolled(made.id)):
            outcome = "withdrawn"
    finally:
        # Also when the browser has gone: nobody may stay half enrolled.
        if outcome != "ok":
            await call(lambda: store.refused(made.id))
    what = "household-enrolled" if outcome == "ok" else "household-refused"
    detail = f"member {made.id}, text {CONSENT_VERSION}, {outcome}"
    await call(lambda: _audit(web, visitor, what, detail))
    return outcome


async def _learnt(
    desk: PictureDesk,
    relay: LiveRelay,
    made: Consent,
    photo: bytes,
    at_nodes: Mapping[str, list[str]],
    revisions: Mapping[str, int],
) -> Outcome:
    """Ask every node of the home in turn; the first that cannot learn the face decides."""
    for node, cameras in at_nodes.items():

        def order(ticket: str, node: str = node, cameras: list[str] = cameras) -> bool:
            enrol = Enrol(
                ticket=ticket,
                member=made.id,
                cameras=tuple(cameras),
                expires_at=made.expires_at,
                revision=revisions[node],
            )
            return relay.tell(node, enrol)

        outcome = await desk.show(node, photo, order)
        if outcome != "ok":
            return outcome
    return "ok"


def _households(web: Web) -> Households:
    return Households(web.engine, web.site, web.clock)


def _audit(web: Web, visitor: Visitor, action: str, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id,
        action=action,
        object=f"home {visitor.person.id}",
        detail=detail,
    )
