"""What every channel promises, asked of each against a real server that obeys, is busy, or lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from alerts.channels.base import Attempt, Channel, Notification
from alerts.channels.gateway import GatewayChannel
from alerts.channels.mail import MailChannel
from alerts.channels.push import PushChannel, new_private_key
from alerts.channels.subscriptions import Subscriptions
from alerts.channels.webhook import WebhookChannel
from alerts.life.state import State
from config.channel_secrets import GatewaySecret, PushSecret, SmtpSecret
from config.channel_site import Answer, Gateway
from config.clock import FakeClock
from config.event import EventKind, Severity
from config.ids import uuid7
from config.secrets import BotSecret
from config.site import Site, Webhook
from ingest.certificates import Authority
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests import servers
from tests.alerts.county import sqlite_url
from tests.providers import Provider, Say, provider_at
from tests.push_browser import Browser

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
HTTP = ("webhook", "wecom", "dingtalk", "feishu", "sms", "voice", "webpush")
ALL = (*HTTP, "email")
BOTS = ("wecom", "dingtalk", "feishu")
"""Their providers know no key by which a repetition could be told."""
LIARS = (*BOTS, "sms")
"""Providers that answer 200 and put their error into the body."""
TIMEOUT_S = 60.0
SHORT_S = 0.5
"""Where a provider keeps silent; everywhere else a busy machine is given its time."""


def note(**changes: Any) -> Notification:
    values: dict[str, Any] = {
        "key": "alert:0.0.0:wang-fang:x",
        "reference": uuid7(NOW),
        "target": "wang-fang",
        "alert_id": uuid7(NOW),
        "version": 1,
        "state": State.OPEN,
        "step": 0,
        "kind": EventKind.PLATE,
        "severity": Severity.WARNING,
        "title_zh": "东门小区入口：车牌",
        "title_en": "East gate: plate",
        "camera": "east-gate-in",
        "camera_name": "东门小区入口",
        "grid": "east-gate",
        "opened_at": NOW,
        "changed_at": NOW,
        "acked_by": None,
        "link": "https://m.example/alerts/1",
    }
    return Notification(**{**values, **changes})


@dataclass
class Rig:
    """One channel and the server it talks to; ``texts`` are the messages that arrived, opened."""

    channel: Channel
    texts: Callable[[], list[str]]
    say: Callable[[Say], None]
    keys: Callable[[], list[str]]
    """What each request carried so that a repetition can be dropped."""


@dataclass
class Post:
    """A mail server's memory and its next answer."""

    answer: str = "250 OK"
    hang_s: float = 0.0
    got: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hang_s:
            await asyncio.sleep(self.hang_s)
        if self.answer.startswith("250"):
            self.got.append(envelope.content)
        return self.answer


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


@pytest.fixture
def make(stack: ExitStack, tmp_path: Path, example_site: Site) -> Callable[[str], Rig]:
    def made(name: str) -> Rig:
        rig = _mail(stack) if name == "email" else _http(stack, tmp_path, example_site, name)
        stack.callback(rig.channel.close)
        return rig

    return made


def _http(stack: ExitStack, folder: Path, site: Site, name: str) -> Rig:
    clock = FakeClock(NOW)
    if name == "webpush":
        return _push(stack, folder, clock)
    provider = stack.enter_context(provider_at())
    provider.always = Say(body=b'{"errcode":0,"code":0,"data":{"id":"sms-77"}}')
    if name in ("sms", "voice"):
        channel: Channel = _gateway(name, provider, clock)
    else:
        channel = _hook(site, provider, name, clock)

    def say(answer: Say) -> None:
        provider.always = answer

    def texts() -> list[str]:
        return [_text(item.json()) for item in provider.got]

    def keys() -> list[str]:
        return [item.headers.get("idempotency-key", "") for item in provider.got]

    return Rig(channel, texts, say, keys)


def _text(body: dict[str, Any]) -> str:
    found = body.get("text") or body.get("content") or json.dumps(body, ensure_ascii=False)
    if isinstance(found, dict):
        found = found.get("content") or found.get("text")
    return str(found)


