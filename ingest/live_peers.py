"""Between web processes: who lacks a node's link gets its streams from the process that has it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated
from urllib.parse import urlencode

import httpx
from fastapi import APIRouter, Header, Request, Response
from pydantic import SecretStr
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from config.clock import Clock
from config.live import (
    MESSAGE_LIMIT_BYTES,
    Errand,
    LiveFrame,
    LiveStart,
    LiveState,
    StateCode,
    parse_command,
    parse_state,
)
from config.logs import get_logger
from ingest.live import LiveRelay
from ingest.live_channel import LiveViewer
from ingest.live_links import LinkBook

PEER_PATH = "/v1/live/peer"
ERRAND_PATH = "/v1/live/peer/errand"
SIGNATURE = "x-menshen-peer"
VALID_S = 60
"""How far apart the clocks of two processes may be."""
_OPEN_S = 5.0
_LINK_ELSEWHERE = 4404
"""Close code of our own (RFC 6455, 7.4.2): this process has no link of that node either."""

_log = get_logger(__name__)


def sign(token: SecretStr, *, node: str, path: str, at: int) -> str:
    """``at`` and an HMAC-SHA256 (RFC 2104) that only who knows the node's token can make.

    All web processes read the same secrets file. A node knows its own token too, and could ask
    for what it sends itself.
    """
    said = f"menshen live peer\n{at}\n{node}\n{path}".encode()
    key = token.get_secret_value().encode()
    return f"{at}.{hmac.new(key, said, hashlib.sha256).hexdigest()}"


def is_peer(
    tokens: Mapping[str, SecretStr], *, node: str, path: str, signature: str, now: float
) -> bool:
    """Whether :func:`sign` made this signature, within the last minute."""
    at, _, _ = signature.partition(".")
    token = tokens.get(node)
    if token is None or not (at.isascii() and at.isdigit() and len(at) < 16):
        return False
    expected = sign(token, node=node, path=path, at=int(at))
    is_same = hmac.compare_digest(expected.encode(), signature.encode())
    return is_same and abs(now - int(at)) <= VALID_S


class Peers:
    """What a relay needs of the other web processes (:class:`ingest.live.Elsewhere`).

    Args:
        book: where the links are.
        tokens: the bearer token of each node.
        clock: the only source of time.
    """

    def __init__(self, book: LinkBook, tokens: Mapping[str, SecretStr], clock: Clock) -> None:
        self._book = book
        self._tokens = tokens
        self._clock = clock

    def hold(self, node: str, link: str) -> None:
        """This process has a new link of the node."""
        self._book.hold(node, link)

    def release(self, node: str, link: str) -> None:
        """That link has ended."""
        self._book.release(node, link)

    def has(self, node: str) -> bool:
        """Whether another process has the node's link."""
        return self._book.address_of(node) is not None

    async def pull(self, node: str, wanted: LiveStart) -> AsyncGenerator[LiveFrame | StateCode]:
        """What that process receives of a camera, until it stops, for whatever reason."""
        address = self._book.address_of(node)
        if address is None:
            return
        query = urlencode({"start": wanted.model_dump_json()})
        url = f"{address.replace('http', 'ws', 1)}{PEER_PATH}?{query}"
        try:
            async with connect(
                url,
                additional_headers=self._headers(node, PEER_PATH),
                compression=None,
                open_timeout=_OPEN_S,
                close_timeout=_OPEN_S,
                max_size=MESSAGE_LIMIT_BYTES,
                proxy=None,
            ) as link:
                async for message in link:
                    yield (
                        parse_state(message).code
                        if isinstance(message, str)
                        else LiveFrame.unpack(message)
                    )
        except (OSError, TimeoutError, WebSocketException, ValueError) as error:
            _log.info("no live stream from its process", node=node, reason=type(error).__name__)

    async def tell(self, node: str, errand: Errand) -> bool:
        """Ask the node for an errand through the process that has its link."""
        address = self._book.address_of(node)
        if address is None:
            return False
        try:
            async with httpx.AsyncClient(timeout=_OPEN_S, trust_env=False) as client:
                answer = await client.post(
                    address + ERRAND_PATH,
                    content=errand.model_dump_json(),
                    headers=self._headers(node, ERRAND_PATH),
                )
        except httpx.HTTPError as error:
            _log.warning("an errand did not reach its node", node=node, reason=type(error).__name__)
            return False
        return answer.status_code == 204

    def _headers(self, node: str, path: str) -> dict[str, str]:
        at = int(self._clock.now().timestamp())
        token = self._tokens.get(node, SecretStr(""))
        return {"X-Menshen-Node": node, SIGNATURE: sign(token, node=node, path=path, at=at)}


def peer_door(relay: LiveRelay, tokens: Mapping[str, SecretStr], clock: Clock) -> APIRouter:
    """Where other web processes ask for streams and errands of nodes whose link is here."""
    router = APIRouter(include_in_schema=False)

    def admits(node: str, path: str, signature: str) -> bool:
        now = clock.now().timestamp()
        return is_peer(tokens, node=node, path=path, signature=signature, now=now)

    @router.websocket(PEER_PATH)
    async def stream(socket: WebSocket) -> None:
        node = socket.headers.get("x-menshen-node", "")
        if not admits(node, PEER_PATH, socket.headers.get(SIGNATURE, "")):
            await socket.send_denial_response(_refused())
            return
        try:
            wanted = parse_command(socket.query_params.get("start", ""))
        except ValueError:
            wanted = None
        if not isinstance(wanted, LiveStart):
            await socket.send_denial_response(JSONResponse({}, status_code=422))
            return
        await socket.accept()
        await _relay_to(socket, relay, node, wanted)

    @router.post(ERRAND_PATH)
    async def errand(
        request: Request,
        node: Annotated[str, Header(alias="x-menshen-node", max_length=63)] = "",
        signature: Annotated[str, Header(alias=SIGNATURE, max_length=100)] = "",
    ) -> Response:
        """An errand for a node whose link is here; 404 when it is not."""
        if not admits(node, ERRAND_PATH, signature):
            return _refused()
        body = await request.body()
        try:
            wanted = parse_command(body)
        except ValueError:
            return JSONResponse({}, status_code=422)
        if not isinstance(wanted, Errand):
            return JSONResponse({}, status_code=422)
        is_here = relay.has_link(node) and relay.tell(node, wanted)
        return Response(status_code=204 if is_here else 404)

    return router


async def _relay_to(socket: WebSocket, relay: LiveRelay, node: str, wanted: LiveStart) -> None:
    """Serve one process until it leaves or the node's link is no longer here."""
    if relay.has_link(node):
        with relay.watch(
            camera=wanted.camera, node=node, stream=wanted.stream, mode=wanted.mode
        ) as viewer:
            tasks = [
                asyncio.create_task(_send(socket, viewer), name="live-peer-send"),
                asyncio.create_task(_until_gone(socket), name="live-peer-listen"),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
        await socket.close(_LINK_ELSEWHERE)


async def _send(socket: WebSocket, viewer: LiveViewer) -> None:
    with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
        while True:
            item = await viewer.next()
            if isinstance(item, LiveFrame):
                await socket.send_bytes(item.packed)
            elif item == "node_offline":
                return
            else:
                await socket.send_text(LiveState(channel=1, code=item).model_dump_json())


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


def _refused() -> JSONResponse:
    told = {
        "where": SIGNATURE,
        "problem": "not signed with that node's token within the last minute",
        "remedy": "give all web processes the same secrets file, and their machines the same time",
    }
    return JSONResponse(told, status_code=401)
