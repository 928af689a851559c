"""One HTTP attempt, and an honest reading of its answer."""

from __future__ import annotations

import hashlib
import hmac
import logging
import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from alerts.channels.base import Attempt
from alerts.channels.budget import LONGEST_PAUSE
from alerts.channels.kept import KeptClient, needs_proxy

TIMEOUT_S = 10.0


def open_client(*, timeout_s: float = TIMEOUT_S, ca_file: str | None = None) -> httpx.Client:
    """A client that follows no redirects and logs no addresses: they may hold tokens.

    Raises:
        OSError: ``ca_file`` cannot be read, or holds no certificates.
    """
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if ca_file is not None:
        trust = ssl.create_default_context(cafile=ca_file)
    else:
        trust = httpx.create_ssl_context()
    if needs_proxy():
        return httpx.Client(timeout=timeout_s, follow_redirects=False, verify=trust)
    return KeptClient(timeout_s=timeout_s, trust=trust)


def exchange(client: httpx.Client, request: httpx.Request) -> httpx.Response | Attempt:
    """The provider's answer, or why there is none."""
    try:
        return client.send(request)
    except httpx.TimeoutException:
        return Attempt("retry", "no answer in time")
    except httpx.TransportError as error:
        return Attempt("retry", f"not reachable ({type(error).__name__})")
    except httpx.DecodingError:
        return Attempt("retry", "answered what cannot be unpacked")
    except httpx.InvalidURL:
        return Attempt("refused", "the address is malformed")


def read_status(response: httpx.Response, now: datetime) -> Attempt:
    """What the status code says (RFC 9110, section 15)."""
    code = response.status_code
    if 200 <= code < 300:
        return Attempt("accepted")
    if code in (408, 425, 429) or code >= 500:
        wait = retry_after(response.headers.get("Retry-After"), now)
        return Attempt("retry", f"answered {code}", wait)
    return Attempt("refused", f"answered {code}")


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 (RFC 2104) over ``timestamp``, a full stop and ``body``."""
    message = timestamp.encode() + b"." + body
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def signed_headers(key: str, now: datetime, body: bytes) -> dict[str, str]:
    """``Menshen-Timestamp`` (Unix seconds) and ``Menshen-Signature`` (``sha256=`` and hex)."""
    timestamp = str(int(now.timestamp()))
    return {
        "Menshen-Timestamp": timestamp,
        "Menshen-Signature": f"sha256={signature(key, timestamp, body)}",
    }


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for (RFC 9110, section 10.2.3), at most an hour.

    None when there is none or it cannot be understood.
    """
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return min(timedelta(seconds=min(int(value), 1_000_000)), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return min(max(moment - now, timedelta(0)), LONGEST_PAUSE)
