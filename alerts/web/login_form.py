"""Login form tokens: proof that a login was typed into our own page (login CSRF)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import Engine

from alerts.web.keys import shared_key
from config.clock import Clock

_NAME = "login_form"


class LoginForm:
    """Signed double submit: the cookie holds a nonce, the form its HMAC-SHA256 (RFC 2104).

    There is no session yet to keep a token in, and a stranger's visit must not write to the
    database; the key is shared by all web processes and survives a restart.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._key = shared_key(engine, clock, _NAME)

    def issue(self, nonce: str | None = None) -> tuple[str, str]:
        """A nonce for the cookie (``nonce`` again, if there is one) and the form's token."""
        nonce = nonce if nonce is not None and 20 <= len(nonce) <= 64 else None
        nonce = nonce or secrets.token_urlsafe(24)
        return nonce, self._sign(nonce)

    def check(self, nonce: str | None, token: str | None) -> bool:
        """True when the form's token belongs to the cookie's nonce."""
        if not nonce or not token:
            return False
        return hmac.compare_digest(self._sign(nonce).encode(), token.encode())

    def _sign(self, nonce: str) -> str:
        return hmac.new(self._key, nonce.encode(), hashlib.sha256).hexdigest()
