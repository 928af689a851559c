"""Limits: a request body larger than any of our forms is refused while it arrives."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.discovery import DOOR_PATH, REPORT_LIMIT_BYTES, TRIAL_BODY_LIMIT_BYTES, TRIAL_PATH

BODY_LIMIT_BYTES = 64 * 1024
UPLOAD_LIMIT_BYTES = 13_000_000
"""A photo or a list, and the form around it."""
_UPLOADS = re.compile(r"/alerts/[0-9a-f-]{36}/(arrive|report)|/cameras/import|/home/household")
_SESSION = b"menshen-session="
_TOKEN = b"bearer "


class _TooLarge(Exception):  # noqa: N818 - caught here, seen nowhere
    """The body has passed the limit."""


class BodyLimit:
    """ASGI middleware; paths under ``except_prefix`` (the nodes' media door) have their own.

    Counts what really arrives: a Content-Length can be absent or untrue. Forms with a photo or
    a list, and what nodes report, may be larger, when a session cookie or a token comes with
    them: a stranger's never are.
    """

    def __init__(self, app: ASGIApp, *, except_prefix: str) -> None:
        self._app = app
        self._except = except_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._except):
            await self._app(scope, receive, send)
            return
        arrived = 0
        answered = False
        limit = _limit(scope)

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                raise _TooLarge
            return message

        async def replaced(message: Message) -> None:
            # The framework turns our exception into an answer of its own; ours says why.
            nonlocal answered
            if arrived <= limit:
                await send(message)
            elif not answered:
                answered = True
                await _refuse(send)

        try:
            await self._app(scope, counted, replaced)
        except _TooLarge:
            await replaced({"type": "http.response.start", "status": 413})


def _limit(scope: Scope) -> int:
    path = scope["path"]
    headers = {name: value for name, value in scope["headers"] if name != b"cookie"}
    cookies = b"".join(value for name, value in scope["headers"] if name == b"cookie")
    if _UPLOADS.fullmatch(path) is not None and _SESSION in cookies:
        return UPLOAD_LIMIT_BYTES
    if headers.get(b"authorization", b"").lower().startswith(_TOKEN):
        if path == DOOR_PATH:
            return REPORT_LIMIT_BYTES
        if path.startswith(TRIAL_PATH):
            return TRIAL_BODY_LIMIT_BYTES
    return BODY_LIMIT_BYTES


async def _refuse(send: Send) -> None:
    body = '{"error":{"code":"too_large","zh":"内容太大","en":"The request is too large"}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
