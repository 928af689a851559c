"""SMS and voice: the request that a provider's HTTP interface wants, and what it answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from alerts.channels.answers import TIMEOUT_S, exchange, open_client, read_status, signed_headers
from alerts.channels.base import Attempt, Notification
from alerts.channels.budget import Budget
from alerts.channels.words import spoken, words_of
from config.channel_secrets import GatewaySecret
from config.channel_site import Gateway
from config.clock import Clock
from config.errors import UserError

_PLACE = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_KNOWN = frozenset({"phone", "text", "link", "reference", "time"})


class GatewayChannel:
    """One gateway of the site file; ``phones`` are those of the people who have one.

    Raises:
        UserError: its template asks for something that neither we nor the secrets file have.
    """

    def __init__(
        self,
        gateway: Gateway,
        secret: GatewaySecret,
        phones: Mapping[str, SecretStr],
        zone: ZoneInfo,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._gateway = gateway
        self._secret = secret
        self._phones = phones
        self._zone = zone
        self._clock = clock
        self._check_template()
        self._client = open_client(timeout_s=timeout_s)

    @property
    def name(self) -> str:
        """The gateway's id."""
        return self._gateway.id

    def budget(self, target: str) -> Budget | None:  # noqa: ARG002 - one provider for all
        """What the site file allows."""
        return Budget.steady(self._gateway.id, self._gateway.per_minute)

    def send(self, notification: Notification) -> Attempt:
        phone = self._phones.get(notification.target)
        if phone is None:
            return Attempt("refused", "no phone number in the secrets file")
        request = self._request(notification, phone.get_secret_value())
        answer = exchange(self._client, request)
        if isinstance(answer, Attempt):
            return answer
        attempt = read_status(answer, self._clock.now())
        return self._read(answer) if attempt.result == "accepted" else attempt

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, note: Notification, phone: str) -> httpx.Request:
        is_call = self._gateway.kind == "voice"
        now = self._clock.now()
        values = {
            "phone": phone,
            "text": spoken(note) if is_call else words_of(note, self._zone).text,
            "link": note.link,
            "reference": note.reference,
            "time": str(int(now.timestamp())),
        }
        values |= {
            f"secret.{name}": value.get_secret_value()
            for name, value in self._secret.secret.items()
        }
        body, media_type = self._encode(_fill(self._gateway.body, values))
        headers = {"Content-Type": media_type, "Idempotency-Key": note.key}
        headers |= {name: _put(text, values) for name, text in self._gateway.headers.items()}
        if self._secret.key is not None:
            headers |= signed_headers(self._secret.key.get_secret_value(), now, body)
        return self._client.build_request("POST", self._gateway.url, content=body, headers=headers)

    def _encode(self, fields: dict[str, Any]) -> tuple[bytes, str]:
        if self._gateway.encoding == "form":
            form = httpx.QueryParams({name: str(value) for name, value in fields.items()})
            return str(form).encode(), "application/x-www-form-urlencoded"
        return json.dumps(fields, ensure_ascii=False).encode(), "application/json; charset=utf-8"

    def _read(self, response: httpx.Response) -> Attempt:
        """Providers answer 200 and put their errors into the body: believe only the body."""
        try:
            document = response.json()
        except ValueError:
            document = None
        ref = look_up(document, self._gateway.id_field) if self._gateway.id_field else None
        answer = self._gateway.answer
        if answer is None:
            return Attempt("accepted", ref=ref)
        code = look_up(document, answer.field)
        if code is None:
            return Attempt("retry", f"answered without {answer.field}")
        if code in answer.accepted:
            return Attempt("accepted", ref=ref)
        return Attempt("retry" if code in answer.busy else "refused", f"error {code[:40]}")

    def _check_template(self) -> None:
        known = _KNOWN | {f"secret.{name}" for name in self._secret.secret}
        for text in (*_texts(self._gateway.body), *self._gateway.headers.values()):
            for name in _PLACE.findall(text):
                if name not in known:
                    raise UserError(
                        where=f"gateway {self._gateway.id}",
                        field=f"{{{name}}}",
                        problem="nothing is known by this name",
                        remedy=f"use {', '.join(sorted(_KNOWN))}, or add the value to "
                        f"[gateways.{self._gateway.id}.secret] of the secrets file",
                    )


def look_up(document: Any, path: str) -> str | None:
    """The value at ``path`` (keys joined by full stops) as text; None when it is not there."""
    for part in path.split("."):
        if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return None
    if isinstance(document, bool) or not isinstance(document, str | int | float):
        return None
    return str(document)[:200]


def _fill(part: Any, values: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _fill(value, values) for name, value in part.items()}
    if isinstance(part, list):
        return [_fill(value, values) for value in part]
    return _put(part, values) if isinstance(part, str) else part


def _put(text: str, values: Mapping[str, str]) -> str:
    # In one pass: what a value brings along is never itself looked up.
    return _PLACE.sub(lambda match: values[match.group(1)], text)


def _texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [text for value in part.values() for text in _texts(value)]
    if isinstance(part, list):
        return [text for value in part for text in _texts(value)]
    return [part] if isinstance(part, str) else []
