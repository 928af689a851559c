"""Web Push: sealed for the browser (RFC 8291), signed by us (RFC 8292), posted (RFC 8030)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import http_ece
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from alerts.channels.answers import TIMEOUT_S, exchange, open_client, read_status
from alerts.channels.base import Attempt, Notification
from alerts.channels.budget import Budget
from alerts.channels.subscriptions import Subscription, Subscriptions
from alerts.channels.words import words_of
from config.channel_secrets import PushSecret
from config.channel_site import WEBPUSH
from config.clock import Clock
from config.errors import UserError
from config.event import Severity

KEEP_S = 3600
"""How long a push service keeps a message for a browser that is away."""
TOKEN_FOR = timedelta(hours=12)
"""At most 24 hours (RFC 8292, section 2)."""
_URGENCY = {
    Severity.INFO: "low",
    Severity.NOTICE: "normal",
    Severity.WARNING: "high",
    Severity.CRITICAL: "high",
}
_GONE = frozenset({404, 410})


class PushChannel:
    """Posts to every browser of a person; one that takes it is enough.

    The message reaches the service worker as JSON: ``title``, ``body``, ``link``, ``tag`` (the
    alert, so that a newer message replaces an older one), ``reference`` for its receipt, and
    ``severity``; ``answer``, where one of ``answers`` (name and words of a button) is taken once
    without a login, or null. A push service sees none of it, only when, for whom, and how long.

    Raises:
        UserError: the private key is malformed, or the certificates cannot be read.
    """

    name = WEBPUSH

    def __init__(
        self,
        identity: PushSecret,
        subscriptions: Subscriptions,
        zone: ZoneInfo,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._key = signing_key(identity)
        self._contact = identity.contact
        self._subscriptions = subscriptions
        self._zone = zone
        self._clock = clock
        self._tokens: dict[str, tuple[datetime, str]] = {}
        self._lock = threading.Lock()
        try:
            self._client = open_client(timeout_s=timeout_s, ca_file=identity.ca_file)
        except OSError as error:
            raise UserError(
                where="secrets file",
                field="push.ca_file",
                problem=f"cannot be used ({type(error).__name__})",
                remedy="give the path of certificates in PEM",
            ) from None

    def budget(self, target: str) -> Budget | None:  # noqa: ARG002 - services tell by 429
        """Push services publish no rate; they answer 429 with Retry-After."""
        return None

    def send(self, notification: Notification) -> Attempt:
        browsers = self._subscriptions.of(notification.target)
        if not browsers:
            return Attempt("refused", "no browser of theirs takes push messages")
        attempts = [self._post(notification, browser) for browser in browsers]
        order = ("accepted", "retry", "refused")
        return min(attempts, key=lambda attempt: order.index(attempt.result))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, note: Notification, browser: Subscription) -> Attempt:
        request = self._request(note, browser)
        answer = exchange(self._client, request)
        if isinstance(answer, Attempt):
            return answer
        if answer.status_code in _GONE:
            self._subscriptions.forget(browser)
            return Attempt("refused", "this browser is no longer subscribed")
        return read_status(answer, self._clock.now())

    def _request(self, note: Notification, browser: Subscription) -> httpx.Request:
        words = words_of(note, self._zone, is_sealed=True)
        content = {
            "title": words.title,
            "body": words.body.rpartition("\n")[0],
            "link": note.link,
            "tag": note.alert_id,
            "reference": note.reference,
            "severity": str(note.severity),
            "answer": note.answer,
            "answers": _answers(note),
        }
        sealed = seal(json.dumps(content, ensure_ascii=False).encode(), browser)
        topic = base64.urlsafe_b64encode(hashlib.sha256(note.key.encode()).digest()[:24]).decode()
        headers = {
            "Authorization": self._token(browser.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEEP_S),
            "Urgency": _URGENCY[note.severity],
            # A repetition replaces the message that still waits (RFC 8030, section 5.4).
            "Topic": topic,
        }
        return self._client.build_request("POST", browser.endpoint, content=sealed, headers=headers)

    def _token(self, endpoint: str) -> str:
        """The ``Authorization`` for a push service; the same for half of its life."""
        parts = urlsplit(endpoint)
        audience = f"{parts.scheme}://{parts.netloc}"
        now = self._clock.now()
        with self._lock:
            made, token = self._tokens.get(audience, (None, ""))
            if made is None or not now - TOKEN_FOR / 2 < made <= now:
                expires = int((now + TOKEN_FOR).timestamp())
                claims = {"aud": audience, "exp": expires, "sub": self._contact}
                token = self._key.sign(claims)["Authorization"]
                self._tokens[audience] = now, token
        return token


def _answers(note: Notification) -> list[tuple[str, str]]:
    """The buttons of the message; phones show two."""
    if note.answer is None:
        return []
    if note.is_owners:
        return [("us", "是我们 It is us"), ("grid", "叫网格长 Call the grid head")]
    return [("take", "我来处理 I take it")]


def seal(content: bytes, browser: Subscription) -> bytes:
    """``content`` that only ``browser`` can read: aes128gcm (RFC 8188, RFC 8291), one record."""
    sealed: bytes = http_ece.encrypt(
        content,
        salt=os.urandom(16),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=browser.p256dh,
        auth_secret=browser.auth,
        version="aes128gcm",
    )
    return sealed


def signing_key(identity: PushSecret) -> Vapid02:
    """Our key.

    Raises:
        UserError: it is not one.
    """
    try:
        return Vapid02.from_raw(identity.private_key.get_secret_value().encode())
    except ValueError:
        raise UserError(
            where="secrets file",
            field="push.private_key",
            problem="is not a P-256 private key of 32 bytes as base64url",
            remedy="make one with: menshen alerts channels new-push-key",
        ) from None


def public_key(identity: PushSecret) -> str:
    """What browsers need to subscribe: the uncompressed point as base64url without padding."""
    point = signing_key(identity).public_key.public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def new_private_key() -> str:
    """A fresh key as base64url without padding."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
