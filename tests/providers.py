"""A real HTTP provider of ours that answers as told: well, late, falsely or not at all."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Say:
    """One answer; ``hang_s`` seconds late, or by a ``reset`` of the connection."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hang_s: float = 0.0
    reset: bool = False


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Provider:
    """``answers`` are given one by one, then ``always``; ``taken`` is called before an answer."""

    def __init__(self) -> None:
        self.answers: list[Say] = []
        self.always = Say()
        self.got: list[Got] = []
        self.taken: Callable[[Got], None] = lambda _: None
        self.url = ""
        self.over = threading.Event()
        self._lock = threading.Lock()

    def take(self, got: Got) -> Say:
        with self._lock:
            self.got.append(got)
            say = self.answers.pop(0) if self.answers else self.always
        self.taken(got)
        return say


@contextmanager
def provider_at(*, certificate: Path | None = None, key: Path | None = None) -> Iterator[Provider]:
    """A provider on a free port; with a certificate it speaks TLS."""
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            say = state.take(Got(self.path, headers, self.rfile.read(length)))
            if say.hang_s:
                state.over.wait(say.hang_s)
            if say.reset:
                # A linger of zero makes the close a reset.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                self.close_connection = True
                return
            try:
                self.send_response(say.status)
                for name, value in say.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(say.body)))
                self.end_headers()
                self.wfile.write(say.body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that hang up are part of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"{scheme}://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """True as soon as ``holds()`` is, False after ``seconds``."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
