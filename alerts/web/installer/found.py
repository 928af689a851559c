"""Found camera: what the law asks is written down, the node tries it, and it can join the site."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from pydantic import SecretStr

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.node_door import refused, stranger, told_by
from alerts.web.base.render import page
from alerts.web.base.uploads import Sent, sent
from alerts.web.context import Web
from alerts.web.installer.devices import unknown
from alerts.web.installer.discovery import Discoveries, NodeId, host_of
from alerts.web.installer.trials import PATIENCE, Trial, Trials
from alerts.web.people.auth import Installer, Visitor, WebParts
from config.csv_import import as_toml, camera_of, secrets_toml
from config.discovery import (
    TRIAL_PATH,
    FoundCamera,
    TrialReport,
    TryCamera,
    main_and_sub,
    sources_of,
)
from config.errors import UserError
from config.secrets import CameraSecret
from config.site import Camera, LegalClass, Role
from ingest.live import LiveRelay

LOOK_S = 0.3
_SERVICES_MAX = 3
_TEXTS = (
    *("id", "name", "grid", "legal_class", "duty_holder", "purpose", "sign"),
    *("retention_days", "owner"),
)
"""What an installer says of a camera; where it is found, the node tells."""
_PLACEHOLDER = "rtsp://found/"
"""Stands for the stream while only the texts are checked."""
Address = Annotated[str, Path(max_length=45)]
TrialId = Annotated[str, Path(max_length=36)]


@dataclass(frozen=True, slots=True)
class Wish:
    """What an installer has filled in; the password is never shown again."""

    texts: dict[str, str]
    source: str
    login: CameraSecret | None

    @classmethod
    def read(cls, form: Sent) -> Wish:
        """From the form; longer texts than a site file takes are refused there."""
        texts = {name: form.text(name, limit=200) for name in _TEXTS}
        user = form.text("user", limit=64)
        password = form.form.get("password")
        secret = password if isinstance(password, str) else ""
        if len(secret) > 128:
            raise Refusal(422, "too_long", zh="密码太长", en="At most 128 characters")
        login = CameraSecret(user=user, password=SecretStr(secret)) if user else None
        source = form.text("source", limit=200)
        return cls({key: text for key, text in texts.items() if text}, source, login)

    def camera(self, node: str, *, url: str = _PLACEHOLDER, sub: str | None = None) -> Camera:
        """The camera that it describes; raises UserError naming the field that is wrong."""
        fields = {**self.texts, "node": node, "url": url}
        if sub is not None:
            fields["sub_url"] = sub
        return camera_of(fields, where="摄像机 camera")


def found_router(relay: LiveRelay, tokens: Mapping[str, SecretStr]) -> APIRouter:
    """The page of a found camera, and the door where nodes report their trials.

    Args:
        relay: through it a node is asked to try.
        tokens: the bearer token of each node.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/discovery/trials/{trial_id}/picture")
    def picture(web: WebParts, visitor: Installer, trial_id: TrialId) -> Response:
        """The picture of a trial: for who asked, once."""
        jpeg = Trials(web.engine, web.clock).take_picture(trial_id, by=visitor.person.id)
        if jpeg is None:
            raise errors.not_found()
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @router.get("/discovery/{node_id}/{address}")
    def found_page(
        request: Request, web: WebParts, visitor: Installer, node_id: NodeId, address: Address
    ) -> Response:
        """The form, with what is known of the camera filled in."""
        camera = _found(web, node_id, address)
        wish = Wish(_guess(camera, node_id), "", None)
        return _page(request, web, visitor, node_id, camera, wish)

    @router.post("/discovery/{node_id}/{address}")
    async def try_it(
        request: Request, web: WebParts, visitor: Installer, node_id: NodeId, address: Address
    ) -> Response:
        """Let the node try it; shows what it saw, and the texts for the site and secrets files."""
        call = web.broadcaster.call
        camera = await call(lambda: _found(web, node_id, address))
        async with sent(request) as form:
            wish = Wish.read(form)
        try:
            drawn = wish.camera(node_id)
            problem = unknown(web, [drawn])
        except UserError as error:
            problem = str(error)
        if problem is not None:
            return _page(request, web, visitor, node_id, camera, wish, problem=problem)
        trial = await _tried(web, relay, visitor, node_id, camera, wish, drawn)
        return _page(request, web, visitor, node_id, camera, wish, trial=trial)

    @router.put(TRIAL_PATH + "{trial_id}")
    async def report(
        request: Request,
        web: WebParts,
        trial_id: TrialId,
        node: Annotated[str, Header(alias="x-menshen-node", max_length=63)] = "",
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        """A node tells what came of a trial (``TrialReport``)."""
        if (refusal := stranger(tokens, node=node, authorization=authorization)) is not None:
            return refusal
        told = await told_by(request, TrialReport)
        if isinstance(told, Response):
            return told
        trials = Trials(web.engine, web.clock)
        if not await web.broadcaster.call(lambda: trials.report(trial_id, node=node, report=told)):
            return refused(404, "nobody waits for this", "ask again from the page")
        return Response(status_code=204)

    return router


def _found(web: Web, node: str, address: str) -> FoundCamera:
    """What the node's last search found at that address; nothing else can be tried.

    Raises:
        Refusal: 404, nothing was found there; 403, a home of the site has its camera there, and
            nobody else looks through that, under whatever name.
    """
    search = Discoveries(web.engine, web.clock).all().get(node)
    cameras = search.cameras if search is not None else ()
    camera = next((one for one in cameras if one.address == address), None)
    if camera is None or not any(one.id == node for one in web.site.nodes):
        raise errors.not_found()
    homes = (one for one in web.site.cameras_of(node) if one.legal_class is LegalClass.HOME)
    if any(host_of(one.url) == address for one in homes):
        raise Refusal(
            403,
            "a_home",
            zh="这个地址上有住户的摄像机，只有住户能看",
            en="A home has its camera at this address; only its people look through it",
        )
    return camera


async def _tried(
    web: Web,
    relay: LiveRelay,
    visitor: Visitor,
    node: str,
    found: FoundCamera,
    wish: Wish,
    camera: Camera,
) -> Trial:
    """Ask the node and wait for its answer.

    Raises:
        Refusal: 409, the node is not linked; 504, it does not answer.
    """
    trials, call = Trials(web.engine, web.clock), web.broadcaster.call
    trial = await call(lambda: trials.begin(node, by=visitor.person.id))
    is_home = camera.legal_class is LegalClass.HOME
    order = TryCamera(
        trial=trial,
        address=found.address,
        services=found.services[:_SERVICES_MAX],
        user=wish.login.user if wish.login else "",
        password=wish.login.password if wish.login else SecretStr(""),
        source=wish.source,
        picture=not is_home,
    )
    # Written before a picture is taken: a look that cannot be audited does not happen.
    await call(
        lambda: web.audit.append(
            actor=visitor.person.id,
            action="camera-tried",
            object=f"node {node}",
            detail=f"{found.address}; to be {camera.id}; class {camera.legal_class};"
            f" {'no picture: a home' if is_home else 'one picture, to set it up'}",
        )
    )
    if not relay.tell(node, order):
        await call(lambda: trials.forget(trial))
        raise _not_linked()
    return await _answer(web, trials, trial)


async def _answer(web: Web, trials: Trials, trial: str) -> Trial:
    until = web.clock.monotonic() + PATIENCE.total_seconds()
    while web.clock.monotonic() < until and not web.broadcaster.closed:
        found = await web.broadcaster.call(lambda: trials.get(trial))
        if found is None:
            break
        if found.report is not None:
            if not found.has_picture:
                await web.broadcaster.call(lambda: trials.forget(trial))
            return found
        await asyncio.sleep(LOOK_S)
    await web.broadcaster.call(lambda: trials.forget(trial))
    raise Refusal(
        504, "node_silent", zh="节点没有回应，请再试", en="The node has not answered; try again"
    )


def _page(
    request: Request,
    web: Web,
    visitor: Visitor,
    node: str,
    found: FoundCamera,
    wish: Wish,
    *,
    problem: str | None = None,
    trial: Trial | None = None,
) -> Response:
    """The form as filled in, and what came of a trial."""
    report = trial.report if trial is not None else None
    streams = report.streams if report is not None else found.streams
    main, sub = main_and_sub(streams, wish.source)
    works = report is not None and main is not None and report.width > 0
    texts = ("", "")
    if main is not None and works:
        camera = wish.camera(node, url=main.url, sub=sub.url if sub is not None else None)
        problem = unknown(web, [camera])
        secret = {} if wish.login is None else {camera.id: wish.login}
        texts = (as_toml([camera]), secrets_toml(secret)) if problem is None else texts
    return page(
        request,
        web,
        visitor,
        "found.html",
        status=422 if problem is not None else 200,
        node=next(one for one in web.site.nodes if one.id == node),
        found=found,
        filled=wish.texts,
        source=wish.source,
        user=wish.login.user if wish.login else "",
        problem=problem,
        trial=trial,
        report=report,
        works=works,
        chosen=(main, sub),
        sources=sources_of(streams),
        classes=list(LegalClass),
        grids=web.site.grids,
        owners=web.site.people_of(Role.HOME_OWNER),
        site_text=texts[0],
        secrets_text=texts[1],
    )


def _guess(found: FoundCamera, node: str) -> dict[str, str]:
    """An id and a name to begin with."""
    tail = found.address.replace(":", "-").replace(".", "-")
    return {"id": f"{node}-{tail}"[:63].strip("-"), "name": found.place or found.name}


def _not_linked() -> Refusal:
    return Refusal(
        409,
        "node_not_linked",
        zh="节点现在没有连上中心",
        en="The node is not linked to the centre now",
    )
