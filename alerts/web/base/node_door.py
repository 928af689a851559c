"""What the web answers edge nodes: a refusal in words, and who is let in."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from pydantic import SecretStr

from ingest.node_auth import REMEDY, is_node


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
