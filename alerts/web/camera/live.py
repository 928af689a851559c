"""Live view: a WebSocket per viewer, a picture where that cannot be played, every view audited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.base.words import Words
from alerts.web.camera.cameras import find_camera
from alerts.web.camera.live_access import watched_camera
from alerts.web.camera.live_words import NOT_ALLOWED, SESSION_ENDED, STATES, message
from alerts.web.context import Web
from alerts.web.people.auth import (
    EvidenceReader,
    Reader,
    Visitor,
    WebParts,
    find_visitor,
    lacks_factor,
    refuse_foreign_origin,
)
from config.live import FrameKind, LiveFrame, Mode, Stream
from config.site import Camera
from ingest.live import LiveRelay
from ingest.live_channel import LiveViewer

RECHECK_S = 2.0
"""How soon a revoked session or an ended grant ends the view."""
SNAPSHOT_S = 6.0
FAREWELL_S = 2.0
VIEWS_PER_PERSON = 16
PURPOSE_CHARS = 200
_ENDED, _REFUSED = 4401, 4403
"""Close codes of our own (RFC 6455, 7.4.2): the page must not reconnect."""
_CHATTER_MAX = 100

CameraId = Annotated[str, Path(max_length=63)]
Purpose = Annotated[
    str, Query(min_length=2, max_length=PURPOSE_CHARS, description="why one looks; audited")
]


class LiveStatus(BaseModel):
    """Whether a camera can be watched now."""

    node_online: bool
    stills_only: bool
    """True for a camera with privacy masks: they cannot be burnt into a stream as it is."""


class _End(Exception):  # noqa: N818 - the end of a view, not a fault
    def __init__(self, code: str, words: Words, close: int) -> None:
        self.code, self.words, self.close = code, words, close
        super().__init__(code)


class LiveViews:
    """Endpoints of live view over one relay; counts views per person."""

    def __init__(self, relay: LiveRelay) -> None:
        self._relay = relay
        self._views: dict[str, int] = {}

    def status(self, web: WebParts, visitor: EvidenceReader, camera_id: CameraId) -> LiveStatus:
        """Whether this visitor may watch the camera, and what they would see."""
        camera = watched_camera(web, visitor, camera_id)
        return LiveStatus(
            node_online=self._relay.is_online(camera.node), stills_only=bool(camera.masks)
        )

    async def snapshot(
        self, web: WebParts, visitor: Reader, camera_id: CameraId, purpose: Purpose
    ) -> Response:
        """One picture of now: JPEG, masks burnt in, asked of the camera's node."""
        camera = await run_in_threadpool(_for_snapshot, web, visitor, camera_id)
        why = _purpose(purpose)
        await run_in_threadpool(_audit, web, visitor, camera, "view-snapshot", f"purpose: {why}")
        with self._relay.watch(camera=camera.id, node=camera.node, mode="stills") as viewer:
            try:
                async with asyncio.timeout(SNAPSHOT_S):
                    picture = await _first_still(viewer)
            except TimeoutError:
                raise _unavailable("camera_offline") from None
        headers = {"Cache-Control": "no-store", "Content-Disposition": "inline"}
        return Response(picture, media_type="image/jpeg", headers=headers)

    async def live(
        self,
        socket: WebSocket,
        camera_id: str,
        purpose: str = "",
        stream: str = "sub",
        mode: str = "video",
    ) -> None:
        """One viewer: refused before the connection is accepted, or served until it ends."""
        request = _request(socket)
        try:
            refuse_foreign_origin(request)
            if "origin" not in request.headers:
                raise errors.csrf_refused()
            visitor, camera = await run_in_threadpool(_admit, request, camera_id)
            wanted = _wanted(stream, mode)
            why = _purpose(purpose)
            if self._views.get(visitor.person.id, 0) >= VIEWS_PER_PERSON:
                raise _too_many()
        except Refusal as refusal:
            body = errors.ErrorBody(error=refusal.words).model_dump()
            await socket.send_denial_response(JSONResponse(body, status_code=refusal.status))
            return
        person = visitor.person.id
        self._views[person] = self._views.get(person, 0) + 1
        try:
            await self._view(socket, request, visitor, camera, wanted, why)
        finally:
            self._views[person] -= 1
            if self._views[person] == 0:
                del self._views[person]

    async def _view(
        self,
        socket: WebSocket,
        request: Request,
        visitor: Visitor,
        camera: Camera,
        wanted: tuple[Stream, Mode],
        why: str,
    ) -> None:
        web: Web = socket.app.state.web
        stream, mode = wanted
        # Written before a byte is sent: a view that cannot be audited does not happen.
        detail = f"start; {stream}, {mode}; purpose: {why}"
        await run_in_threadpool(_audit, web, visitor, camera, "view-live", detail)
        begun = web.clock.monotonic()
        reason = "connection lost"
        try:
            await socket.accept()
            with self._relay.watch(
                camera=camera.id, node=camera.node, stream=stream, mode=mode
            ) as viewer:
                reason = await _serve(
                    socket, viewer, lambda: _recheck(web, request, visitor, camera.id)
                )
        finally:
            seconds = web.clock.monotonic() - begun
            detail = f"end after {seconds:.0f} s; {reason}; purpose: {why}"
            await asyncio.shield(
                run_in_threadpool(_audit, web, visitor, camera, "view-live-end", detail)
            )