def _gateway(kind: str, provider: Provider, clock: FakeClock) -> GatewayChannel:
    gateway = Gateway.model_validate(
        {
            "id": kind,
            "kind": kind,
            "url": f"{provider.url}/send",
            "answer": Answer(field="code", accepted=("0",), busy=("7",)),
            "id_field": "data.id",
        }
    )
    secret = GatewaySecret(key=SecretStr("gateway-key"))
    return GatewayChannel(
        gateway, secret, {"wang-fang": SecretStr("13800000000")}, ZONE, clock, timeout_s=TIMEOUT_S
    )


def _hook(site: Site, provider: Provider, name: str, clock: FakeClock) -> WebhookChannel:
    hooked = site.model_copy(
        update={"webhooks": (Webhook(id="wang-fang", url=f"{provider.url}/hook"),)}
    )
    bots = {}
    if name != "webhook":
        bots["wang-fang"] = BotSecret.model_validate(
            {"kind": name, "token": "tok", "sign_key": "SECx"}
        )
    keys = {"wang-fang": SecretStr("k" * 32)}
    return WebhookChannel(hooked, keys, clock, timeout_s=TIMEOUT_S, bots=bots)


def _push(stack: ExitStack, folder: Path, clock: FakeClock) -> Rig:
    authority = Authority(folder / "ca", datetime.now(UTC))
    certificate, key = authority.issue("push", hosts=["127.0.0.1"])
    provider = stack.enter_context(provider_at(certificate=certificate, key=key))
    provider.always = Say(201)
    engine = open_engine(sqlite_url(folder))
    stack.callback(engine.dispose)
    upgrade(engine)
    identity = PushSecret(
        private_key=SecretStr(new_private_key()),
        contact="mailto:centre@m.example",
        hosts=(urlsplit(provider.url).netloc,),
        ca_file=str(folder / "ca" / "ca.crt"),
    )
    kept, browser = Subscriptions(engine, clock, identity.hosts), Browser()
    kept.add("wang-fang", endpoint=f"{provider.url}/to/1", device="test", **browser.keys)
    channel = PushChannel(identity, kept, ZONE, clock, timeout_s=TIMEOUT_S)

    def texts() -> list[str]:
        opened = [json.loads(browser.open(item.body)) for item in provider.got]
        return [f"{item['title']}\n{item['body']}\n{item['link']}" for item in opened]

    def say(answer: Say) -> None:
        provider.always = answer

    return Rig(channel, texts, say, lambda: [item.headers["topic"] for item in provider.got])


def _mail(stack: ExitStack) -> Rig:
    post, port = Post(), servers.free_port()
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    stack.callback(controller.stop)
    server = SmtpSecret(host="127.0.0.1", port=port, security="none", sender="m@m.example")
    channel = MailChannel(
        server, {"wang-fang": "wang@m.example"}, ZONE, FakeClock(NOW), timeout_s=TIMEOUT_S
    )

    def say(answer: Say) -> None:
        post.hang_s = answer.hang_s
        if not answer.hang_s:
            post.answer = {429: "452 too busy", 503: "451 later", 400: "550 no"}[answer.status]

    def mails() -> list[Any]:
        return [message_from_bytes(item, policy=policy.default) for item in post.got]

    def texts() -> list[str]:
        return [f"{item['Subject']}\n{item.get_content()}" for item in mails()]

    return Rig(channel, texts, say, lambda: [item["Message-ID"] for item in mails()])


