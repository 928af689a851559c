"""Webhook: signed JSON by HTTP POST, with an idempotency key and an honest reading of answers."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from alerts.channels import bots as speech
from alerts.channels.base import Attempt, Notification
from alerts.channels.budget import Budget
from config.clock import Clock
from config.errors import UserError
from config.secrets import BotSecret
from config.site import Site

TIMEOUT_S = 10.0
LONGEST_PAUSE = timedelta(hours=1)
"""A longer Retry-After is cut to this."""


class WebhookChannel:
    """Posts to the webhooks of a site; to those in ``bots`` in the words of their provider.

    Headers: ``Idempotency-Key``; ``Menshen-Timestamp``, Unix seconds; ``Menshen-Signature``,
    ``sha256=`` and the hex HMAC-SHA256 (RFC 2104) of timestamp, ``.`` and body under the
    webhook's key. A receiver should refuse timestamps older than a few minutes.

    Raises:
        UserError: a webhook of the site has no key in the secrets file.
    """

    name = "webhook"

    def __init__(
        self,
        site: Site,
        keys: Mapping[str, SecretStr],
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
        bots: Mapping[str, BotSecret] | None = None,
    ) -> None:
        self._bots = bots or {}
        # They log whole addresses, and that of a bot holds its token.
        for chatty in ("httpx", "httpcore"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._zone = ZoneInfo(site.county.zone)
        for webhook in site.webhooks:
            if webhook.id not in keys and webhook.id not in self._bots:
                raise UserError(
                    where="secrets file",
                    field=f"webhooks.{webhook.id}",
                    problem="the webhook has no key to sign with",
                    remedy=f'add to [webhooks]: {webhook.id} = "a long random text"',
                )
        self._urls = {webhook.id: webhook.url for webhook in site.webhooks}
        self._keys = keys
        self._clock = clock
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def budget(self, target: str) -> Budget | None:
        """What the provider of a bot allows; a webhook of one's own has no limit."""
        bot = self._bots.get(target)
        return (
            None
            if bot is None
            else Budget.steady(f"webhook:{target}"[:63], speech.PER_MINUTE[bot.kind])
        )

    def send(self, notification: Notification) -> Attempt:
        url = self._urls.get(notification.target)
        if url is None:
            return Attempt("refused", "this webhook is no longer in the site file")
        bot = self._bots.get(notification.target)
        try:
            response = self._client.send(self._request(notification, url, bot))
        except httpx.TimeoutException:
            return Attempt("retry", "no answer in time")
        except httpx.TransportError as error:
            return Attempt("retry", f"not reachable ({type(error).__name__})")
        except httpx.InvalidURL:
            return Attempt("refused", "the address is malformed")
        attempt = self._read(response)
        if bot is None or attempt.result != "accepted":
            return attempt
        return speech.read(bot, response.content)

    def _request(
        self, notification: Notification, url: str, bot: BotSecret | None
    ) -> httpx.Request:
        if bot is not None:
            text = speech.text_of(notification, self._zone)
            return speech.request(self._client, url, bot, text, self._clock.now())
        body = encode(notification)
        timestamp = str(int(self._clock.now().timestamp()))
        key = self._keys[notification.target].get_secret_value()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": notification.key,
            "Menshen-Timestamp": timestamp,
            "Menshen-Signature": f"sha256={sign(key, timestamp, body)}",
        }
        return self._client.build_request("POST", url, content=body, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, response: httpx.Response) -> Attempt:
        code = response.status_code
        if 200 <= code < 300:
            return Attempt("accepted")
        if code in (408, 425, 429) or code >= 500:
            pause = retry_after(response.headers.get("Retry-After"), self._clock.now())
            return Attempt("retry", f"answered {code}", pause)
        return Attempt("refused", f"answered {code}")


def encode(notification: Notification) -> bytes:
    """The JSON body, UTF-8, keys sorted; times in ISO 8601 UTC."""
    fields: dict[str, Any] = {
        "v": 1,
        "alert": notification.alert_id,
        "version": notification.version,
        "state": str(notification.state),
        "step": notification.step,
        "kind": str(notification.kind),
        "severity": str(notification.severity),
        "title_zh": notification.title_zh,
        "title_en": notification.title_en,
        "camera": notification.camera,
        "camera_name": notification.camera_name,
        "grid": notification.grid,
        "opened_at": notification.opened_at.astimezone(UTC).isoformat(),
        "changed_at": notification.changed_at.astimezone(UTC).isoformat(),
        "acked_by": notification.acked_by,
        "link": notification.link,
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


def sign(key: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over ``timestamp``, a full stop and ``body``."""
    message = timestamp.encode() + b"." + body
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for (RFC 9110, section 10.2.3), at most an hour.

    None when there is none or it cannot be understood.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return min(timedelta(seconds=min(int(value), 1_000_000)), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return min(max(moment - now, timedelta(0)), LONGEST_PAUSE)
