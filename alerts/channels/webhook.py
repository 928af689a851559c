"""Webhook: signed JSON by HTTP POST, with an idempotency key and an honest reading of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from alerts.channels import bots as speech
from alerts.channels.answers import (
    TIMEOUT_S,
    exchange,
    open_client,
    read_status,
    signed_headers,
)
from alerts.channels.base import Attempt, Notification
from alerts.channels.budget import Budget
from alerts.channels.words import words_of
from config.clock import Clock
from config.errors import UserError
from config.secrets import BotSecret
from config.site import Site


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
        self._client = open_client(timeout_s=timeout_s)

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
        response = exchange(self._client, self._request(notification, url, bot))
        if isinstance(response, Attempt):
            return response
        attempt = read_status(response, self._clock.now())
        if bot is None or attempt.result != "accepted":
            return attempt
        return speech.read(bot, response.content)

    def _request(
        self, notification: Notification, url: str, bot: BotSecret | None
    ) -> httpx.Request:
        if bot is not None:
            text = words_of(notification, self._zone).text
            return speech.request(self._client, url, bot, text, self._clock.now())
        body = encode(notification)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": notification.key,
            **signed_headers(
                self._keys[notification.target].get_secret_value(), self._clock.now(), body
            ),
        }
        return self._client.build_request("POST", url, content=body, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def encode(notification: Notification) -> bytes:
    """The JSON body, UTF-8, keys sorted; times in ISO 8601 UTC."""
    fields = {"v": 1, "test": notification.is_test}
    fields |= _digest(notification) if notification.gathered else _alert(notification)
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


def _digest(notification: Notification) -> dict[str, Any]:
    """Many alerts in one body: a receiver knows it by the key ``digest``."""
    return {
        "digest": notification.link.rpartition("/")[2],
        "count": len(notification.gathered) + notification.left_out,
        "left_out": notification.left_out,
        "title_zh": notification.title_zh,
        "title_en": notification.title_en,
        "severity": str(notification.gathered[0].severity),
        "link": notification.link,
        "alerts": [_alert(one) for one in notification.gathered],
    }


def _alert(notification: Notification) -> dict[str, Any]:
    return {
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
