"""Draw: zones, lines and masks on a camera's picture, and the printable sign with its QR code."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from markupsafe import Markup
from pydantic import Field

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.qr import qr_svg
from alerts.web.base.render import page
from alerts.web.camera.cameras import find_camera
from alerts.web.context import Web
from alerts.web.installer.drawings import Drawing, Revision, of_site
from alerts.web.people.auth import Installer, Visitor, WebParts
from config.event import Frozen
from config.site import Camera, LegalClass

router = APIRouter(prefix="/cameras/{camera_id}", include_in_schema=False)
CameraId = Annotated[str, Path(max_length=63)]


class Drawn(Frozen):
    """A drawing, and the revision it was drawn on."""

    on: Annotated[int, Field(ge=0)]
    drawing: Drawing


@router.get("/draw")
def draw_page(request: Request, web: WebParts, visitor: Installer, camera_id: CameraId) -> Response:
    """The picture with what is drawn on it."""
    camera, revision = _newest(web, visitor, camera_id)
    return page(
        request,
        web,
        visitor,
        "draw.html",
        camera=camera,
        revision=revision,
        latest=web.seen.latest_picture(camera.id),
        body=revision.drawing.model_dump_json(),
    )


@router.post("/draw")
def save_drawing(web: WebParts, visitor: Installer, camera_id: CameraId, body: Drawn) -> Response:
    """Store the next revision; refused when somebody else has drawn since."""
    camera, _ = _newest(web, visitor, camera_id)
    zones, lines = body.drawing.zones, body.drawing.lines
    names = [*(zone.id for zone in zones), *(line.id for line in lines)]
    if len(set(names)) != len(names):
        raise Refusal(422, "same_name", zh="名称重复", en="Two shapes have the same name")
    revision = web.drawings.draw(camera.id, body.drawing, on=body.on, by=visitor.person.id)
    if revision is None:
        raise Refusal(
            409,
            "drawn_meanwhile",
            zh="别人刚改过，请刷新后再画",
            en="Somebody else has drawn meanwhile; reload",
        )
    web.audit.append(
        actor=visitor.person.id,
        action="drawing-saved",
        object=f"camera {camera.id}",
        detail=f"revision {revision.number}",
    )
    return JSONResponse({"revision": revision.number})


@router.get("/draw.toml")
def drawing_text(web: WebParts, visitor: Installer, camera_id: CameraId) -> Response:
    """The drawing as keys of the site file, to put into the camera's table."""
    _, revision = _newest(web, visitor, camera_id)
    return PlainTextResponse(to_toml(revision.drawing))


@router.get("/sign")
def sign_page(request: Request, web: WebParts, visitor: Installer, camera_id: CameraId) -> Response:
    """The sign to print: what the law asks to be told, and the code of the notice page."""
    camera = find_camera(web, visitor, camera_id)
    if camera.legal_class is LegalClass.HOME:
        raise errors.not_found()
    token = web.signs.token(camera.id)
    address = f"{request.base_url}notice/{camera.id}?t={token}"
    return page(
        request,
        web,
        visitor,
        "sign.html",
        camera=camera,
        code=" ".join(token[i : i + 4] for i in range(0, len(token), 4)),
        qr=Markup(qr_svg(address, label="公告二维码 Notice")),  # noqa: S704 - our own SVG
    )


def to_toml(drawing: Drawing) -> str:
    """``masks``, ``zones`` and ``lines`` of one ``[[cameras]]`` table."""
    masks = [mask.polygon for mask in drawing.masks]
    zones = [_inline(zone.model_dump(mode="json", exclude_none=True)) for zone in drawing.zones]
    lines = [_inline(line.model_dump(mode="json")) for line in drawing.lines]
    return (
        f"masks = {json.dumps(masks)}\nzones = [{', '.join(zones)}]\nlines = [{', '.join(lines)}]\n"
    )


def _inline(values: dict[str, object]) -> str:
    # JSON strings, numbers and arrays of them are also TOML; only the table itself differs.
    parts = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "{ " + ", ".join(parts) + " }"


def _newest(web: Web, visitor: Visitor, camera_id: str) -> tuple[Camera, Revision]:
    camera = find_camera(web, visitor, camera_id)
    return camera, web.drawings.newest(camera.id) or Revision(0, of_site(camera))
