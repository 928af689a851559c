"""Seals: what must not lie in the database in plain text, encrypted under the operator's key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import UserError
from config.secrets import Secrets
from config.web_secrets import seal_key_bytes

_FORMAT = b"\x01"
_ID_BYTES, _NONCE_BYTES = 4, 12
_HEAD_BYTES = len(_FORMAT) + _ID_BYTES + _NONCE_BYTES
_TEXT_PREFIX = "sealed:"


class SealBroken(UserError):  # noqa: N818 - it says what happened
    """A sealed value was altered, belongs elsewhere, or its key is not at hand."""


class Seals:
    """AES-256-GCM (NIST SP 800-38D) under the first key; earlier keys still open.

    A sealed value is: format (1 byte), the key's id (4: start of its SHA-256), nonce (12,
    random), ciphertext with tag. Its ``place`` (table and row) is authenticated with it, so a
    value that is copied to another row does not open.

    Args:
        keys: 32 bytes each, the newest first; none means that nothing can be sealed.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ids = [hashlib.sha256(key).digest()[:_ID_BYTES] for key in keys]
        self._ciphers = dict(zip(self._ids, map(AESGCM, keys), strict=True))

    @classmethod
    def of(cls, secrets: Secrets) -> Seals:
        """Under the keys of the secrets file."""
        web = secrets.web
        newest = () if web.seal_key is None else (web.seal_key,)
        return cls([seal_key_bytes(key) for key in (*newest, *web.seal_keys_before)])

    @property
    def available(self) -> bool:
        """True when there is a key to seal with."""
        return bool(self._ids)

    def seal(self, data: bytes, *, place: str) -> bytes:
        """Encrypt ``data`` for ``place``.

        Raises:
            UserError: there is no key.
        """
        if not self._ids:
            raise missing_key(place)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._ids[0]].encrypt(nonce, data, place.encode())
        return _FORMAT + self._ids[0] + nonce + sealed

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """The data that was sealed for ``place``.

        Raises:
            SealBroken: no key of ours sealed it, or it is not what was sealed there.
        """
        cipher = self._ciphers.get(_key_id(sealed))
        if cipher is None:
            raise missing_key(place)
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], place.encode())
        except InvalidTag:
            raise SealBroken(
                where=place,
                problem="what is stored is not what was sealed there",
                remedy="find out who altered the database; restore it from a backup",
            ) from None

    def is_newest(self, sealed: bytes) -> bool:
        """True when the newest key sealed it."""
        return bool(self._ids) and _key_id(sealed) == self._ids[0]

    def seal_text(self, text: str, *, place: str) -> str:
        """:meth:`seal` for a column of text."""
        data = self.seal(text.encode(), place=place)
        return _TEXT_PREFIX + base64.b64encode(data).decode()

    def open_text(self, text: str, *, place: str) -> str:
        """The inverse of :meth:`seal_text`; raises as :meth:`open`."""
        return self.open(unpack_text(text), place=place).decode()


def is_sealed_text(text: str) -> bool:
    """False for a value that an earlier version stored in plain text."""
    return text.startswith(_TEXT_PREFIX)


def unpack_text(text: str) -> bytes:
    """The bytes of a sealed text; empty, which nothing opens, when it is none."""
    try:
        return base64.b64decode(text.removeprefix(_TEXT_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def missing_key(place: str) -> SealBroken:
    """What is said when the key is not at hand."""
    return SealBroken(
        where=place,
        field="web.seal_key",
        problem="the key that seals it is not in the secrets file (nor in MENSHEN_SEAL_KEY)",
        remedy="put back the key that was used, as seal_key or among seal_keys_before; a county "
        "without one yet makes it with: menshen config new-key",
    )


def _key_id(sealed: bytes) -> bytes:
    return sealed[1 : 1 + _ID_BYTES] if sealed[:1] == _FORMAT else b""
