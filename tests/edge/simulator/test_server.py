"""A client asks for a camera, logs in, plays it; a hostile one cannot stop it for others."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.clock import FakeClock
from config.errors import UserError
from edge.simulator.auth import Credentials
from edge.simulator.behaviour import Behaviour
from edge.simulator.client import MAX_BACKLOG_BYTES, StreamClient
from edge.simulator.faults import CloseMidGop, HalfOpen
from edge.simulator.feed import Feed
from edge.simulator.nal import Codec
from edge.simulator.prepare import prepare_scenes
from edge.simulator.scene.spec import SceneSpec
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource

_spec = importlib.util.spec_from_file_location(
    "rtsp_client", Path(__file__).with_name("rtsp_client.py")
)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["rtsp_client"] = _module
_spec.loader.exec_module(_module)
Raw = _module.Raw
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture
def server(scene_camera: CameraSource, file_camera: CameraSource) -> Iterator[RtspServer]:
    with RtspServer("127.0.0.1", 0, [scene_camera, file_camera]) as running:
        yield running


@pytest.fixture
def locked(scene_camera: CameraSource) -> Iterator[RtspServer]:
    login = Credentials.parse("viewer:pass word")
    with RtspServer("127.0.0.1", 0, [scene_camera], login) as running:
        yield running


def play(url: str, pictures: int = 8) -> list[tuple[int, int, int | None]]:
    """Size and timestamp of the first pictures as PyAV decodes them."""
    found = []
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=60) as stream:
        for frame in stream.decode(video=0):
            found.append((frame.width, frame.height, frame.pts))
            if len(found) == pictures:
                break
    return found


@pytest.mark.parametrize("name", ["gate", "clip"])
@pytest.mark.parametrize("stream, size", [("main", (320, 180)), ("sub", None)])
def test_pyav_and_ffprobe_play_every_stream(
    server: RtspServer, name: str, stream: str, size: tuple[int, int] | None
) -> None:
    pictures = play(server.url(name, stream))
    assert len(pictures) == 8
    # libav leaves the first picture of any RTSP stream without a timestamp.
    times = [picture[2] for picture in pictures[1:]]
    assert times == sorted(set(times))
    if size is not None:
        assert pictures[0][:2] == size
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-of", "json"]
    command += ["-show_entries", "stream=codec_name,width", server.url(name, stream)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True)
    facts = json.loads(shown.stdout)["streams"][0]
    assert facts == {"codec_name": "h264", "width": pictures[0][0]}


def test_h265_is_described_sent_and_played(spec: SceneSpec, cache: Path) -> None:
    still = replace(spec, camera="hevc", visits=(), codec=Codec.H265)
    camera = prepare_scenes([still], cache=cache)[0]
    assert len(camera.main.parameter_sets) == 3
    with RtspServer("127.0.0.1", 0, [camera]) as server:
        assert {picture[:2] for picture in play(server.url("hevc"))} == {(320, 180)}
        with Raw(server.port) as client:
            assert b"sprop-vps=" in client.request("DESCRIBE", server.url("hevc"))[2]


def test_time_goes_on_over_the_end_of_the_loop(scene_camera: CameraSource) -> None:
    loop = scene_camera.main
    count = len(loop.units)
    times = [loop.unit_at(n).show for n in range(3 * count)]
    steps = {b - a for a, b in pairwise(times)}
    assert steps == {9000}


def test_two_clients_watch_one_stream(server: RtspServer) -> None:
    with Raw(server.port) as first, Raw(server.port) as second:
        for client in (first, second):
            assert begin(client, server.url("gate"))[0] == 200
        for client in (first, second):
            channels = [client.frame()[0] for _ in range(10)]
            assert channels.count(0) >= 9
            assert channels[0] == 1, "the sender report comes first"
        assert server.clients == 2


def begin(client: Raw, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    status, answer, _ = client.request("SETUP", f"{url}/trackID=0", Transport=TCP, **headers)
    assert status == 200
    return client.request("PLAY", url, Session=answer["session"].split(";")[0], **headers)


def test_basic_and_digest_let_the_right_password_in(locked: RtspServer) -> None:
    url = locked.url("gate")
    assert len(play(locked.url("gate", login=True))) == 8, "libav answers the digest"
    with Raw(locked.port) as client:
        status, headers, _ = client.request("DESCRIBE", url)
        assert status == 401
        assert "www-authenticate" in headers
        right = "Basic " + b64encode(b"viewer:pass word").decode()
        assert client.request("DESCRIBE", url, Authorization=right)[0] == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"viewer:wrong").decode(),
        "Basic " + b64encode(b"\xff\xfe").decode(),
        'Digest username="viewer", realm="menshen simulator", nonce="x", uri="/", response="0"',
        "Digest garbage",
        "Bearer x",
    ],
)
def test_a_wrong_login_gets_401(locked: RtspServer, header: str) -> None:
    with Raw(locked.port) as client:
        status = client.request("DESCRIBE", locked.url("gate"), Authorization=header)[0]
        assert status == 401
    wrong = locked.url("gate", login=True).replace("pass%20word", "guess")
    with pytest.raises(av.error.HTTPUnauthorizedError):
        play(wrong)


def test_the_description_carries_the_parameter_sets(server: RtspServer) -> None:
    with Raw(server.port) as client:
        status, headers, body = client.request("DESCRIBE", server.url("gate"))
        assert (status, headers["content-type"]) == (200, "application/sdp")
        assert b"sprop-parameter-sets=" in body
        assert b"a=rtpmap:96 H264/90000" in body


@pytest.mark.parametrize(
    "method, path, headers, expected",
    [
        ("OPTIONS", "gate/main", {}, 200),
        ("GET_PARAMETER", "gate/main", {}, 200),
        ("DESCRIBE", "gate/other", {}, 404),
        ("DESCRIBE", "../../etc/passwd", {}, 404),
        ("DESCRIBE", "gate/%2e%2e/main", {}, 404),
        ("DESCRIBE", "gate/main", {"Accept": "text/html"}, 406),
        ("DESCRIBE", "gate/main", {"Require": "magic"}, 551),
        ("SETUP", "gate/main/trackID=0", {"Transport": "RTP/AVP;unicast;client_port=9-10"}, 461),
        ("SETUP", "gate/main/trackID=0", {}, 461),
        ("SETUP", "gate/main/trackID=7", {"Transport": TCP}, 404),
        ("PLAY", "gate/main", {}, 455),
        ("PLAY", "gate/main", {"Session": "stolen"}, 454),
        ("TEARDOWN", "gate/main", {}, 455),
        ("RECORD", "gate/main", {}, 501),
    ],
)
def test_each_request_gets_its_answer(
    server: RtspServer, method: str, path: str, headers: dict[str, str], expected: int
) -> None:
    with Raw(server.port) as client:
        url = f"rtsp://127.0.0.1:{server.port}/{path}"
        assert client.request(method, url, **headers)[0] == expected
        assert client.request("OPTIONS", url)[0] == 200, "the connection goes on"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: one\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nNo colon here\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\xff\xfe\xfd\r\n\r\n",
    ],
)
def test_garbage_ends_only_its_own_connection(server: RtspServer, data: bytes) -> None:
    # The server may close before it was sent everything.
    with Raw(server.port) as hostile, suppress(ConnectionError):
        assert hostile.ask(data)[0] in {0, 400, 505}
    with Raw(server.port) as client:
        assert client.request("DESCRIBE", server.url("gate"))[0] == 200


def test_half_a_request_or_frame_and_gone(server: RtspServer) -> None:
    for data in (b"DESCRIBE rtsp://x/gate/main RT", b"$\x01\xff\xffabc", b"$", b"\r\n"):
        with Raw(server.port) as hostile:
            hostile.socket.sendall(data)
    with Raw(server.port) as client:
        assert begin(client, server.url("gate"))[0] == 200
        assert client.frame()[0] == 1


def test_a_silent_client_loses_its_connection(scene_camera: CameraSource) -> None:
    with (
        RtspServer("127.0.0.1", 0, [scene_camera], session_timeout_s=1.0) as server,
        Raw(server.port) as client,
    ):
        begin(client, server.url("gate"))
        assert client.at_end()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_no_bytes_stop_the_server(server: RtspServer, data: bytes) -> None:
    with Raw(server.port) as hostile:
        hostile.socket.sendall(data)
    with Raw(server.port) as client:
        assert client.request("OPTIONS", "*")[0] == 200


def test_a_port_in_use_is_told_in_words(server: RtspServer, scene_camera: CameraSource) -> None:
    second = RtspServer("127.0.0.1", server.port, [scene_camera])
    with pytest.raises(UserError, match=r"--port"):
        second.start()
    second.stop()


def test_after_teardown_the_connection_may_be_used_again(server: RtspServer) -> None:
    with Raw(server.port) as client:
        url = server.url("gate")
        assert begin(client, url)[0] == 200
        assert client.request("TEARDOWN", url)[0] == 200
        assert begin(client, url)[0] == 200
        assert client.request("PAUSE", url)[0] == 200


def test_one_stream_hangs_up_and_the_other_plays_on(scene_camera: CameraSource) -> None:
    faults = {"gate/sub": lambda: CloseMidGop(after=2)}
    with (
        RtspServer("127.0.0.1", 0, [scene_camera], faults=faults) as server,
        Raw(server.port) as broken,
        Raw(server.port) as honest,
    ):
        begin(honest, server.url("gate"))
        begin(broken, server.url("gate", "sub"))
        assert broken.at_end()
        assert len([honest.frame() for _ in range(5)]) == 5


def test_a_half_open_camera_stops_answering_but_does_not_close(scene_camera: CameraSource) -> None:
    faults = {"gate/main": lambda: HalfOpen(after=1)}
    with (
        RtspServer("127.0.0.1", 0, [scene_camera], faults=faults) as server,
        Raw(server.port) as client,
    ):
        begin(client, server.url("gate"))
        client.frame()  # the report; two frames at least of the first picture follow
        client.socket.settimeout(1.5)
        with pytest.raises(TimeoutError):
            client.at_end()
        assert server.clients == 1


class _Writer:
    """What StreamClient needs of asyncio.StreamWriter, with a backlog of the test's choice."""

    def __init__(self, backlog: int) -> None:
        self.backlog, self.written, self.aborted = backlog, 0, False
        self.transport = self

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None:
        self.written += len(data)


def test_a_slow_client_is_dropped_and_hurts_nobody(
    scene_camera: CameraSource, clock: FakeClock
) -> None:
    slow, quick = _Writer(MAX_BACKLOG_BYTES + 1), _Writer(0)

    async def watch() -> None:
        feed = Feed(scene_camera.main, epoch=clock.monotonic(), clock=clock)
        clients = [
            StreamClient(
                feed,
                writer=cast("asyncio.StreamWriter", writer),
                channels=(0, 1),
                behaviour=Behaviour(),
                clock=clock,
            )
            for writer in (slow, quick)
        ]
        for client in clients:
            client.prepare()
            client.play()
        await asyncio.sleep(0)
        clock.advance(1.0)
        while not quick.written:
            await asyncio.sleep(0)
        for client in clients:
            client.stop()

    asyncio.run(watch())
    assert slow.aborted
    assert slow.written == 0
    assert not quick.aborted