def live_router(relay: LiveRelay) -> APIRouter:
    """The endpoints, for ``create_app(routers=…)``."""
    views = LiveViews(relay)
    router = APIRouter(prefix="/api/v1/cameras/{camera_id}", tags=["live"])
    refusals = {**errors.RESPONSES, 503: {"model": errors.ErrorBody, "description": "Offline"}}
    router.add_api_route(
        "/live",
        views.status,
        response_model=LiveStatus,
        responses=errors.RESPONSES,
        summary="Whether a camera can be watched live now",
    )
    router.add_api_route(
        "/snapshot",
        views.snapshot,
        response_class=Response,
        responses={**refusals, 200: {"content": {"image/jpeg": {}}}},
        summary="One picture of now; every view is audited",
    )
    router.add_api_websocket_route("/live", views.live)
    return router


async def _serve(
    socket: WebSocket, viewer: LiveViewer, recheck: Callable[[], Awaitable[None]]
) -> str:
    """Send until the viewer leaves or must; returns why it ended."""
    tasks = [
        asyncio.create_task(work, name=f"live-{name}")
        for name, work in (
            ("send", _send(socket, viewer)),
            ("listen", _listen(socket)),
            ("recheck", _every(RECHECK_S, recheck)),
        )
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    ended = [task.exception() for task in done if not task.cancelled()]
    for error in ended:
        if isinstance(error, _End):
            await _farewell(socket, error)
            return error.code
    for error in ended:
        if error is not None and not isinstance(error, WebSocketDisconnect | OSError):
            raise error
    return "viewer left"


async def _send(socket: WebSocket, viewer: LiveViewer) -> None:
    while True:
        item = await viewer.next()
        if isinstance(item, LiveFrame):
            await socket.send_bytes(item.packed)
        else:
            await socket.send_text(json.dumps(message("state", item, STATES[item])))


async def _listen(socket: WebSocket) -> None:
    """Viewers have nothing to say; only that they leave is heard."""
    for _ in range(_CHATTER_MAX):
        if (await socket.receive())["type"] == "websocket.disconnect":
            return
    raise _End("chatter", NOT_ALLOWED, _REFUSED)


async def _every(seconds: float, check: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await check()


async def _recheck(web: Web, request: Request, visitor: Visitor, camera_id: str) -> None:
    if web.broadcaster.closed:
        raise WebSocketDisconnect(1012)
    try:
        now, _ = await run_in_threadpool(_admit, request, camera_id)
    except Refusal as refusal:
        if refusal.status == 401:
            raise _End("session_ended", SESSION_ENDED, _ENDED) from None
        raise _End("not_allowed", NOT_ALLOWED, _REFUSED) from None
    if now.person.id != visitor.person.id:
        raise _End("session_ended", SESSION_ENDED, _ENDED)


async def _farewell(socket: WebSocket, end: _End) -> None:
    """Say why and close; a viewer that does not read is not waited for."""
    if socket.client_state is not WebSocketState.CONNECTED:
        return
    try:
        async with asyncio.timeout(FAREWELL_S):
            await socket.send_text(json.dumps(message("end", end.code, end.words)))
            await socket.close(end.close)
    except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
        return


async def _first_still(viewer: LiveViewer) -> bytes:
    while True:
        item = await viewer.next()
        if isinstance(item, LiveFrame):
            if item.kind is FrameKind.STILL:
                return item.payload
        elif item not in ("masked", "camera_offline"):  # a camera may come within our patience
            raise _unavailable(item)


def _request(socket: WebSocket) -> Request:
    """The handshake as the HTTP request it is, so that cookies and origin are read as ever."""
    scheme = "https" if socket.url.scheme == "wss" else "http"
    return Request({**socket.scope, "type": "http", "method": "GET", "scheme": scheme})


def _admit(request: Request, camera_id: str) -> tuple[Visitor, Camera]:
    visitor = find_visitor(request)
    if visitor is None:
        raise errors.not_logged_in()
    web: Web = request.app.state.web
    if lacks_factor(web, visitor.person):
        raise errors.enrol_first()
    return visitor, watched_camera(web, visitor, camera_id)


def _for_snapshot(web: Web, visitor: Visitor, camera_id: str) -> Camera:
    """Whoever may look at the camera's pictures, installers at set-up too; or was granted it."""
    try:
        return find_camera(web, visitor, camera_id)
    except Refusal:
        return watched_camera(web, visitor, camera_id)


def _wanted(stream: str, mode: str) -> tuple[Stream, Mode]:
    streams: dict[str, Literal["sub", "main"]] = {"sub": "sub", "main": "main"}
    modes: dict[str, Literal["video", "stills"]] = {"video": "video", "stills": "stills"}
    if stream not in streams or mode not in modes:
        raise Refusal(
            422,
            "no_such_stream",
            zh="没有这种码流",
            en="stream is sub or main; mode is video or stills",
        )
    return streams[stream], modes[mode]


def _purpose(text: str) -> str:
    words = " ".join(text.split())
    if not 2 <= len(words) <= PURPOSE_CHARS or not words.isprintable():
        raise Refusal(
            422, "purpose", zh="请写明观看用途", en="Say in a few words why you look; it is kept"
        )
    return words


def _audit(web: Web, visitor: Visitor, camera: Camera, action: str, detail: str) -> None:
    web.audit.append(
        actor=visitor.person.id, action=action, object=f"camera {camera.id}", detail=detail
    )


def _unavailable(code: str) -> Refusal:
    words = next(words for name, words in STATES.items() if name == code)
    return Refusal(503, code, zh=words.zh, en=words.en, headers={"Retry-After": "5"})


def _too_many() -> Refusal:
    return Refusal(
        429,
        "too_many_views",
        zh="您同时观看的摄像头太多",
        en="You watch too many cameras at the same time",
    )
