"""A browser's side of Web Push: its keys, and how it opens what was sealed for it (RFC 8291)."""

from __future__ import annotations

import base64
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The inverse of :func:`b64`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class Browser:
    """One subscription; written from the RFC's text, without the library under test."""

    def __init__(
        self, private: ec.EllipticCurvePrivateKey | None = None, auth: bytes = b""
    ) -> None:
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        self.auth = auth or os.urandom(16)

    @property
    def keys(self) -> dict[str, str]:
        """As ``PushSubscription.toJSON()`` gives them."""
        return {"p256dh": b64(point(self.private.public_key())), "auth": b64(self.auth)}

    def open(self, sealed: bytes) -> bytes:
        """The content of one record of aes128gcm."""
        salt, _, id_length = sealed[:16], struct.unpack("!I", sealed[16:20])[0], sealed[20]
        sender = sealed[21 : 21 + id_length]
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        secret = self.private.exchange(ec.ECDH(), key)
        info = b"WebPush: info\0" + point(self.private.public_key()) + sender
        material = _hkdf(secret, self.auth, info, 32)
        content_key = _hkdf(material, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _hkdf(material, salt, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(content_key).decrypt(nonce, sealed[21 + id_length :], None)
        content, mark, _ = padded.rpartition(b"\x02")
        assert mark == b"\x02", "the last record ends with its delimiter"
        return content


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
