"""Login through the county's own identity provider (OpenID Connect), where it has one."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

from config.event import Frozen

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _safe(issuer: str) -> str:
    parts = urlsplit(issuer)
    is_plain = parts.username is None and parts.password is None
    if is_plain and (parts.scheme == "https" or parts.hostname in _LOOPBACK):
        return issuer
    raise ValueError("an issuer is reached over https (http only on this machine)")


class Oidc(Frozen):
    """The client's secret lies in the secrets file as ``web.oidc_client_secret``."""

    issuer: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[^\s?#]+$", max_length=300),
        AfterValidator(_safe),
    ]
    """Exactly as the provider writes it in its tokens."""
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,100}$")] = (
        "preferred_username"
    )
    """The claim of the ID token that holds the person's id in this file."""
    name_zh: Annotated[str, StringConstraints(min_length=1, max_length=40)] = "统一身份认证"
    name_en: Annotated[str, StringConstraints(min_length=1, max_length=40)] = "Single sign-on"
