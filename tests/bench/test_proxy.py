"""The fault proxy does what each weather says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.bench.proxy import Proxy, Weather
from tests.events import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    opened = Proxy(echo)
    yield opened
    opened.close()


def call(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), 60)
    connection.settimeout(60)
    return connection


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (part := connection.recv(65_536)):
        data += part
    return data


@pytest.mark.parametrize(
    "weather", [Weather(), Weather(latency_s=0.05), Weather(bytes_per_s=200_000)]
)
def test_everything_arrives_in_order_in_any_weather(proxy: Proxy, weather: Weather) -> None:
    proxy.set(weather)
    sent = bytes(range(256)) * 200
    with call(proxy) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        assert receive(connection, len(sent)) == sent
        assert time.monotonic() - started >= 2 * weather.latency_s


def test_silence_holds_everything_and_loses_nothing(proxy: Proxy) -> None:
    with call(proxy) as connection:
        connection.sendall(b"before")
        assert receive(connection, 6) == b"before"
        proxy.change(is_silent=True)
        connection.sendall(b"during")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        connection.settimeout(60)
        proxy.set(Weather())
        assert receive(connection, 6) == b"during"


def test_a_reset_ends_connections_and_a_cut_refuses_new_ones(proxy: Proxy) -> None:
    with call(proxy) as connection:
        connection.sendall(b"x")
        receive(connection, 1)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.set(Weather(is_cut=True))

    def is_refused() -> bool:
        try:
            with call(proxy) as connection:
                connection.sendall(b"x")
                return connection.recv(1) == b""
        except OSError:
            return True

    wait_until(is_refused, what="a refusal")
    proxy.set(Weather())
    with call(proxy) as connection:
        connection.sendall(b"again")
        assert receive(connection, 5) == b"again"
