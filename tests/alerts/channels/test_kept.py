"""Connections to a provider stay open, are used by one request at a time, and may end any time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from alerts.channels.answers import exchange, open_client
from alerts.channels.base import Attempt
from alerts.channels.kept import ANSWER_LIMIT_BYTES, KeptClient
from tests.providers import Say, provider_at, wait_for

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Door:
    """A server that answers by hand: ``lines`` are the connections that it took, in order."""

    def __init__(self, says: bytes = _OK) -> None:
        self.says = says
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/send"
        self.lines: list[socket.socket] = []
        self.requests = 0
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            self.lines.append(line)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            while data := line.recv(65536):
                self.requests += data.count(b"POST /send")
                if data.endswith(b"body"):
                    with suppress(OSError):
                        line.sendall(self.says)
                    if self.says != _OK:
                        return


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.listener.close()


@contextmanager
def client_of() -> Iterator[KeptClient]:
    client = open_client(timeout_s=60)
    assert isinstance(client, KeptClient)
    with client:
        yield client


def post(client: httpx.Client, url: str) -> httpx.Response | Attempt:
    return exchange(client, client.build_request("POST", url, content=b"body"))


def test_requests_one_after_the_other_share_a_connection(door: Door) -> None:
    with client_of() as client:
        for _ in range(5):
            answer = post(client, door.url)
            assert isinstance(answer, httpx.Response)
            assert (answer.status_code, answer.content) == (200, b"ok")
        assert (len(door.lines), door.requests) == (1, 5)


def test_a_connection_that_the_provider_closed_meanwhile_is_not_used(door: Door) -> None:
    with client_of() as client:
        post(client, door.url)
        door.lines[0].shutdown(socket.SHUT_RDWR)
        answer = post(client, door.url)
        assert isinstance(answer, httpx.Response)
        assert (answer.status_code, door.requests, len(door.lines)) == (200, 2, 2)


def test_requests_at_once_have_a_connection_each() -> None:
    with client_of() as client, provider_at() as provider:
        provider.always = Say(hang_s=30)
        posts = [threading.Thread(target=post, args=(client, provider.url)) for _ in range(3)]
        for thread in posts:
            thread.start()
        wait_for(lambda: len(provider.got) == 3)
        provider.over.set()
        for thread in posts:
            thread.join()


def test_what_goes_wrong_is_said_and_tried_again() -> None:
    with client_of() as client, provider_at() as provider:
        provider.answers = [Say(reset=True), Say(status=503, headers={"Retry-After": "7"}), Say()]
        assert post(client, provider.url) == Attempt("retry", "not reachable (ReadError)")
        busy = post(client, provider.url)
        assert isinstance(busy, httpx.Response)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "7")
        assert getattr(post(client, provider.url), "status_code", None) == 200
    with client_of() as client:  # Nobody listens there any more.
        assert post(client, provider.url) == Attempt("retry", "not reachable (ConnectError)")


@pytest.mark.parametrize(
    ("says", "read"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nfine", b"fine"),
        (b"HTTP/1.1 204 None\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nX: \xff\xe4\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", None),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok", None),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (ANSWER_LIMIT_BYTES + 1), None),
        (b"\x00\x01\r\n\r\n", None),
        (b"", None),
    ],
    ids=lambda given: repr(given)[:60],
)
def test_whatever_a_provider_says_is_an_answer_or_is_tried_again(
    says: bytes, read: bytes | None
) -> None:
    door = Door(says)
    with client_of() as client:
        answer = post(client, door.url)
    door.listener.close()
    if read is None:
        assert isinstance(answer, Attempt)
        assert answer.result == "retry"
    else:
        assert isinstance(answer, httpx.Response)
        assert answer.content == read


def test_a_proxy_of_the_machine_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_at() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for exception in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(exception, raising=False)
        with open_client(timeout_s=60) as client:
            answer = post(client, "http://provider.invalid/send")
        assert getattr(answer, "status_code", None) == 200
        assert proxy.got[0].headers["host"] == "provider.invalid"
