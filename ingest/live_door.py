"""The door for live view: a WebSocket at /v1/live, for edge nodes with their token."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import SecretStr
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from config.live import LINK_PATH
from config.logs import get_logger
from ingest.live import LiveRelay
from ingest.node_auth import REMEDY, is_node

_log = get_logger(__name__)


def live_door(relay: LiveRelay, tokens: Mapping[str, SecretStr]) -> APIRouter:
    """Where nodes connect.

    Args:
        relay: what their streams are handed to.
        tokens: the bearer token of each node.
    """
    router = APIRouter(tags=["live"])

    @router.websocket(LINK_PATH)
    async def link(socket: WebSocket) -> None:
        node = socket.headers.get("x-menshen-node", "")
        authorization = socket.headers.get("authorization", "")
        if not is_node(tokens, node=node, authorization=authorization):
            _log.warning("a live link was refused", node=node[:64])
            told = {
                "where": "Authorization",
                "problem": "the node's name and token do not match",
                "remedy": REMEDY,
            }
            await socket.send_denial_response(JSONResponse(told, status_code=401))
            return
        await socket.accept()
        await relay.serve(node, socket)

    return router
