"""The door for evidence: PUT /v1/media/{sha256}, for edge nodes with their token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, SecretStr
from sqlalchemy.dialects import postgresql, sqlite
from starlette.requests import ClientDisconnect

from config.logs import get_logger
from ingest.engine import writing
from ingest.media.base import LIMIT_BYTES, MediaError, MediaStore, StoredMedia, too_large
from ingest.node_auth import REMEDY, is_node
from ingest.retention.files import rescue
from ingest.schema import media as media_table
from ingest.store import EventStore

log = get_logger(__name__)


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
    store: EventStore, media: MediaStore, tokens: Mapping[str, SecretStr]
) -> APIRouter:
    """The upload door.

    Args:
        store: whose database lists the files.
        media: where the files are kept.
        tokens: the bearer token of each node.
    """
    router = APIRouter(tags=["evidence"])
    answers: dict[int | str, dict[str, Any]] = {200: {"model": MediaAnswer}}
    answers |= {code: {"model": MediaRefusal} for code in (400, 401, 413, 415, 422, 503)}

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
            stored = await run_in_threadpool(media.find, sha256)
            response.status_code = 200
            # Listed also when it was here: a crash may have come between the file and its row.
            # And looked for again: retention may have removed it until it was listed.
            if stored is None or not await run_in_threadpool(
                _list, store, media, stored, x_menshen_node
            ):
                stored = await _receive(media, sha256, request)
                response.status_code = 201
                await run_in_threadpool(_list, store, media, stored, x_menshen_node)
                log.info("evidence stored", sha256=sha256, node=x_menshen_node)
        except MediaError as error:
            return _refusal(error)
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
    module = sqlite if store.engine.dialect.name == "sqlite" else postgresql
    row = module.insert(media_table).values(
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