@pytest.mark.parametrize("name", ALL)
def test_words_and_a_link_arrive_and_nothing_else(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    assert rig.channel.send(note()).result == "accepted"
    [text] = rig.texts()
    assert "东门小区入口" in text
    if name != "voice":
        assert "https://m.example/alerts/1" in text


@pytest.mark.parametrize("name", [name for name in ALL if name not in BOTS])
def test_a_repetition_can_be_told(make: Callable[[str], Rig], name: str) -> None:
    rig, sent = make(name), note()
    rig.channel.send(sent)
    rig.channel.send(sent)
    first, second = rig.keys()
    assert first == second != ""


@pytest.mark.parametrize("name", ALL)
def test_busy_is_tried_again(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    rig.say(Say(429, headers={"Retry-After": "17"}))
    attempt = rig.channel.send(note())
    assert attempt.result == "retry"
    assert attempt.retry_after == (None if name == "email" else timedelta(seconds=17))


@pytest.mark.parametrize("name", ALL)
def test_a_fault_of_theirs_is_tried_again(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    rig.say(Say(503))
    assert rig.channel.send(note()).result == "retry"


@pytest.mark.parametrize("name", ALL)
def test_silence_is_tried_again(
    make: Callable[[str], Rig], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "TIMEOUT_S", SHORT_S)
    rig = make(name)
    rig.say(Say(hang_s=3))
    attempt = rig.channel.send(note())
    assert (attempt.result, attempt.problem != "") == ("retry", True)


@pytest.mark.parametrize("name", HTTP)
def test_a_broken_line_is_tried_again(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    rig.say(Say(reset=True))
    assert rig.channel.send(note()).result == "retry"


@pytest.mark.parametrize("name", ALL)
def test_a_refusal_is_final(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    rig.say(Say(400))
    assert rig.channel.send(note()).result == "refused"


@pytest.mark.parametrize("name", LIARS)
@pytest.mark.parametrize(
    "body", [b'{"errcode":93000,"code":93000}', b"<html>ok</html>", b"[]", b"{}"]
)
def test_a_lie_is_not_believed(make: Callable[[str], Rig], name: str, body: bytes) -> None:
    rig = make(name)
    rig.say(Say(200, body))
    assert rig.channel.send(note()).result != "accepted"


@pytest.mark.parametrize("name", ALL)
def test_somebody_without_an_address_is_refused(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    assert rig.channel.send(note(target="nobody")).result == "refused"
    assert rig.texts() == []


@pytest.mark.parametrize("name", [name for name in ALL if name != "webhook"])
def test_of_a_home_others_learn_nothing(make: Callable[[str], Rig], name: str) -> None:
    # That of a home no webhook hears at all is in tests/alerts/channels/test_webhook.py.
    rig = make(name)
    rig.channel.send(note(is_home=True, title_zh="李强家院门：有人脸", camera_name="李强家院门"))
    [text] = rig.texts()
    assert ("李强" in text) is (name == "webpush"), "only what is sealed says more"


@pytest.mark.parametrize("name", ALL)
def test_a_test_says_that_it_is_one(make: Callable[[str], Rig], name: str) -> None:
    rig = make(name)
    rig.channel.send(note(is_test=True))
    [text] = rig.texts()
    assert "测试" in text or '"test": true' in text


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    stack: ExitStack, tmp_path: Path, example_site: Site
) -> None:
    authority = Authority(tmp_path / "ca", datetime.now(UTC))
    certificate, key = authority.issue("p", hosts=["127.0.0.1"])
    provider = stack.enter_context(provider_at(certificate=certificate, key=key))
    attempts: list[Attempt] = []
    for channel in (
        _hook(example_site, provider, "wecom", FakeClock(NOW)),
        _gateway("sms", provider, FakeClock(NOW)),
    ):
        attempts.append(channel.send(note()))
        channel.close()
    assert [attempt.result for attempt in attempts] == ["retry", "retry"]
    assert provider.got == [], "nothing was said before the certificate was checked"


def test_a_form_is_filled_and_its_values_stay_values(stack: ExitStack) -> None:
    provider = stack.enter_context(provider_at())
    gateway = Gateway.model_validate(
        {
            "id": "sms",
            "kind": "sms",
            "url": provider.url,
            "encoding": "form",
            "headers": {"X-App": "{secret.app}"},
            "body": {"m": "{phone}", "c": "{text}", "s": "{secret.app}&{secret.other}"},
        }
    )
    secret = GatewaySecret(secret={"app": SecretStr("a&b={link}"), "other": SecretStr("x")})
    channel = GatewayChannel(
        gateway, secret, {"wang-fang": SecretStr("+86 138")}, ZONE, FakeClock(NOW)
    )
    assert channel.send(note(title_zh="{secret.app}")).result == "accepted"
    channel.close()
    got = provider.got[0]
    form = {name: value[0] for name, value in parse_qs(got.body.decode()).items()}
    assert form["m"] == "+86 138"
    assert form["s"] == "a&b={link}&x"
    assert "{secret.app}" in form["c"], "words are never taken for a template"
    assert got.headers["x-app"] == "a&b={link}"
