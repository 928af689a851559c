"""What the web answers edge nodes: a refusal in words, and who is let in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, SecretStr, ValidationError

from ingest.node_auth import REMEDY, is_node

Told = TypeVar("Told", bound=BaseModel)


def refused(status: int, problem: str, remedy: str) -> JSONResponse:
    """``status`` with what is wrong and what to do."""
    return JSONResponse({"problem": problem, "remedy": remedy}, status_code=status)


def stranger(
    tokens: Mapping[str, SecretStr], *, node: str, authorization: str
) -> JSONResponse | None:
    """The refusal of a request that is not of that node; None when it is."""
    if is_node(tokens, node=node, authorization=authorization):
        return None
    return refused(401, "the node's name and token do not match", REMEDY)


async def told_by(request: Request, kind: type[Told]) -> Told | JSONResponse:
    """What a node tells as JSON, or the refusal (422) that names the field that is wrong.

    How long it may be, :class:`alerts.web.base.limits.BodyLimit` says of its path.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        what = f"{place}: {first['msg']}" if place else str(first["msg"])
        return refused(422, what, f"send a {kind.__name__} as JSON")
