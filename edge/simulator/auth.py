"""Asks RTSP clients who they are: basic and digest authentication (RFC 2617)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from pydantic import SecretStr

REALM = "menshen simulator"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one login of a server."""

    user: str
    password: SecretStr

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """From ``user:password``; raises ValueError (quoting nothing) if there is no colon."""
        user, colon, password = text.partition(":")
        if not colon or not user:
            raise ValueError("expected user:password")
        return cls(user, SecretStr(password))


class Gatekeeper:
    """Checks the Authorization header of one connection; its nonce is good for that connection."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._nonce = token_hex(16)

    def challenges(self) -> tuple[str, str]:
        """Values of the WWW-Authenticate headers, the safer scheme first."""
        return (f'Digest realm="{REALM}", nonce="{self._nonce}"', f'Basic realm="{REALM}"')

    def admits(self, authorization: str | None, *, method: str, uri: str) -> bool:
        """Whether the header proves the right user and password for this request."""
        scheme, _, rest = (authorization or "").strip().partition(" ")
        if scheme.lower() == "basic":
            return self._basic(rest.strip())
        if scheme.lower() == "digest":
            fields = {
                m[1].lower(): m[2] if m[2] is not None else m[3] for m in _FIELD.finditer(rest)
            }
            return self._digest(fields, method=method, uri=uri)
        return False

    def _basic(self, encoded: str) -> bool:
        try:
            given = b64decode(encoded, validate=True)
        except (Base64Error, ValueError):
            return False
        own = f"{self._credentials.user}:{self._credentials.password.get_secret_value()}"
        return hmac.compare_digest(given, own.encode())

    def _digest(self, fields: Mapping[str, str], *, method: str, uri: str) -> bool:
        if fields.get("username") != self._credentials.user or fields.get("realm") != REALM:
            return False
        if fields.get("nonce") != self._nonce or fields.get("uri") != uri:
            return False
        password = self._credentials.password.get_secret_value()
        first = _md5(f"{self._credentials.user}:{REALM}:{password}")
        second = _md5(f"{method}:{uri}")
        middle = self._nonce
        if "qop" in fields:
            middle += f":{fields.get('nc', '')}:{fields.get('cnonce', '')}:{fields['qop']}"
        wanted = _md5(f"{first}:{middle}:{second}")
        return hmac.compare_digest(fields.get("response", "").lower().encode(), wanted.encode())


def _md5(text: str) -> str:
    # RFC 2617 knows no other hash, and real cameras speak no other.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
