"""Group bots of WeCom, DingTalk and Feishu: their messages, signatures and kinds of answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

import httpx

from alerts.channels.base import Attempt
from config.secrets import BotSecret

BUSY = {
    "wecom": frozenset({-1, 45009}),
    "dingtalk": frozenset({-1, 130101}),
    "feishu": frozenset({9499, 11232}),
}
"""Error codes that mean: busy, or too many messages; try later."""

PER_MINUTE = {"wecom": 20, "dingtalk": 20, "feishu": 100}
"""Messages a minute that each provider takes from one bot, by its own documentation."""


def request(
    client: httpx.Client, url: str, bot: BotSecret, text: str, now: datetime
) -> httpx.Request:
    """The POST that ``bot`` understands. Its address holds the token: never log it."""
    token = bot.token.get_secret_value()
    body: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    query: dict[str, str] = {}
    if bot.kind == "wecom":
        query["key"] = token
    elif bot.kind == "dingtalk":
        query["access_token"] = token
        if bot.sign_key is not None:
            stamp = str(int(now.timestamp() * 1000))
            query |= {"timestamp": stamp, "sign": _dingtalk(bot.sign_key.get_secret_value(), stamp)}
    else:
        url = f"{url.rstrip('/')}/{token}"
        body = {"msg_type": "text", "content": {"text": text}}
        if bot.sign_key is not None:
            stamp = str(int(now.timestamp()))
            body |= {"timestamp": stamp, "sign": _feishu(bot.sign_key.get_secret_value(), stamp)}
    return client.build_request("POST", url, params=query, json=body)


def read(bot: BotSecret, content: bytes) -> Attempt:
    """What the body of a 2xx answer really says: these providers put their errors there."""
    field = "code" if bot.kind == "feishu" else "errcode"
    try:
        answer = json.loads(content)
        code = answer[field]
    except (ValueError, KeyError, TypeError):
        return Attempt("retry", f"{bot.kind} answered in a form that is not its own")
    if type(code) is not int:
        return Attempt("retry", f"{bot.kind} answered in a form that is not its own")
    if code == 0:
        return Attempt("accepted")
    return Attempt("retry" if code in BUSY[bot.kind] else "refused", f"{bot.kind} error {code}")


def _dingtalk(key: str, stamp: str) -> str:
    """Base64 HMAC-SHA256 of timestamp (ms), newline and key, under the key."""
    digest = hmac.new(key.encode(), f"{stamp}\n{key}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _feishu(key: str, stamp: str) -> str:
    """Base64 HMAC-SHA256 of nothing under timestamp (s), newline and key."""
    digest = hmac.new(f"{stamp}\n{key}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
