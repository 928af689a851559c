"""Devices: edge nodes and their health, cameras and their state, and a list to import."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from alerts.inhibition.losses import SILENT_AFTER
from alerts.life.state import LIVE
from alerts.store.schema import alerts
from alerts.web.base.errors import Refusal
from alerts.web.base.render import page
from alerts.web.base.uploads import sent
from alerts.web.context import Web
from alerts.web.people.auth import DeviceReader, Installer, WebParts
from config.csv_import import as_toml, read_cameras, secrets_toml
from config.errors import UserError
from config.secrets import CameraSecret
from config.site import Camera, LegalClass, Node
from ingest.engine import reading
from ingest.schema import events, presence

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node: ``state`` is ``online``, ``silent``, ``offline`` or ``never``."""

    node: Node
    state: str
    received_at: datetime | None
    outbox_events: int
    cameras_online: int
    cameras: int


@dataclass(frozen=True, slots=True)
class CameraState:
    """One camera: the open trouble, if any, and when it was last heard of."""

    camera: Camera
    trouble: str | None
    last_at: datetime | None


@router.get("/devices")
def devices_page(request: Request, web: WebParts, visitor: DeviceReader) -> Response:
    """Nodes first, the unhealthy on top; then the cameras."""
    nodes = sorted(node_states(web), key=lambda n: (n.state == "online", n.node.id))
    cameras = sorted(camera_states(web), key=lambda c: (c.trouble is None, c.camera.id))
    return page(request, web, visitor, "devices.html", nodes=nodes, cameras=cameras)


def node_states(web: Web) -> list[NodeState]:
    """Every node of the site, from its last sign of life."""
    with reading(web.engine) as connection:
        signs = {row.node: row for row in connection.execute(select(presence))}
    now = web.clock.now()
    found = []
    for node in web.site.nodes:
        sign = signs.get(node.id)
        state = "never" if sign is None else sign.state
        if sign is not None and state == "online" and now - sign.received_at > SILENT_AFTER:
            state = "silent"
        found.append(
            NodeState(
                node=node,
                state=state,
                received_at=sign.received_at if sign is not None else None,
                outbox_events=sign.outbox_events if sign is not None else 0,
                cameras_online=sign.cameras_online if sign is not None else 0,
                cameras=len(web.site.cameras_of(node.id)),
            )
        )
    return found


def camera_states(web: Web) -> list[CameraState]:
    """Every camera but those of homes, whose owners see them."""
    live = [str(state) for state in LIVE]
    condition = alerts.c.kind == "health", alerts.c.state.in_(live)
    with reading(web.engine) as connection:
        troubles = {
            row.camera: row.dedup_key.rsplit("|", 1)[-1]
            for row in connection.execute(
                select(alerts.c.camera, alerts.c.dedup_key).where(*condition)
            )
        }
        newest = select(events.c.camera, func.max(events.c.received_at)).group_by(events.c.camera)
        last = {row[0]: row[1] for row in connection.execute(newest)}
    return [
        CameraState(camera, troubles.get(camera.id), last.get(camera.id))
        for camera in web.site.cameras
        if camera.legal_class is not LegalClass.HOME
    ]


@router.get("/cameras/import")
def import_page(request: Request, web: WebParts, visitor: Installer) -> Response:
    """The form for a list of cameras."""
    return page(request, web, visitor, "import.html", cameras=None)


@router.post("/cameras/import")
async def import_list(request: Request, web: WebParts, visitor: Installer) -> Response:
    """Check a list; shows what it would add, as text for the site and the secrets file."""
    async with sent(request) as form:
        data = await form.file("list")
    if not data:
        raise Refusal(422, "no_list", zh="请选择 CSV 文件", en="Choose a CSV file")
    try:
        cameras, secrets = await run_in_threadpool(_read, data)
        problem = unknown(web, cameras)
    except UserError as error:
        cameras, secrets, problem = [], {}, str(error)
    web.audit.append(
        actor=visitor.person.id,
        action="cameras-checked",
        object="camera list",
        detail=f"{len(cameras)} cameras" if problem is None else "refused",
    )
    return page(
        request,
        web,
        visitor,
        "import.html",
        status=200 if problem is None else 422,
        cameras=cameras,
        problem=problem,
        site_text=as_toml(cameras),
        secrets_text=secrets_toml(secrets),
    )


def _read(data: bytes) -> tuple[list[Camera], dict[str, CameraSecret]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cameras.csv"
        path.write_bytes(data)
        try:
            cameras, secrets = read_cameras(path)
        except UserError as error:
            raise UserError(
                where="CSV",
                line=error.line,
                field=error.field,
                problem=error.problem,
                remedy=error.remedy,
            ) from None
    return cameras, secrets


def unknown(web: Web, cameras: list[Camera]) -> str | None:
    """The first camera that is in the site already, or whose node, grid or owner we do not have."""
    nodes, grids = {n.id for n in web.site.nodes}, {g.id for g in web.site.grids}
    streams = {camera.url: camera.id for camera in web.site.cameras}
    for camera in cameras:
        if web.site.camera(camera.id) is not None:
            return f"摄像机 {camera.id} 已在站点里 is in the site already"
        if camera.url in streams:
            there = streams[camera.url]
            return f"摄像机 {camera.id}：主码流已属于 its stream is that of {there!r}"
        if camera.node not in nodes:
            return f"摄像机 {camera.id}：没有节点 there is no node {camera.node!r}"
        if camera.grid not in grids:
            return f"摄像机 {camera.id}：没有网格 there is no grid {camera.grid!r}"
        if camera.owner is not None and web.site.person(camera.owner) is None:
            return f"摄像机 {camera.id}：没有户主 there is no person {camera.owner!r}"
    return None
