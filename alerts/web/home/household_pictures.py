"""Household pictures: each waits in memory for one node, is fetched once, and is gone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from pydantic import SecretStr

from alerts.web.base.node_door import refused, stranger, told_by
from config.household import PICTURE_PATH, EnrolAnswer, EnrolCode

PATIENCE_S: Final = 25.0
"""A node answers within a second or two; after this it has not learnt anybody."""
MOST: Final = 8
"""Pictures that one web process holds at a time."""
Outcome = EnrolCode | Literal["offline", "silent"]
_Ticket = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
_NodeName = Annotated[str, Header(alias="x-menshen-node", max_length=63)]


@dataclass(slots=True, eq=False)
class _Waiting:
    node: str
    picture: bytes | None
    answer: asyncio.Future[EnrolCode]


class PictureDesk:
    """Hands pictures to nodes. All methods belong to one event loop; nothing is ever stored."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    async def show(self, node: str, picture: bytes, order: Callable[[str], bool]) -> Outcome:
        """Let ``node`` fetch a picture once, and wait for what it says of it.

        Args:
            order: sends the node an order with this ticket; False when it is not linked.
        """
        if len(self._waiting) >= MOST:
            return "busy"
        ticket = secrets.token_hex(16)
        waiting = _Waiting(node, picture, asyncio.get_running_loop().create_future())
        self._waiting[ticket] = waiting
        try:
            if not order(ticket):
                return "offline"
            async with asyncio.timeout(PATIENCE_S):
                return await waiting.answer
        except TimeoutError:
            return "silent"
        finally:
            del self._waiting[ticket]

    def fetch(self, ticket: str, node: str) -> bytes | None:
        """The picture, for its own node and the first time only."""
        waiting = self._waiting.get(ticket)
        if waiting is None or waiting.node != node:
            return None
        picture, waiting.picture = waiting.picture, None
        return picture

    def answer(self, ticket: str, node: str, code: EnrolCode) -> bool:
        """A node says what came of it; False when nobody waits for that."""
        waiting = self._waiting.get(ticket)
        if waiting is None or waiting.node != node or waiting.answer.done():
            return False
        waiting.answer.set_result(code)
        return True


def picture_door(desk: PictureDesk, tokens: Mapping[str, SecretStr]) -> APIRouter:
    """Where nodes fetch pictures and answer.

    Args:
        tokens: the bearer token of each node.
    """
    router = APIRouter(include_in_schema=False)

    @router.get(PICTURE_PATH + "{ticket}")
    async def fetch(
        ticket: _Ticket, node: _NodeName = "", authorization: Annotated[str, Header()] = ""
    ) -> Response:
        """The picture of one order, once."""
        if (refusal := stranger(tokens, node=node, authorization=authorization)) is not None:
            return refusal
        picture = desk.fetch(ticket, node)
        if picture is None:
            return refused(404, "no picture waits for this node", "wait for the next order")
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @router.post(PICTURE_PATH + "{ticket}")
    async def answer(
        request: Request,
        ticket: _Ticket,
        node: _NodeName = "",
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        """What became of it (``EnrolAnswer``)."""
        if (refusal := stranger(tokens, node=node, authorization=authorization)) is not None:
            return refusal
        told = await told_by(request, EnrolAnswer)
        if isinstance(told, Response):
            return told
        if not desk.answer(ticket, node, told.code):
            return refused(404, "nobody waits for this answer", "nothing is to be done")
        return Response(status_code=204)

    return router
