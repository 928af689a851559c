"""Group bots against a real HTTP server that obeys, is busy, refuses, or lies with a 200."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from alerts.channels.webhook import WebhookChannel
from alerts.store import schema
from alerts.telling.dispatcher import Dispatcher
from config.secrets import BotSecret
from config.site import Site, Webhook
from tests.alerts.county import county_at, sqlite_url


class Provider:
    """What arrived, and what is answered."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b'{"errcode":0,"code":0}')
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.url = ""


@pytest.fixture
def provider() -> Iterator[Provider]:
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((self.path, json.loads(body)))
            self.send_response(state.answer[0])
            self.send_header("Content-Length", str(len(state.answer[1])))
            self.end_headers()
            self.wfile.write(state.answer[1])

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def told(folder: Path, site: Site, provider: Provider, kind: str, *, home: bool = False) -> Any:
    """A plate passes; returns the delivery row afterwards, None if there is none."""
    bot = BotSecret.model_validate({"kind": kind, "token": "tok", "sign_key": "SECx"})
    hooked = site.model_copy(update={"webhooks": (Webhook(id="group", url=provider.url),)})
    with county_at(sqlite_url(folder), hooked) as county:
        channel = WebhookChannel(hooked, {}, county.clock, bots={"group": bot})
        sender = Dispatcher(
            county.engine, hooked, county.clock, channel=channel, base_url="https://m.example"
        )
        try:
            county.see(county.face() if home else county.plate())
            sender.run_once()
        finally:
            sender.close()
        sent = schema.deliveries
        with county.engine.connect() as connection:
            return connection.execute(select(sent).where(sent.c.channel == "webhook")).first()


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu"])
def test_a_bot_gets_words_and_a_link_but_no_plate(
    tmp_path: Path, example_site: Site, provider: Provider, kind: str
) -> None:
    assert told(tmp_path, example_site, provider, kind).state == "accepted"
    path, body = provider.got[0]
    text = body["content"]["text"] if kind == "feishu" else body["text"]["content"]
    assert "https://m.example/alerts/" in text
    assert "2026-03-02 10:00:00 CST" in text
    assert "A12345" not in text
    assert "tok" in path


def test_dingtalk_is_signed(tmp_path: Path, example_site: Site, provider: Provider) -> None:
    told(tmp_path, example_site, provider, "dingtalk")
    query = parse_qs(urlsplit(provider.got[0][0]).query)
    message = f"{query['timestamp'][0]}\nSECx".encode()
    expected = base64.b64encode(hmac.new(b"SECx", message, hashlib.sha256).digest()).decode()
    assert query["sign"] == [expected]


@pytest.mark.parametrize(
    "kind, status, body, state",
    [
        ("wecom", 200, b'{"errcode":45009}', "pending"),
        ("wecom", 200, b'{"errcode":93000}', "failed"),
        ("dingtalk", 200, b'{"errcode":310000}', "failed"),
        ("feishu", 200, b'{"code":11232}', "pending"),
        ("feishu", 200, b'{"code":19021}', "failed"),
        ("feishu", 200, b"<html>", "pending"),
        ("wecom", 200, b"[]", "pending"),
        ("wecom", 429, b"", "pending"),
        ("wecom", 502, b"", "pending"),
        ("wecom", 404, b"", "failed"),
    ],
)
def test_a_lie_is_not_believed(
    tmp_path: Path,
    example_site: Site,
    provider: Provider,
    kind: str,
    status: int,
    body: bytes,
    state: str,
) -> None:
    provider.answer = (status, body)
    row = told(tmp_path, example_site, provider, kind)
    assert row.state == state
    assert "tok" not in row.error


def test_a_home_leaves_for_no_bot(tmp_path: Path, example_site: Site, provider: Provider) -> None:
    assert told(tmp_path, example_site, provider, "wecom", home=True) is None
    assert provider.got == []


def test_a_token_is_never_printed() -> None:
    assert "tok9" not in repr(BotSecret(kind="wecom", token=SecretStr("tok9")))


def test_a_token_is_in_no_log(
    tmp_path: Path, example_site: Site, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.answer = (200, b'{"errcode":93000}')
    told(tmp_path, example_site, provider, "wecom")
    assert "key=tok" in provider.got[0][0]
    assert "key=tok" not in caplog.text
