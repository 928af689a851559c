"""Signs: the token inside the QR code of a camera's sign, which proves that one stood there."""

from __future__ import annotations

import base64
import hashlib
import hmac

from sqlalchemy import Engine

from alerts.web.base.keys import shared_key
from config.clock import Clock

LENGTH = 16


class Signs:
    """Tokens of cameras: HMAC-SHA256 (RFC 2104) of the id, 80 bits in base 32 (RFC 4648)."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._key = shared_key(engine, clock, "camera_signs")

    def token(self, camera: str) -> str:
        """What the sign of ``camera`` carries; 16 capital letters and digits."""
        digest = hmac.new(self._key, camera.encode(), hashlib.sha256).digest()
        return base64.b32encode(digest[: LENGTH * 5 // 8]).decode()

    def check(self, camera: str, token: str) -> bool:
        """True when ``token`` is the one on that camera's sign; case and blanks do not matter."""
        typed = "".join(token.split()).upper()[:LENGTH]
        return hmac.compare_digest(self.token(camera).encode(), typed.encode())
