"""E-mail over TLS: STARTTLS is asked for, certificates are checked, and logins are used."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from alerts.channels.mail import MailChannel
from config.channel_secrets import SmtpSecret
from config.clock import FakeClock
from config.errors import UserError
from ingest.certificates import Authority
from tests import servers
from tests.contracts.test_channels import note

ZONE = ZoneInfo("Asia/Shanghai")


class Box:
    """What the server took, and whether the line was encrypted then."""

    def __init__(self) -> None:
        self.got: list[tuple[bool, bytes]] = []

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append(
            (server.transport.get_extra_info("ssl_object") is not None, envelope.content)
        )
        return "250 OK"


def authenticate(_server: Any, _session: Any, _envelope: Any, _way: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    is_right = (given.login, given.password) == (b"menshen", b"right")
    return AuthResult(success=is_right, handled=False)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def started(stack: ExitStack, folder: Path, box: Box) -> int:
    """A server that takes mail only over STARTTLS and from those who log in; its port."""
    certificate, key = Authority(folder / "ca", datetime.now(UTC)).issue(
        "mail", hosts=("127.0.0.1",)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = servers.free_port()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    stack.callback(controller.stop)
    return port


def channel_to(port: int, **changes: Any) -> MailChannel:
    server = SmtpSecret.model_validate(
        {"host": "127.0.0.1", "port": port, "sender": "m@m.example", "user": "menshen", **changes}
    )
    return MailChannel(server, {"wang-fang": "wang@m.example"}, ZONE, FakeClock())


def test_mail_goes_over_tls_with_a_login(stack: ExitStack, tmp_path: Path) -> None:
    box = Box()
    port = started(stack, tmp_path, box)
    trusted = str(tmp_path / "ca" / "ca.crt")
    channel = channel_to(port, password=SecretStr("right"), ca_file=trusted)
    assert channel.send(note()).result == "accepted"
    [(is_encrypted, content)] = box.got
    assert is_encrypted
    assert b"Auto-Submitted: auto-generated" in content


def test_an_untrusted_server_gets_neither_login_nor_message(
    stack: ExitStack, tmp_path: Path
) -> None:
    box = Box()
    port = started(stack, tmp_path, box)
    attempt = channel_to(port, password=SecretStr("right")).send(note())
    assert (attempt.result, "certificate" in attempt.problem) == ("retry", True)
    assert box.got == []


def test_a_wrong_password_is_told_and_tried_again(stack: ExitStack, tmp_path: Path) -> None:
    box = Box()
    port = started(stack, tmp_path, box)
    trusted = str(tmp_path / "ca" / "ca.crt")
    attempt = channel_to(port, password=SecretStr("wrong"), ca_file=trusted).send(note())
    assert attempt.result == "retry"
    assert "login" in attempt.problem, attempt.problem
    assert "wrong" not in attempt.problem


def test_a_server_without_starttls_gets_nothing(stack: ExitStack) -> None:
    box, port = Box(), servers.free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    stack.callback(controller.stop)
    assert channel_to(port).send(note()).result == "retry"
    assert box.got == []


def test_mail_never_leaves_the_machine_in_the_clear() -> None:
    server = SmtpSecret(host="mail.example", security="none", sender="m@m.example")
    with pytest.raises(UserError, match="unencrypted"):
        MailChannel(server, {}, ZONE, FakeClock())


def test_nobody_there_is_tried_again() -> None:
    assert channel_to(servers.free_port()).send(note()).result == "retry"


@pytest.mark.parametrize("words", ["a\r\nBcc: x@y.example", "\n\n.\r\nMAIL FROM:<x>"])
def test_no_name_of_a_camera_can_write_headers(
    stack: ExitStack, tmp_path: Path, words: str
) -> None:
    box = Box()
    port = started(stack, tmp_path, box)
    trusted = str(tmp_path / "ca" / "ca.crt")
    channel = channel_to(port, password=SecretStr("right"), ca_file=trusted)
    attempt = channel.send(note(title_zh=words))
    assert attempt.result == "accepted"
    head, _, _ = box.got[0][1].partition(b"\r\n\r\n")
    assert b"\r\nBcc:" not in head
    assert head.count(b"\r\nTo:") == 1
