"""Whether a request comes from an edge node: its name and bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pydantic import SecretStr

REMEDY = (
    "send X-Menshen-Node and Authorization: Bearer with the token of [nodes] "
    "in the centre's secrets file"
)
_NOBODY = SecretStr("no node has this token: it is compared so that a wrong name takes as long")


def is_node(tokens: Mapping[str, SecretStr], *, node: str, authorization: str) -> bool:
    """True when ``authorization`` is ``Bearer`` and that node's token; takes as long either way."""
    expected = tokens.get(node, _NOBODY).get_secret_value()
    scheme, _, given = authorization.partition(" ")
    is_same = hmac.compare_digest(given.strip().encode(), expected.encode())
    return is_same and node in tokens and scheme.lower() == "bearer"
