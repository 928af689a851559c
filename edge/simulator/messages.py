"""Reads RTSP requests from a byte stream within hard limits, and writes answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

MAX_HEADER_BYTES = 16_384
MAX_BODY_BYTES = 65_536

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    406: "Not Acceptable",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}


class BadRequestError(Exception):
    """A request that cannot be understood; ``status`` answers it, then the connection ends."""

    def __init__(self, problem: str, status: int = 400) -> None:
        self.status = status
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Request:
    """One request (RFC 2326 section 6); header names are in lower case."""

    method: str
    uri: str
    cseq: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the address, percent-decoded, without slashes at its ends."""
        try:
            return unquote(urlsplit(self.uri).path).strip("/")
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class InterleavedData:
    """Binary data from the client, such as RTCP receiver reports (RFC 2326 section 10.12)."""

    channel: int
    data: bytes


async def read_message(reader: asyncio.StreamReader, first: bytes) -> Request | InterleavedData:
    """The message that begins with the byte ``first``, already taken from ``reader``.

    Raises:
        BadRequestError: not RTSP, or larger than the limits.
        EOFError: the client hung up in the middle.
    """
    if first == b"$":
        channel, *size = await reader.readexactly(3)
        return InterleavedData(channel, await reader.readexactly(int.from_bytes(bytes(size))))
    try:
        head = first + await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequestError("headers are too large") from None
    if len(head) > MAX_HEADER_BYTES:
        raise BadRequestError("headers are too large")
    request = parse_request(head)
    await _skip_body(reader, request)
    return request


async def _skip_body(reader: asyncio.StreamReader, request: Request) -> None:
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MAX_BODY_BYTES:
        raise BadRequestError("Content-Length is not a small number")
    await reader.readexactly(int(text))


def parse_request(head: bytes) -> Request:
    """A request from its head, up to and with the empty line.

    Raises:
        BadRequestError: the request line, a header or CSeq is malformed.
    """
    try:
        lines = head.decode("utf-8").strip("\r\n").split("\r\n")
    except UnicodeDecodeError:
        raise BadRequestError("not UTF-8 text") from None
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("RTSP/"):
        raise BadRequestError("the request line is not RTSP")
    if parts[2] != "RTSP/1.0":
        raise BadRequestError("only RTSP/1.0 is spoken", 505)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise BadRequestError("a header has no colon")
        headers[name.strip().lower()] = value.strip()
    cseq = headers.get("cseq", "")
    if not (cseq.isascii() and cseq.isdigit()) or len(cseq) > 10:
        raise BadRequestError("CSeq is not a number")
    return Request(parts[0], parts[1], int(cseq), headers)


def answer(
    status: int,
    cseq: int | None,
    headers: Sequence[tuple[str, str]] = (),
    body: str = "",
) -> bytes:
    """The bytes of a response (RFC 2326 section 7)."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines.append("Server: menshen-simulator")
    lines += [f"{name}: {value}" for name, value in headers]
    payload = body.encode()
    if payload:
        lines.append(f"Content-Length: {len(payload)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload


def interleaved(channel: int, packet: bytes) -> bytes:
    """A packet framed for the RTSP connection (RFC 2326 section 10.12)."""
    return b"$" + bytes([channel]) + len(packet).to_bytes(2) + packet


def choose_channels(transport: str) -> tuple[int, int] | None:
    """The channels for RTP and RTCP of the first acceptable transport, or None.

    Only RTP over the RTSP connection is served: unicast, TCP, interleaved.
    """
    for offer in transport.split(","):
        name, *options = (part.strip() for part in offer.split(";"))
        if name.upper() != "RTP/AVP/TCP" or "multicast" in options:
            continue
        wanted = next((o for o in options if o.startswith("interleaved=")), "interleaved=0-1")
        first, _, second = wanted.removeprefix("interleaved=").partition("-")
        if not first.isdigit() or len(first) > 3:
            continue
        channel = int(first)
        other = int(second) if second.isdigit() and len(second) <= 3 else channel + 1
        if channel <= 255 and other <= 255 and channel != other:
            return channel, other
    return None
