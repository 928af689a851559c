"""Plays one video stream of an RTSP camera over TCP (RFC 2326): requests, login, framing."""

from __future__ import annotations

import re
import socket
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from edge.streams.dialling import dial
from edge.streams.login import Login
from edge.streams.rtp import Codec
from edge.streams.stream_error import Fault

_PORT: Final = 554
_CHUNK: Final = 256 * 1024
_LONGEST_ANSWER: Final = 64 * 1024
_MOST_EARLY: Final = 8 * 1024 * 1024
SOON_S: Final = 0.1
LATER_S: Final = 0.4
"""Packets are fetched this often: waking up for each costs more than reading it."""
_AGENT: Final = "Menshen"


class RtspError(Exception):
    """The conversation with the camera failed; ``fault`` says how. Quotes nothing of it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Track:
    """The video of a session description (SDP, RFC 4566)."""

    codec: Codec
    control: str
    parameter_sets: tuple[bytes, ...]
    frame_rate: float | None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class PacketTaker(Protocol):
    """Takes interleaved packets (RFC 2326 section 10.12) as they are found, in order."""

    def packet(self, channel: int, data: bytes) -> None:
        """One packet; channel 0 is RTP, 1 is RTCP."""

    def run(self, buffer: bytearray, at: int) -> int:
        """Take what it can of the packets that begin at ``at``; returns where it stopped."""


class RtspSession:
    """A playing stream. Reads in large pieces: a system call for many packets.

    ``gather_s`` may be changed at any time: how long to wait before each piece.
    """

    def __init__(self, url: str, *, open_timeout_s: float, read_timeout_s: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        port = parts.port or _PORT
        self._login = Login(unquote(parts.username or ""), unquote(parts.password or ""))
        where = f"[{self._host}]" if ":" in self._host else self._host
        netloc = where if parts.port is None else f"{where}:{port}"
        self._url = urlunsplit(("rtsp", netloc, parts.path, parts.query, ""))
        self._until = time.monotonic() + open_timeout_s
        self._read_timeout_s = read_timeout_s
        self.gather_s = SOON_S
        self._sequence = 0
        self._session: str | None = None
        self._buffer, self._early = bytearray(), bytearray()
        self._keep_alive = "OPTIONS"
        self._keep_every_s = 25.0
        self._socket = self._connect(port)
        try:
            self.track = self._start()
        except BaseException:
            self._socket.close()
            raise

    def _connect(self, port: int) -> socket.socket:
        try:
            connection = dial(self._host, port, within_s=self._left())
        except OSError:
            raise RtspError(Fault.UNREACHABLE) from None
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise RtspError(Fault.SILENT)
        return left

    def _start(self) -> Track:
        options = self._ask("OPTIONS", self._url)
        if "GET_PARAMETER" in options.headers.get("public", ""):
            self._keep_alive = "GET_PARAMETER"
        described = self._ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        base = described.headers.get("content-base") or described.headers.get("content-location")
        track = parse_sdp(described.body, base or self._url)
        setup = self._ask(
            "SETUP", track.control, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        )
        session, _, rest = setup.headers.get("session", "").partition(";")
        self._session = session.strip() or None
        if (found := re.search(r"timeout=(\d+)", rest)) is not None:
            self._keep_every_s = max(1.0, min(25.0, int(found[1]) / 2.5))
        self._ask("PLAY", self._url, {"Range": "npt=0.000-"})
        self._buffer[:0] = self._early
        self._early.clear()
        return track

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None) -> _Answer:
        """One request and its answer; logs in when asked to.

        Raises:
            RtspError: refused, silent, or not RTSP.
        """
        for attempt in range(3):
            self._send(method, url, headers or {})
            answer = self._answer()
            if answer.status != 401:
                break
            if not self._login.user or (attempt > 0 and not self._login.is_asked):
                break
            stale = self._login.is_asked
            self._login.asked(answer.headers.get("www-authenticate", ""))
            if stale and attempt > 0:
                break
        if answer.status in (401, 403):
            raise RtspError(Fault.CREDENTIALS)
        if 400 <= answer.status < 500 and method in ("DESCRIBE", "SETUP"):
            raise RtspError(Fault.NOT_FOUND)
        if answer.status != 200 and method != "OPTIONS":
            raise RtspError(Fault.BROKEN)
        return answer

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._sequence}", f"User-Agent: {_AGENT}"]
        if self._session:
            lines.append(f"Session: {self._session}")
        authorization = self._login.authorization(method, url)
        if authorization:
            lines.append(f"Authorization: {authorization}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            self._socket.settimeout(max(0.1, self._read_timeout_s))
            self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        except OSError:
            raise RtspError(Fault.ENDED) from None

    def _answer(self) -> _Answer:
        while (end := self._head_end()) < 0:
            if len(self._buffer) > _LONGEST_ANSWER or len(self._early) > _MOST_EARLY:
                raise RtspError(Fault.BROKEN)
            self._read(self._left())
        status, headers = _parse_head(bytes(self._buffer[:end]))
        size = _size(headers)
        while len(self._buffer) < end + 4 + size:
            self._read(self._left())
        body = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        return _Answer(status, headers, body)

    def _head_end(self) -> int:
        """Where the head of an answer ends; -1 while it is not here.

        Many cameras send the first packets before they answer PLAY: these are put by.
        """
        buffer = self._buffer
        while buffer[:1] == b"$":
            stop = 4 + (buffer[2] << 8 | buffer[3]) if len(buffer) >= 4 else 4
            if stop > len(buffer):
                return -1
            self._early += buffer[:stop]
            del buffer[:stop]
        return buffer.find(b"\r\n\r\n")

    def _read(self, timeout_s: float) -> int:
        """Append what has come, of so many bytes; waits at most ``timeout_s`` for something."""
        try:
            self._socket.settimeout(timeout_s)
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise RtspError(Fault.SILENT) from None
        except OSError:
            raise RtspError(Fault.ENDED) from None
        if not data:
            raise RtspError(Fault.ENDED)
        self._buffer += data
        return len(data)

    def reads(self, taker: PacketTaker) -> Iterator[None]:
        """Give all packets to ``taker`` as they arrive, for ever; yields after each piece.

        Raises:
            RtspError: no video for the read timeout, the connection ended, or is no RTSP.
        """
        video_at = keep_at = time.monotonic()
        is_behind = False
        while True:
            has_video = self._cut(taker)
            yield
            now = time.monotonic()
            if has_video:
                video_at = now
            if now - video_at > self._read_timeout_s:
                raise RtspError(Fault.SILENT)
            if now - keep_at >= self._keep_every_s:
                keep_at = now
                self._send(self._keep_alive, self._url, {})
            if not is_behind:
                time.sleep(self.gather_s)
            is_behind = self._read(max(0.05, video_at + self._read_timeout_s - now)) == _CHUNK

    def _cut(self, taker: PacketTaker) -> bool:
        """Hand on the whole packets of the buffer, past answers to keep-alives.

        Returns whether any was video.
        """
        buffer, at, has_video = self._buffer, 0, False
        while len(buffer) - at >= 4:
            if buffer[at] == 0x24:
                stop = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if stop > len(buffer):
                    break
                has_video = has_video or buffer[at + 1] == 0
                taker.packet(buffer[at + 1], bytes(buffer[at + 4 : stop]))
                at = taker.run(buffer, stop)
                continue
            skipped = _skip(buffer, at)
            if skipped == at:
                break
            at = skipped
        del buffer[:at]
        if len(buffer) > _LONGEST_ANSWER * 4:
            raise RtspError(Fault.BROKEN)
        return has_video

    def close(self) -> None:
        """Say goodbye as well as it goes, and close."""
        try:
            if self._session:
                self._socket.settimeout(0.2)
                self._send("TEARDOWN", self._url, {})
        except (RtspError, OSError):
            pass
        finally:
            self._socket.close()


def _skip(buffer: bytearray, at: int) -> int:
    """Where reading goes on behind an answer, or behind rubbish (a lost beginning)."""
    if buffer.startswith(b"RTSP", at):
        end = buffer.find(b"\r\n\r\n", at)
        if end < 0:
            return at
        _, headers = _parse_head(bytes(buffer[at:end]))
        whole = end + 4 + _size(headers)
        return whole if whole <= len(buffer) else at
    for start in (b"$\x00", b"$\x01", b"RTSP/1.0"):
        if (place := buffer.find(start, at + 1)) >= 0:
            return place
    return len(buffer) - 8 if len(buffer) - 8 > at else at


def _size(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0").strip()
    if not text.isdigit() or int(text) > _LONGEST_ANSWER:
        raise RtspError(Fault.BROKEN)
    return int(text)


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("utf-8", "replace").split("\r\n")
    parts = lines[0].split(" ", 2)
    if not parts[0].startswith("RTSP/") or len(parts) < 2 or not parts[1].isdigit():
        raise RtspError(Fault.BROKEN)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            # Several logins may be offered, each in a line of its own.
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(parts[1]), headers


def parse_sdp(body: bytes, base: str) -> Track:
    """The first H.264 or H.265 video of a session description; addresses relative to ``base``.

    Raises:
        RtspError: there is none.
    """
    video: dict[str, Any] | None = None
    for line in body.decode("utf-8", "replace").splitlines():
        if line.startswith("m="):
            if video is not None and "codec" in video:
                break
            video = {} if line.startswith("m=video") else None
        elif video is not None and line.startswith("a="):
            _attribute(video, line[2:].strip())
    if video is None or "codec" not in video:
        raise RtspError(Fault.NOT_VIDEO)
    control = str(video.get("control", ""))
    if not control.startswith("rtsp://"):
        control = base if control in ("", "*") else _below(base, control)
    return Track(video["codec"], control, video.get("sets", ()), video.get("rate"))


def _below(base: str, control: str) -> str:
    """The address of a track. Cameras append it to ``base``, behind its query too.

    Only of what is from the root do they mean what RFC 2326 (appendix C.1.1) says.
    """
    if control.startswith("/"):
        return urljoin(base, control)
    return f"{base.rstrip('/')}/{control}"


def _attribute(video: dict[str, Any], text: str) -> None:
    name, _, value = text.partition(":")
    if name == "rtpmap":
        coding = value.partition(" ")[2].upper()
        codec: Codec | None = "h264" if coding.startswith("H264/") else None
        codec = "hevc" if coding.startswith(("H265/", "HEVC/")) else codec
        if codec is not None:
            video.setdefault("codec", codec)
    elif name == "control":
        video["control"] = value.strip()
    elif name == "framerate":
        try:
            video["rate"] = float(value) or None
        except ValueError:
            video["rate"] = None
    elif name == "fmtp":
        video["sets"] = tuple(
            unit
            for key in ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
            for unit in _sprop(value, key)
        )


def _sprop(value: str, key: str) -> list[bytes]:
    found = re.search(rf"(?:^|[;\s]){key}=([^;\s]+)", value)
    units = []
    for part in found[1].split(",") if found else []:
        try:
            unit = b64decode(part + "=" * (-len(part) % 4))
        except (Base64Error, ValueError):
            continue
        if len(unit) > 2:
            units.append(unit)
    return units
