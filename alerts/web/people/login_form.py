"""Login form tokens: proof that a login was typed into our own page (login CSRF)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from sqlalchemy import Engine

from alerts.web.base.keys import shared_key
from config.clock import Clock

_NAME = "login_form"
# Only one way to read each address: with a repeat inside a repeat, a stray sign at the end costs
# time that doubles with every letter before it, and all the while the process answers nobody.
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]*")
TICKET = timedelta(minutes=5)


def local_path(target: str) -> str:
    """``target`` when it is a plain path of this site, else the first page (no open redirect)."""
    return target if _LOCAL.fullmatch(target) else "/"


class LoginForm:
    """Signed double submit: the cookie holds a nonce, the form its HMAC-SHA256 (RFC 2104).

    There is no session yet to keep a token in, and a stranger's visit must not write to the
    database; the key is shared by all web processes and survives a restart.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._clock = clock
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

    def ticket(self, nonce: str, person_id: str) -> str:
        """Proof that name and password were right, for the second step in the same browser."""
        until = int((self._clock.now() + TICKET).timestamp())
        return f"{person_id}.{until}.{self._sign(f'{nonce}|{person_id}|{until}')}"

    def redeem(self, nonce: str | None, ticket: str) -> str | None:
        """Whose ticket it is; None when it is another browser's, altered or too old."""
        person_id, _, rest = ticket.partition(".")
        until, _, signature = rest.partition(".")
        if not nonce or not until.isascii() or not until.isdigit() or len(until) > 12:
            return None
        expected = self._sign(f"{nonce}|{person_id}|{until}")
        is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        return person_id if is_ours and int(until) > self._clock.now().timestamp() else None

    def _sign(self, nonce: str) -> str:
        return hmac.new(self._key, nonce.encode(), hashlib.sha256).hexdigest()
