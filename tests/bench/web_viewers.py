"""Browsers of the web benchmark: connections that read the page's stream and note each arrival."""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config.errors import UserError

_ALERT = re.compile(rb"id: (\d+)\nevent: alert\n")
_LONGEST_HEAD = 64
"""Bytes that may belong to a head that is not complete yet."""
_PATIENCE_S = 60.0


@dataclass
class Viewer(asyncio.Protocol):
    """One connection; positions and the moments (POSIX seconds) at which they came, in order."""

    cookie: str
    host: str
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    positions: array[int] = field(default_factory=lambda: array("q"))
    moments: array[float] = field(default_factory=lambda: array("d"))
    received: int = 0
    refused: bytes | None = None
    is_cut: bool = False
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream as the page of alerts does."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(
            f"GET /live?after=0 HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Cookie: menshen-session={self.cookie}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Note each alert whose head is complete."""
        now = time.time()
        self.received += len(data)
        if not self.opened.is_set():
            if not data.startswith(b"HTTP/1.1 200"):
                self.refused = data[:200]
            self.opened.set()
        text = self._rest + data
        end = 0
        for match in _ALERT.finditer(text):
            self.positions.append(int(match[1]))
            self.moments.append(now)
            end = match.end()
        self._rest = text[max(end, len(text) - _LONGEST_HEAD) :]

    def connection_lost(self, _: Exception | None) -> None:
        """A stream must not end by itself."""
        self.is_cut = True
        self.opened.set()


class Viewers:
    """All of them, in the caller's event loop."""

    def __init__(self, url: str, cookies: Sequence[str]) -> None:
        self._place = urlsplit(url)
        self.all = [Viewer(cookie, self._place.netloc) for cookie in cookies]
        self._transports: list[asyncio.BaseTransport] = []

    async def open(self) -> None:
        """Connect every one and wait for the first words of each stream.

        Raises:
            UserError: a stream was refused.
        """
        loop = asyncio.get_running_loop()
        for viewer in self.all:
            transport, _ = await loop.create_connection(
                lambda viewer=viewer: viewer, self._place.hostname, self._place.port
            )
            self._transports.append(transport)
        async with asyncio.timeout(_PATIENCE_S):
            for viewer in self.all:
                await viewer.opened.wait()
        refused = [viewer.refused for viewer in self.all if viewer.refused is not None]
        if refused or any(viewer.is_cut for viewer in self.all):
            raise UserError(
                where="web benchmark",
                problem=f"{len(refused)} streams were refused, the first with {refused[:1]}",
                remedy="give fewer --viewers",
            )

    def close(self) -> None:
        """Hang up."""
        for transport in self._transports:
            transport.close()
