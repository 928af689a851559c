"""What cameras of other makers do in the conversation before the first picture."""

from __future__ import annotations

import hashlib
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.streams.rtsp import RtspSession

SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n"


def ok(request: str, *headers: str, body: bytes = b"") -> bytes:
    """The answer 200 to a request."""
    number = re.search(r"CSeq: (\d+)", request)
    assert number is not None
    lines = ["RTSP/1.0 200 OK", f"CSeq: {number[1]}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def camera(answer: Callable[[str], bytes]) -> Iterator[tuple[int, list[str]]]:
    """A camera that answers each request as ``answer`` says: its port, and what was asked."""
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = ""
            while line := self.rfile.readline().decode():
                request += line
                if line == "\r\n":
                    asked.append(request.partition(" RTSP/1.0")[0])
                    self.wfile.write(answer(request))
                    request = ""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


def willing(request: str) -> bytes:
    """A camera that lets everybody see what it has."""
    return ok(request, "Session: 1", body=SDP if request.startswith("DESCRIBE") else b"")


def opened(port: int, path: str) -> RtspSession:
    return RtspSession(
        f"rtsp://viewer:secret@127.0.0.1:{port}/{path}", open_timeout_s=20, read_timeout_s=20
    )


def test_a_track_is_asked_for_behind_the_query_of_its_cameras_address() -> None:
    """As of Dahua, whose addresses say in their query which channel and stream is meant."""
    path = "cam/realmonitor?channel=1&subtype=0"
    with camera(willing) as (port, asked):
        opened(port, path).close()
        assert f"SETUP rtsp://127.0.0.1:{port}/{path}/trackID=0" in asked


class Packets:
    """Remembers the packets that came."""

    def __init__(self) -> None:
        self.came: list[tuple[int, bytes]] = []

    def packet(self, channel: int, data: bytes) -> None:
        self.came.append((channel, data))

    def run(self, _buffer: bytearray, at: int) -> int:
        return at


def test_packets_may_come_before_the_answer_to_play() -> None:
    """As of every camera with LIVE555 inside, which reports its clock first."""

    def hasty(request: str) -> bytes:
        early = b"$\x01\x00\x06report$\x00\x00\x07\r\n\r\nvid"
        return (early if request.startswith("PLAY") else b"") + willing(request)

    with camera(hasty) as (port, _):
        session, packets = opened(port, "live"), Packets()
        next(session.reads(packets))
        session.close()
    assert packets.came == [(1, b"report"), (0, b"\r\n\r\nvid")]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_each_of_two_logins_is_answered_with_its_own_realm() -> None:
    def guarded(request: str) -> bytes:
        given = re.search(r'response="(\w+)"', request)
        method, url, _ = request.split(" ", 2)
        right = md5(f"{md5('viewer:cam 7:secret')}:n1:{md5(f'{method}:{url}')}")
        if given is not None and given[1] == right:
            return willing(request)
        offers = 'Digest realm="cam 7", nonce="n1"', 'Basic realm="/"'
        refusal = ok(request, *(f"WWW-Authenticate: {offer}" for offer in offers))
        return refusal.replace(b"200 OK", b"401 Unauthorized")

    with camera(guarded) as (port, asked):
        opened(port, "live").close()
    assert "PLAY" in [one.partition(" ")[0] for one in asked]
