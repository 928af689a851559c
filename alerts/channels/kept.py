"""HTTP requests over connections that stay open, with little work per request."""

from __future__ import annotations

import http.client
import select
import ssl
import threading
from typing import Any
from urllib.request import getproxies

import httpx

MOST_IDLE = 32
"""Connections to one host that are kept; as many as a dispatcher uses at once."""
ANSWER_LIMIT_BYTES = 1_000_000
"""Providers answer with a line or two of JSON; one that does not stop is hung up on."""


class KeptClient(httpx.Client):
    """An httpx client that sends what it built over the standard library's connections.

    Cookies, redirects, logins and hooks, which a provider of messages needs none of, are left
    out; a request costs a third of the processor time. Safe to use from several threads.

    Args:
        timeout_s: how long a connect, and each wait for the provider, may take, in seconds.
        trust: whom to believe.

    Raises (from :meth:`send`):
        httpx.TimeoutException: no answer in time.
        httpx.TransportError: not reachable, hung up, or the answer does not end.
    """

    def __init__(self, *, timeout_s: float, trust: ssl.SSLContext) -> None:
        super().__init__(timeout=timeout_s, verify=trust)
        self._timeout_s = timeout_s
        self._trust = trust
        self._idle: dict[tuple[str, str, int | None], list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def send(self, request: httpx.Request, **_options: Any) -> httpx.Response:
        """The whole answer to one request."""
        connection = self._connection(request.url)
        try:
            response = _exchange(connection, request)
        except TimeoutError as error:
            connection.close()
            raise httpx.ReadTimeout(str(error), request=request) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _trouble(error)(str(error), request=request) from error
        except BaseException:
            connection.close()
            raise
        self._keep(request.url, connection)
        return response

    def close(self) -> None:
        """Close every connection; those in use close when they are done."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()
        super().close()

    def _connection(self, url: httpx.URL) -> http.client.HTTPConnection:
        while (kept := self._take(url)) is not None:
            if not _is_over(kept):
                return kept
            kept.close()
        if url.scheme == "https":
            return http.client.HTTPSConnection(
                url.host, url.port, timeout=self._timeout_s, context=self._trust
            )
        return http.client.HTTPConnection(url.host, url.port, timeout=self._timeout_s)

    def _take(self, url: httpx.URL) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get((url.scheme, url.host, url.port))
            # The one used last is the least likely to have been closed at the other end.
            return idle.pop() if idle else None

    def _keep(self, url: httpx.URL, connection: http.client.HTTPConnection) -> None:
        if connection.sock is None:  # The provider wanted it closed.
            return
        with self._lock:
            idle = self._idle.setdefault((url.scheme, url.host, url.port), [])
            if not self.is_closed and len(idle) < MOST_IDLE:
                idle.append(connection)
                return
        connection.close()


def needs_proxy() -> bool:
    """True when this machine's environment names a proxy: httpx knows how to use it."""
    return any(name in getproxies() for name in ("http", "https", "all"))


def _exchange(connection: http.client.HTTPConnection, request: httpx.Request) -> httpx.Response:
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.raw:
        connection.putheader(name.decode("ascii"), value)
    connection.endheaders(request.content)
    answer = connection.getresponse()
    # The library reads headers as Latin-1, whatever they are; so they go back to bytes.
    headers = [
        (name.encode("latin-1"), text.encode("latin-1"))
        for name, text in answer.headers.raw_items()
    ]
    return httpx.Response(answer.status, headers=headers, content=_body(answer), request=request)


def _body(answer: http.client.HTTPResponse) -> bytes:
    body = answer.read(ANSWER_LIMIT_BYTES)
    if answer.read(1):
        raise http.client.HTTPException(f"the answer is longer than {ANSWER_LIMIT_BYTES} bytes")
    if answer.length:
        raise http.client.IncompleteRead(body, answer.length)
    return body


def _is_over(connection: http.client.HTTPConnection) -> bool:
    """True when the other end has closed, or has said something that nobody asked for."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _trouble(error: Exception) -> type[httpx.TransportError]:
    is_spoken = isinstance(error, http.client.HTTPException) and not isinstance(error, OSError)
    if is_spoken:
        return httpx.RemoteProtocolError
    return httpx.ReadError if isinstance(error, ConnectionResetError) else httpx.ConnectError
