"""Receipts: doors by which browsers and gateways say what became of a message."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.concurrency import run_in_threadpool

from alerts.channels.answers import signature
from alerts.channels.gateway import look_up
from alerts.channels.receipts import Fate, note_receipt
from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.people.auth import WebParts
from config.channel_site import WEBPUSH, Gateway, Receipts
from config.ids import UUID7_PATTERN

FRESH = timedelta(minutes=5)
"""A signature older than this is refused."""
MOST = 1000
"""Receipts in one call."""


class PushReceipt(BaseModel):
    """What a service worker says; the reference came sealed in the message itself."""

    model_config = ConfigDict(extra="forbid")
    reference: str = Field(pattern=UUID7_PATTERN)
    what: Literal["delivered", "read"]


def receipts_router(keys: Mapping[str, SecretStr]) -> APIRouter:
    """The doors; ``keys`` are those of the gateways, by their ids."""
    router = APIRouter(prefix="/api/v1/receipts", responses={404: errors.RESPONSES[404]})

    @router.post("/webpush", status_code=204, summary="A browser received a message")
    def push_receipt(web: WebParts, body: PushReceipt) -> Response:
        """Needs no login: nobody but the browser can read the reference out of the message."""
        _note(web, WEBPUSH, body.reference, Fate(body.what))
        return Response(status_code=204)

    @router.post("/{gateway}", status_code=204, summary="A gateway says what became of messages")
    async def gateway_receipts(
        request: Request,
        web: WebParts,
        gateway: Annotated[str, Path(max_length=16, description="id in the site file")],
        key: str = "",
    ) -> Response:
        """Signed as our own requests are, or, where a gateway cannot sign, with ``?key=``."""
        known = next((item for item in web.site.gateways if item.id == gateway), None)
        secret = keys.get(gateway)
        if known is None or secret is None:
            raise errors.not_found()
        body = await request.body()
        _check(request, web, secret.get_secret_value(), key, body)
        if not await run_in_threadpool(_note_all, web, known, await _parsed(request, body)):
            raise errors.not_found()
        return Response(status_code=204)

    return router


def _check(request: Request, web: Web, secret: str, key: str, body: bytes) -> None:
    given = request.headers.get("menshen-signature", "")
    stamp = request.headers.get("menshen-timestamp", "")
    if given:
        is_fresh = stamp.isascii() and stamp.isdigit() and len(stamp) < 12
        is_fresh = (
            is_fresh and abs(web.clock.now().timestamp() - int(stamp)) < FRESH.total_seconds()
        )
        expected = f"sha256={signature(secret, stamp, body)}"
        if is_fresh and hmac.compare_digest(given.encode(), expected.encode()):
            return
    elif key and hmac.compare_digest(key.encode(), secret.encode()):
        return
    raise Refusal(403, "not_signed", zh="签名不对或已过期", en="The signature is wrong or old")


async def _parsed(request: Request, body: bytes) -> Any:
    if "form" in request.headers.get("content-type", ""):
        return {
            name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()
        }
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise Refusal(422, "not_json", zh="不是 JSON", en="This is not JSON") from None


def _note_all(web: Web, gateway: Gateway, document: Any) -> bool:
    """False when none of the receipts is of a message of ours."""
    listed = document if isinstance(document, list) else [document]
    known = [
        _note(web, gateway.id, reference, fate)
        for reference, fate in _read(listed[:MOST], gateway.receipts)
    ]
    return any(known)


def _read(listed: list[Any], form: Receipts) -> Iterator[tuple[str, Fate]]:
    meanings = {
        **dict.fromkeys(form.failed, Fate.FAILED),
        **dict.fromkeys(form.delivered, Fate.DELIVERED),
        **dict.fromkeys(form.read, Fate.READ),
    }
    for item in listed:
        reference, status = look_up(item, form.reference), look_up(item, form.status)
        if reference is not None and status in meanings:
            yield reference, meanings[status]


def _note(web: Web, channel: str, reference: str, fate: Fate) -> bool:
    return note_receipt(web.engine, web.clock, channel=channel, reference=reference, fate=fate)
