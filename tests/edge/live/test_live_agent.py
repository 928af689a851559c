"""The node's link: asked by the centre, deaf to nonsense, back after a cut, silent to strangers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from config.clock import SystemClock
from config.live import (
    FrameKind,
    LiveFrame,
    LiveStart,
    LiveState,
    LiveStop,
    parse_command,
    parse_state,
)
from edge.live.agent import LiveAgent, link_url
from edge.live.outbound import CHANNELS_MAX, Outbound
from edge.streams.backoff import RetryPolicy
from edge.watching.camera import CameraSpec
from tests.edge.cameras import until


class Group:
    """A decode group whose child the test plays, at the other end of a real pipe."""

    def __init__(self, *names: str) -> None:
        self.cameras = tuple(CameraSpec(id=name, url="rtsp://127.0.0.1/x") for name in names)
        self.live: Any = None

    def new_child(self) -> Connection:
        ours, theirs = Pipe()
        self.live(ours)
        return theirs


class Door:
    """A real WebSocket server in the centre's place; keeps every link that comes."""

    def __init__(self) -> None:
        self.links: list[ServerConnection] = []
        self.headers: list[str] = []
        self._end = threading.Event()
        self.server: Server = serve(self._handle, "127.0.0.1", 0)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _handle(self, link: ServerConnection) -> None:
        assert link.request is not None
        self.headers.append(link.request.headers["Authorization"])
        self.links.append(link)
        self._end.wait()

    def close(self) -> None:
        self._end.set()
        self.server.shutdown()
        self.thread.join()


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


@pytest.fixture
def group() -> Group:
    return Group("yard")


@pytest.fixture
def agent(door: Door, group: Group) -> Iterator[LiveAgent]:
    started = LiveAgent(
        centre_url=door.url,
        node="n",
        token=SecretStr("t"),
        groups=[group],
        clock=SystemClock(),
        retry=RetryPolicy(first_s=0.05, longest_s=0.1),
    )
    started.start()
    until(lambda: len(door.links) == 1)
    yield started
    started.stop()


START = LiveStart(channel=5, camera="yard")


def heard(child: Connection) -> object:
    assert child.poll(60), "the child is asked"
    return parse_command(child.recv_bytes())


def still(channel: int, payload: bytes = b"jpeg") -> bytes:
    return LiveFrame.make(FrameKind.STILL, channel=channel, at_ms=1, payload=payload).packed


def test_what_a_child_sends_reaches_the_centre_only_while_it_is_asked_for(
    agent: LiveAgent, door: Door, group: Group
) -> None:
    child = group.new_child()
    link = door.links[0]
    assert door.headers == ["Bearer t"]
    other = LiveStart(channel=6, camera="yard")
    link.send(other.model_dump_json())
    assert heard(child) == other
    child.send_bytes(still(5, b"nobody asked"))
    # What comes after it has reached the centre: it was dealt with before anybody asked.
    child.send_bytes(LiveState(channel=6, code="camera_offline").model_dump_json().encode())
    assert parse_state(link.recv(timeout=60)).code == "camera_offline"
    link.send(START.model_dump_json())
    assert heard(child) == START
    child.send_bytes(b"\xff" * 30)
    child.send_bytes(b"{nonsense")
    child.send_bytes(still(5))
    message = link.recv(timeout=60)
    assert isinstance(message, bytes)
    assert LiveFrame.unpack(message).payload == b"jpeg"
    link.send(LiveStop(channel=5).model_dump_json())
    assert heard(child) == LiveStop(channel=5)
    child.close()


def test_a_child_that_died_is_told_of_and_its_heir_is_asked_again(
    agent: LiveAgent, door: Door, group: Group
) -> None:
    child = group.new_child()
    link = door.links[0]
    link.send(START.model_dump_json())
    assert heard(child) == START
    child.close()
    assert parse_state(link.recv(timeout=60)).code == "camera_offline"
    heir = group.new_child()
    assert heard(heir) == START
    heir.close()


def test_a_cut_line_stops_the_camera_and_the_node_comes_back(
    agent: LiveAgent, door: Door, group: Group
) -> None:
    child = group.new_child()
    door.links[0].send(START.model_dump_json())
    assert heard(child) == START
    door.links[0].close()
    assert heard(child) == LiveStop(channel=5)
    until(lambda: len(door.links) == 2)
    door.links[1].send(START.model_dump_json())
    assert heard(child) == START
    child.close()


def test_nonsense_from_the_centre_is_survived_and_too_much_of_it_ends_the_link(
    agent: LiveAgent, door: Door, group: Group
) -> None:
    child = group.new_child()
    link = door.links[0]
    for junk in ("", "{}", b"\x00\xff", '{"type":"start","channel":0,"camera":"yard"}', "[" * 900):
        link.send(junk)
    link.send(LiveStart(channel=6, camera="elsewhere").model_dump_json())
    assert parse_state(link.recv(timeout=60)).code == "unknown_camera"
    link.send(START.model_dump_json())
    assert heard(child) == START
    link.send("x" * 100_000)  # longer than any command: the library closes with 1009
    with pytest.raises(ConnectionClosed):
        link.recv(timeout=60)
    until(lambda: len(door.links) == 2)
    child.close()


def test_a_slow_uplink_skips_and_never_grows() -> None:
    outbound = Outbound()
    for channel in range(CHANNELS_MAX):
        assert outbound.open(channel + 1)
    assert not outbound.open(CHANNELS_MAX + 1)
    for number in range(5000):
        outbound.put(
            LiveFrame.make(
                FrameKind.FRAGMENT,
                channel=number % 2 + 1,
                at_ms=number,
                payload=b"x" * 10_000,
                is_key=number % 50 < 2,
            )
        )
    held = 0
    first: dict[int, LiveFrame] = {}
    while (message := outbound.take(0)) is not None:
        assert isinstance(message, bytes)
        found = LiveFrame.unpack(message)
        first.setdefault(found.channel, found)
        held += 1
    assert held <= 600
    assert [item.is_key for item in first.values()] == [True, True]


def test_the_address_of_the_door_follows_that_of_the_centre() -> None:
    assert link_url("https://centre.example:8443/") == "wss://centre.example:8443/v1/live"
    assert link_url("http://10.0.0.1:8080") == "ws://10.0.0.1:8080/v1/live"
