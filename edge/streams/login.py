"""Logs in to an RTSP camera: basic and digest (RFC 2617)."""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b64encode

_OFFER = re.compile(r"(?:^|,)\s*(basic|digest)\s+", re.I)
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


class Login:
    """One user's answers to what a camera asks. An empty ``user`` has none."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self._password = password
        self._challenge: dict[str, str] | None = None
        self._basic = False

    @property
    def is_asked(self) -> bool:
        """Whether the camera has asked for a login that we can give."""
        return self._challenge is not None

    def asked(self, offers: str) -> None:
        """The camera asks; ``offers``: its WWW-Authenticate lines, joined with commas."""
        _, *parts = _OFFER.split(offers)
        # Cameras offer both, and name in one what the other must not be answered with.
        found = {name.lower(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}
        if (digest := found.get("digest")) is not None:
            self._challenge = {m[1].lower(): m[2] or m[3] or "" for m in _FIELD.finditer(digest)}
        elif "basic" in found:
            self._basic, self._challenge = True, {}

    def authorization(self, method: str, url: str) -> str | None:
        """Value of the header for one request (MD5 is what cameras speak, SHA-256 where offered).

        None where the camera has not asked.
        """
        if self._challenge is None:
            return None
        if self._basic:
            return "Basic " + b64encode(f"{self.user}:{self._password}".encode()).decode()
        field = self._challenge
        realm, nonce = field.get("realm", ""), field.get("nonce", "")
        algorithm = field.get("algorithm", "MD5")
        name = "sha256" if algorithm.upper() == "SHA-256" else "md5"

        def digest(text: str) -> str:
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        first = digest(f"{self.user}:{realm}:{self._password}")
        second = digest(f"{method}:{url}")
        parts = {"username": self.user, "realm": realm, "nonce": nonce, "uri": url}
        if "auth" in field.get("qop", ""):
            client = secrets.token_hex(8)
            answer = digest(f"{first}:{nonce}:00000001:{client}:auth:{second}")
            extra = f', qop=auth, nc=00000001, cnonce="{client}"'
        else:
            answer, extra = digest(f"{first}:{nonce}:{second}"), ""
        if "opaque" in field:
            extra += f', opaque="{field["opaque"]}"'
        quoted = ", ".join(f'{key}="{value}"' for key, value in parts.items())
        return f'Digest {quoted}, response="{answer}", algorithm={algorithm}{extra}'
