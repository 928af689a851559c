"""Stream: server-sent events that resume, so that no change is missed or shown twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from alerts.seeing.service import StreamItem
from alerts.web.alert.card_cache import PER_SESSION
from alerts.web.alert.cards import Looks, card_text, looks
from alerts.web.base import errors
from alerts.web.context import Web
from alerts.web.people.auth import Reader, Visitor, WebParts

KEEP_ALIVE_S = 15.0
"""Proxies cut a silent connection after 30 to 60 s; a phone notices a dead one by this beat."""
RETRY_MS = 2000
STREAMS_PER_SESSION = 12
"""Open pages of one person on one device; more is a broken or hostile client."""

Render = Callable[[Sequence[StreamItem]], str]
"""Changes as the text of their messages."""

router = APIRouter()


@router.get(
    "/api/v1/stream",
    tags=["alerts"],
    summary="Alert changes as they happen (server-sent events)",
    response_class=StreamingResponse,
    responses={
        **errors.RESPONSES,
        200: {
            "description": "`event: alert` carries an AlertView as JSON and the stream position "
            "as `id`. `event: beat` comes at least every 15 s with the server's time. "
            "`event: session-ended` is the last one of a session that ended. `event: reset` "
            "means that the position asked for is of another database: read the list again.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)
async def stream_json(
    web: WebParts,
    visitor: Reader,
    after: Annotated[int | None, Query(ge=0, description="position to go on from")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Changes above the position of `Last-Event-ID`, else of `after`, else from now on."""
    return await _respond(web, visitor, _start(after, last_event_id), _as_json)


@router.get("/live", include_in_schema=False)
async def stream_cards(
    web: WebParts,
    visitor: Reader,
    after: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The same for our page: each alert as a finished card."""
    as_cards = partial(_as_cards, web, visitor)
    return await _respond(web, visitor, _start(after, last_event_id), as_cards)


def frame(event: str, data: str, position: int | None = None) -> str:
    """One message in the form of the HTML standard, section 9.2.6; data is a single line."""
    head = "" if position is None else f"id: {position}\n"
    return f"{head}event: {event}\ndata: {data}\n\n"


async def messages(web: Web, visitor: Visitor, after: int, render: Render) -> AsyncIterator[str]:
    """The body of a stream, from position ``after`` until the session or the process ends."""
    hub = web.broadcaster
    cursor, since = after, hub.looks
    web.metrics.streams.inc()
    hub.open_streams[visitor.session.id] += 1
    try:
        yield f"retry: {RETRY_MS}\n\n" + _beat(web, cursor)
        while True:
            moved = await hub.wait(cursor, KEEP_ALIVE_S)
            if hub.closed:
                return
            if not await hub.alive(visitor.session.id, looked=moved):
                yield frame("session-ended", "{}")
                return
            if not moved:
                yield ": keep-alive\n" + _beat(web, cursor)
                continue
            changes = await hub.read(visitor.viewer, cursor, since=since)
            if changes.items:
                web.metrics.sent.inc(len(changes.items))
                # One write for all of them: a write of its own costs more than its text.
                yield render(changes.items)
            cursor = changes.upto
    finally:
        web.metrics.streams.dec()
        hub.open_streams[visitor.session.id] -= 1
        if hub.open_streams[visitor.session.id] <= 0:
            del hub.open_streams[visitor.session.id]


async def _respond(
    web: Web, visitor: Visitor, after: int | None, render: Render
) -> StreamingResponse:
    hub = web.broadcaster
    if not hub.running:
        raise errors.Refusal(
            503,
            "stopping",
            zh="服务正在重启，稍后自动重连",
            en="The service is restarting; reconnect shortly",
            headers={"Retry-After": "2"},
        )
    if hub.open_streams[visitor.session.id] >= STREAMS_PER_SESSION:
        raise errors.Refusal(
            429,
            "too_many_streams",
            zh="打开的页面太多，请关掉几个",
            en="Too many pages are open; close some",
            headers={"Retry-After": "30"},
        )
    newest = await hub.call(web.service.position)
    body = (
        _reset()
        if after is not None and after > newest
        else messages(web, visitor, newest if after is None else after, render)
    )
    return StreamingResponse(
        body,
        media_type="text/event-stream",
        # nginx would keep small messages back until its buffer is full.
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


async def _reset() -> AsyncIterator[str]:
    yield frame("reset", "{}")


def _start(after: int | None, last_event_id: str | None) -> int | None:
    """The browser's own Last-Event-ID is newer than the address the page was opened with."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        return min(int(last_event_id[:18]), 2**62)
    return after


def _beat(web: Web, position: int) -> str:
    return frame("beat", json.dumps({"now": web.clock.now().isoformat()}), position)


def _as_json(items: Sequence[StreamItem]) -> str:
    return "".join(frame("alert", item.alert.model_dump_json(), item.position) for item in items)


def _as_cards(web: Web, visitor: Visitor, items: Sequence[StreamItem]) -> str:
    shown = looks(visitor)
    text = web.cards.block(
        items, looks=shown, now=web.clock.now(), render=partial(_card_message, web, shown)
    )
    return text.replace(PER_SESSION, visitor.session.csrf_token)


def _card_message(web: Web, looks: Looks, item: StreamItem) -> str:
    alert = item.alert
    html = card_text(web, looks, alert, PER_SESSION)
    body = {"id": alert.id, "version": alert.version, "html": html}
    return frame("alert", json.dumps(body, ensure_ascii=False), item.position)
