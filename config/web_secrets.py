"""Secrets of the pages: the key that seals what is stored, tokens of metrics and of OIDC."""

from __future__ import annotations

import base64
import binascii
import secrets as random_source
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from config.event import Frozen

SEAL_KEY_BYTES = 32
"""AES-256."""


def new_seal_key() -> str:
    """A fresh key as text for the secrets file."""
    return base64.urlsafe_b64encode(random_source.token_bytes(SEAL_KEY_BYTES)).decode()


def seal_key_bytes(text: SecretStr) -> bytes:
    """The key that ``text`` stands for, 32 bytes; raises ValueError when it is none."""
    try:
        key = base64.urlsafe_b64decode(text.get_secret_value())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != SEAL_KEY_BYTES:
        raise ValueError("a seal key is 32 bytes in base64; run: menshen config new-key")
    return key


def _checked(text: SecretStr) -> SecretStr:
    seal_key_bytes(text)
    return text


SealKey = Annotated[SecretStr, AfterValidator(_checked)]


class WebSecrets(Frozen):
    """Secrets of the centre's pages; printing it shows stars."""

    seal_key: SealKey | None = None
    """Seals one-time code secrets and enrolled faces in the database; ``menshen config new-key``
    makes one. The variable ``MENSHEN_SEAL_KEY`` can hold it instead."""
    seal_keys_before: tuple[SealKey, ...] = ()
    """Keys of before a change: they still open, and what they open is sealed anew at start."""
    metrics_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Bearer token of ``/metrics``, which answers nobody without it."""
    oidc_client_secret: SecretStr | None = None
    """Of the client that the site's ``[oidc]`` names."""
