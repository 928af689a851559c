"""Talks RTSP 1.0 (RFC 2326) with one client from its first byte to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from config.clock import Clock
from config.logs import get_logger
from edge.simulator.auth import Credentials, Gatekeeper
from edge.simulator.behaviour import Behaviour, BehaviourFactory
from edge.simulator.client import StreamClient
from edge.simulator.feed import Feed
from edge.simulator.messages import (
    BadRequestError,
    Request,
    answer,
    choose_channels,
    read_message,
)
from edge.simulator.sdp import TRACK, describe

_log = get_logger(__name__)

METHODS = (
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
)
_STATEFUL = frozenset({"PLAY", "PAUSE", "TEARDOWN"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server serves: feeds and misbehaviours by path, such as ``cam1/main``."""

    feeds: Mapping[str, Feed]
    faults: Mapping[str, BehaviourFactory]
    credentials: Credentials | None
    session_timeout_s: float
    request_timeout_s: float
    clock: Clock


class _RefusalError(Exception):
    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        self.status = status
        self.headers = headers
        super().__init__(str(status))


class Connection:
    """One client's connection and the one session it may have."""

    def __init__(
        self, offer: Offer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._offer = offer
        self._reader = reader
        self._writer = writer
        self._gate = None if offer.credentials is None else Gatekeeper(offer.credentials)
        self._session: str | None = None
        self._path = ""
        self._client: StreamClient | None = None
        self._behaviours: dict[str, Behaviour] = {}

    async def serve(self) -> None:
        """Answer until the client leaves, falls silent, or speaks something else than RTSP."""
        try:
            while await self._serve_one():
                pass
        except (EOFError, ConnectionError, TimeoutError):
            pass  # Gone, or silent for longer than it may be: both end the session.
        finally:
            self.end_session()
            self._writer.close()

    def end_session(self, *, goodbye: bool = False) -> None:
        """Stop playing and forget the session."""
        if self._client is not None:
            self._client.stop(goodbye=goodbye)
        self._client = None
        self._session = None

    async def _serve_one(self) -> bool:
        async with asyncio.timeout(self._offer.session_timeout_s):
            first = await self._reader.readexactly(1)
        if first in b"\r\n":
            return True
        try:
            async with asyncio.timeout(self._offer.request_timeout_s):
                message = await read_message(self._reader, first)
        except BadRequestError as error:
            _log.info("simulator_bad_request", problem=str(error))
            self._writer.write(answer(error.status, None))
            return False
        if isinstance(message, Request) and not self._silent():
            self._answer(message)
        return True

    def _silent(self) -> bool:
        return any(behaviour.silent for behaviour in self._behaviours.values())

    def _answer(self, request: Request) -> None:
        handler = getattr(self, f"_do_{request.method.lower()}", None)
        try:
            if request.method not in METHODS or handler is None:
                raise _RefusalError(501, ("Public", ", ".join(METHODS)))
            self._check(request)
            handler(request)
        except _RefusalError as refusal:
            self._writer.write(answer(refusal.status, request.cseq, refusal.headers))

    def _check(self, request: Request) -> None:
        if "require" in request.headers:
            raise _RefusalError(551, ("Unsupported", request.headers["require"]))
        if request.method == "OPTIONS":
            return
        if self._gate is not None and not self._gate.admits(
            request.headers.get("authorization"), method=request.method, uri=request.uri
        ):
            names = (("WWW-Authenticate", text) for text in self._gate.challenges())
            raise _RefusalError(401, *names)
        given = request.headers.get("session", "").split(";")[0].strip()
        if given and given != self._session:
            raise _RefusalError(454)
        if request.method in _STATEFUL and self._client is None:
            raise _RefusalError(455, ("Allow", "OPTIONS, DESCRIBE, SETUP"))

    def _stream(self, request: Request) -> str:
        path = request.path.removesuffix(f"/{TRACK}")
        if path not in self._offer.feeds:
            raise _RefusalError(404)
        return path

    def _behaviour(self, path: str) -> Behaviour:
        if path not in self._behaviours:
            self._behaviours[path] = self._offer.faults.get(path, Behaviour)()
        return self._behaviours[path]

    def _session_header(self) -> tuple[str, str]:
        return ("Session", f"{self._session};timeout={max(1, int(self._offer.session_timeout_s))}")

    def _do_options(self, request: Request) -> None:
        self._writer.write(answer(200, request.cseq, [("Public", ", ".join(METHODS))]))

    def _do_describe(self, request: Request) -> None:
        path = self._stream(request)
        accept = request.headers.get("accept", "application/sdp")
        if not any(kind in accept for kind in ("application/sdp", "application/*", "*/*")):
            raise _RefusalError(406)
        loop = self._behaviour(path).described(self._offer.feeds[path].loop)
        sets = self._behaviour(path).announced(loop.parameter_sets)
        address = str(self._writer.get_extra_info("sockname")[0])
        body = describe(loop, name=path, address=address, sets=sets)
        base = request.uri.rstrip("/") + "/"
        headers = [("Content-Base", base), ("Content-Type", "application/sdp")]
        self._writer.write(answer(200, request.cseq, headers, body))

    def _do_setup(self, request: Request) -> None:
        path = self._stream(request)
        if self._client is not None:
            raise _RefusalError(455, ("Allow", "PLAY, PAUSE, TEARDOWN"))
        channels = choose_channels(request.headers.get("transport", ""))
        if channels is None:
            raise _RefusalError(461)
        self._session, self._path = token_hex(8), path
        self._client = StreamClient(
            self._offer.feeds[path],
            writer=self._writer,
            channels=channels,
            behaviour=self._behaviour(path),
            clock=self._offer.clock,
        )
        transport = (
            f"RTP/AVP/TCP;unicast;interleaved={channels[0]}-{channels[1]}"
            f";ssrc={self._client.sender.ssrc:08X}"
        )
        headers = [("Transport", transport), self._session_header()]
        self._writer.write(answer(200, request.cseq, headers))

    def _do_play(self, request: Request) -> None:
        client = self._owned(request)
        client.stop()
        sequence, stamp = client.prepare()
        base = request.uri.rstrip("/").removesuffix(f"/{TRACK}")
        headers = [
            self._session_header(),
            ("Range", "npt=now-"),
            ("RTP-Info", f"url={base}/{TRACK};seq={sequence};rtptime={stamp}"),
        ]
        self._writer.write(answer(200, request.cseq, headers))
        client.play()

    def _do_pause(self, request: Request) -> None:
        self._owned(request).stop()
        self._writer.write(answer(200, request.cseq, [self._session_header()]))

    def _do_teardown(self, request: Request) -> None:
        self._owned(request)
        self.end_session()
        self._writer.write(answer(200, request.cseq))

    def _do_get_parameter(self, request: Request) -> None:
        # An empty GET_PARAMETER is how clients keep a session alive (RFC 2326 section 10.8).
        headers = [] if self._session is None else [self._session_header()]
        self._writer.write(answer(200, request.cseq, headers))

    _do_set_parameter = _do_get_parameter

    def _owned(self, request: Request) -> StreamClient:
        if self._client is None or self._stream(request) != self._path:
            raise _RefusalError(404 if self._client else 455)
        return self._client
