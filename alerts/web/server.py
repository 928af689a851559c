"""Server: runs the web application with uvicorn in a thread, and stops it without waiting."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading

import uvicorn
from fastapi import FastAPI

from config.errors import UserError
from config.live import MESSAGE_LIMIT_BYTES

STOP_S = 10.0
"""Streams end at once when asked; this bounds a client that does not read."""


class _RefusalIsNoFault(logging.Filter):
    """uvicorn calls a WebSocket that was answered with a refusal unfinished: it is not."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing handshake" not in record.getMessage()


_REFUSALS = _RefusalIsNoFault()
"""One object, so that it is added once however many servers there are."""


class WebServer:
    """One listening address for one application.

    Args:
        app: from ``create_app``.
        host: address to listen on.
        port: 0 takes a free one; :attr:`url` tells which.
        trusted_proxies: addresses whose ``X-Forwarded-*`` are believed, comma-separated.
    """

    def __init__(
        self, app: FastAPI, *, host: str, port: int, trusted_proxies: str = "127.0.0.1"
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=int(STOP_S),
            ws_max_size=MESSAGE_LIMIT_BYTES,
            # Video does not get smaller by compression, only later.
            ws_per_message_deflate=False,
        )
        logging.getLogger("uvicorn.error").addFilter(_REFUSALS)
        self._server = uvicorn.Server(config)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """Address to open in a browser."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            UserError: the address is taken or not this machine's, or the start failed.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError as error:
            listener.close()
            raise UserError(
                where=self.url,
                problem=f"cannot listen there ({error.strerror})",
                remedy="choose another address or port, or stop what listens there",
            ) from None
        self._port = listener.getsockname()[1]
        self._socket = listener
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.02)
            if not self._thread.is_alive():
                raise UserError(
                    where=self.url,
                    problem="the web server did not start",
                    remedy="see the log above for the cause",
                )

    def stop(self) -> None:
        """End the streams, finish what is being answered, and stop listening."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        if thread.is_alive():
            # uvicorn runs the application's own end only after the last connection is closed,
            # and a stream closes only when it is told to.
            ending = asyncio.run_coroutine_threadsafe(self._app.state.web.broadcaster.end(), loop)
            ending.result(STOP_S)
            self._server.should_exit = True
        thread.join(STOP_S * 2)
        self._thread = None

    def _run(self) -> None:
        assert self._socket is not None
        with self._socket, asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve(sockets=[self._socket]))
