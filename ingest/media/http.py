"""The door for evidence: PUT /v1/media/{sha256}, for edge nodes with their token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, SecretStr
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from config.logs import get_logger
from ingest.engine import insert_into, writing
from ingest.failures import in_words, is_full
from ingest.media.base import LIMIT_BYTES, MediaError, MediaStore, StoredMedia, too_large
from ingest.node_auth import REMEDY, is_node
from ingest.retention.files import rescue
from ingest.schema import media as media_table
from ingest.store import EventStore
from ingest.trouble import Troubles

log = get_logger(__name__)

PART = "evidence"
"""What readiness, metrics and heartbeat call this part."""
_REMEDY = "send it again later; at the centre, look at its disk and its database"


class MediaAnswer(BaseModel):
    """What is stored now."""

    sha256: str
    media_type: str
    size_bytes: int


class MediaRefusal(BaseModel):
    """Why a file was not taken, and what to do."""

    where: str
    problem: str
    remedy: str


def media_router(
    store: EventStore,
    media: MediaStore,
    tokens: Mapping[str, SecretStr],
    troubles: Troubles | None = None,
) -> APIRouter:
    """The upload door.

    Args:
        store: whose database lists the files.
        media: where the files are kept.
        tokens: the bearer token of each node.
        troubles: is told when files cannot be kept, and when they can again.
    """
    router = APIRouter(tags=["evidence"])
    door = _Door(store, media, troubles or Troubles(store.clock))
    answers: dict[int | str, dict[str, Any]] = {200: {"model": MediaAnswer}}
    answers |= {code: {"model": MediaRefusal} for code in (400, 401, 413, 415, 422, 503, 507)}

    @router.put(
        "/v1/media/{sha256}",
        status_code=201,
        response_model=MediaAnswer,
        responses=answers,
        summary="Store a piece of evidence under its sha256",
    )
    async def put_media(
        sha256: str,
        request: Request,
        response: Response,
        authorization: Annotated[str, Header()] = "",
        x_menshen_node: Annotated[str, Header()] = "",
    ) -> MediaAnswer | JSONResponse:
        """Send the bytes as the body. Sending the same file again is welcome: 200, not 201."""
        try:
            _authorise(tokens, node=x_menshen_node, authorization=authorization)
            stored, is_new = await door.take(sha256, request, node=x_menshen_node)
        except MediaError as error:
            return _refusal(error)
        response.status_code = 201 if is_new else 200
        return MediaAnswer(
            sha256=stored.sha256, media_type=stored.media_type, size_bytes=stored.size_bytes
        )

    return router


def _refusal(error: MediaError) -> JSONResponse:
    told = MediaRefusal(where=error.where, problem=error.problem, remedy=error.remedy)
    # The rest of a refused body is not read: the connection cannot be used again.
    return JSONResponse(
        told.model_dump(), status_code=error.status, headers={"Connection": "close"}
    )


def _authorise(tokens: Mapping[str, SecretStr], *, node: str, authorization: str) -> None:
    if not is_node(tokens, node=node, authorization=authorization):
        raise MediaError(
            status=401,
            where="Authorization",
            problem="the node's name and token do not match",
            remedy=REMEDY,
        )


@dataclass(frozen=True, slots=True)
class _Door:
    store: EventStore
    media: MediaStore
    troubles: Troubles

    async def take(self, sha256: str, request: Request, *, node: str) -> tuple[StoredMedia, bool]:
        """Keep the file and list it; True when it was not here before.

        Raises:
            MediaError: it is not taken; 507 (RFC 4918, 11.5) when there is no room for it, 503
                when disk or database do not answer rightly.
        """
        try:
            taken = await self._take(sha256, request, node)
        except MediaError as error:
            if error.status >= 500:
                self.troubles.say(PART, error.problem)
            raise
        except (SQLAlchemyError, OSError) as error:
            problem = _problem(error)
            self.troubles.say(PART, problem)
            log.error("evidence not stored", sha256=sha256[:64], node=node, why=problem)
            status = 507 if is_full(error) else 503
            raise MediaError(
                status=status, where=sha256[:64], problem=problem, remedy=_REMEDY
            ) from None
        self.troubles.clear(PART)
        return taken

    async def _take(self, sha256: str, request: Request, node: str) -> tuple[StoredMedia, bool]:
        stored = await run_in_threadpool(self.media.find, sha256)
        # Listed also when it was here: a crash may have come between the file and its row.
        # And looked for again: retention may have removed it until it was listed.
        if stored is not None and await self._list(stored, node):
            return stored, False
        stored = await _receive(self.media, sha256, request)
        await self._list(stored, node)
        log.info("evidence stored", sha256=sha256, node=node)
        return stored, True

    async def _list(self, stored: StoredMedia, node: str) -> bool:
        return await run_in_threadpool(_list, self.store, self.media, stored, node)


def _problem(error: SQLAlchemyError | OSError) -> str:
    if isinstance(error, SQLAlchemyError):
        return in_words(error)
    if is_full(error):
        return "the disk of the evidence is full: make room there; the nodes keep their files"
    return f"the disk of the evidence does not keep files ({error.strerror})"


def _is_too_large(content_length: str) -> bool:
    return content_length.isdecimal() and int(content_length[:20]) > LIMIT_BYTES


async def _receive(media: MediaStore, sha256: str, request: Request) -> StoredMedia:
    if _is_too_large(request.headers.get("content-length", "")):
        raise too_large(sha256)
    with media.begin(sha256) as upload:
        try:
            async for chunk in request.stream():
                await run_in_threadpool(upload.write, chunk)
        except ClientDisconnect:
            raise MediaError(
                status=400,
                where=sha256,
                problem="the connection ended before the file did",
                remedy="send it again",
            ) from None
        return await run_in_threadpool(upload.finish, declared=request.headers.get("content-type"))


def _list(store: EventStore, media: MediaStore, stored: StoredMedia, node: str) -> bool:
    """Write the file's row, and withdraw an order to remove it; True when it is there after."""
    now = store.clock.now()
    row = insert_into(store.engine, media_table).values(
        sha256=stored.sha256,
        media_type=stored.media_type,
        size_bytes=stored.size_bytes,
        node=node,
        received_at=now,
    )
    with writing(store.engine) as connection:
        rescue(connection, stored.sha256, now)
        connection.execute(
            row.on_conflict_do_update(index_elements=["sha256"], set_={"received_at": now})
        )
    return media.find(stored.sha256) is not None
