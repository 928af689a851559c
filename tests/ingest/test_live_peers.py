"""Several web processes: whichever has a node's link, the node sends each camera once."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Engine
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from config.clock import FakeClock, SystemClock
from config.live import Discover, FrameKind, LiveFrame, LiveStart, parse_command
from ingest.live import LiveRelay
from ingest.live_door import live_door
from ingest.live_links import STALE_AFTER, LinkBook, reachable
from ingest.live_peers import ERRAND_PATH, PEER_PATH, SIGNATURE, VALID_S, Peers, is_peer, sign
from ingest.live_peers import peer_door as peer_router
from tests.events import wait_until

NODE, TOKENS = "node-east", {"node-east": SecretStr("one"), "node-west": SecretStr("two")}


class Process:
    """What one web process has of live view: a server, a relay, and the book of links."""

    def __init__(self, engine: Engine) -> None:
        self.relay = LiveRelay(grace_s=0.0)
        app = FastAPI()
        app.include_router(live_door(self.relay, TOKENS))
        app.include_router(peer_router(self.relay, TOKENS, SystemClock()))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
        )
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="web-process")
        self._thread.start()
        wait_until(lambda: self._server.started, what="a server")
        self.book = LinkBook(engine, SystemClock(), self.url)
        self.relay.elsewhere = Peers(self.book, TOKENS, SystemClock())
        self.seen: list[bytes] = []
        self.told: list[str] = []

    def _serve(self) -> None:
        with self._socket, asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve(sockets=[self._socket]))

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join()

    def node(self) -> ClientConnection:
        """The node's link to this process."""
        link = connect(
            f"{self.url.replace('http', 'ws')}/v1/live",
            additional_headers={"Authorization": "Bearer one", "X-Menshen-Node": NODE},
            open_timeout=60,
        )
        wait_until(lambda: self.relay.has_link(NODE), what="the node's link")
        return link

    def knows(self) -> None:
        """Read the book until it says that another process has the node's link."""
        wait_until(
            lambda: self.book.refresh() > 0 and self.relay.is_online(NODE),
            what="the link elsewhere",
        )

    def run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Start something in the server's own loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def watch(self) -> None:
        """A viewer, until cancelled."""
        with self.relay.watch(camera="yard", node=NODE) as viewer:
            while True:
                item = await viewer.next()
                if isinstance(item, LiveFrame):
                    self.seen.append(item.payload)
                else:
                    self.told.append(item)


@pytest.fixture
def processes(engine: Engine) -> Iterator[tuple[Process, Process]]:
    with ExitStack() as stack:
        both = Process(engine), Process(engine)
        for one in both:
            stack.callback(one.stop)
        yield both


def next_command(link: ClientConnection) -> object:
    return parse_command(link.recv(timeout=60))


def show(link: ClientConnection, channel: int, *payloads: bytes) -> None:
    """The node sends pictures, each a group of its own."""
    kinds = [FrameKind.INIT, *[FrameKind.FRAGMENT] * (len(payloads) - 1)]
    for kind, payload in zip(kinds, payloads, strict=True):
        link.send(LiveFrame.make(kind, channel=channel, at_ms=1, payload=payload).packed)


def test_viewers_in_two_processes_cost_the_node_one_stream(processes):
    near, far = processes
    with near.node() as link:
        far.knows()
        views = [far.run(far.watch()), far.run(far.watch())]
        start = next_command(link)
        assert isinstance(start, LiveStart)
        views.append(near.run(near.watch()))
        wait_until(lambda: near.relay.viewers == 2, what="one viewer here, one process there")
        show(link, start.channel, b"init", b"one", b"two")
        wait_until(lambda: far.seen.count(b"two") == 2, what="the picture at both viewers there")
        wait_until(lambda: b"two" in near.seen, what="the picture here")
        assert (near.relay.streams, far.relay.streams) == (1, 1)
        link.send(json.dumps({"type": "state", "channel": start.channel, "code": "masked"}))
        wait_until(lambda: far.told.count("masked") == 2, what="what the node says of it")
        for view in views:
            view.cancel()
        assert next_command(link).model_dump()["type"] == "stop", "no second start came before it"
        wait_until(lambda: far.relay.streams == 0, what="nothing left")


def test_a_node_that_comes_back_elsewhere_is_followed(processes):
    first, second = processes
    link = first.node()
    second.knows()
    views = [first.run(first.watch()), second.run(second.watch())]
    start = next_command(link)
    assert isinstance(start, LiveStart)
    show(link, start.channel, b"init", b"before")
    wait_until(lambda: b"before" in second.seen, what="the picture in the other process")
    link.close()
    wait_until(lambda: not first.relay.has_link(NODE), what="the end of the link")
    wait_until(lambda: "node_offline" in second.told, what="the loss, told")
    with second.node() as link:
        first.knows()
        start = next_command(link)
        assert isinstance(start, LiveStart)
        show(link, start.channel, b"init", b"after")
        for process in processes:
            wait_until(lambda one=process: b"after" in one.seen, what="the picture again")
        for view in views:
            view.cancel()
        wait_until(lambda: second.relay.streams == 0, what="nothing left")


def test_an_errand_reaches_a_node_of_another_process(processes):
    near, far = processes

    async def ask() -> None:
        assert far.relay.tell(NODE, Discover())

    with near.node() as link:
        far.knows()
        far.run(ask()).result(timeout=60)
        assert isinstance(next_command(link), Discover)
    assert not LiveRelay().tell(NODE, Discover()), "alone, and without a link"


KNOCKS = [
    (NODE, PEER_PATH, VALID_S + 5, "{}", 401),
    (NODE, ERRAND_PATH, 0, "{}", 401),
    ("node-west", PEER_PATH, 0, "{}", 401),
    ("nobody", PEER_PATH, 0, "{}", 401),
    (NODE, PEER_PATH, 0, "{}", 422),
    (NODE, PEER_PATH, 0, '{"type": "discover"}', 422),
    (NODE, PEER_PATH, 0, '{"type": "start", "channel": 1, "camera": "../x"}', 422),
]
"""Node, path signed for, how long ago, question; what is answered."""


def test_the_door_between_processes_opens_to_peers_only(processes):
    for node, path, late_s, start, status in KNOCKS:
        at = int(SystemClock().now().timestamp()) - late_s
        signature = sign(SecretStr("one"), node=node, path=path, at=at)
        url = processes[0].url.replace("http", "ws") + PEER_PATH
        with pytest.raises(InvalidStatus) as refused:
            connect(
                f"{url}?{httpx.QueryParams({'start': start})}",
                additional_headers={"X-Menshen-Node": node, SIGNATURE: signature},
                open_timeout=60,
            )
        assert refused.value.response.status_code == status


def test_no_errand_but_an_errand_is_taken(processes):
    at = int(SystemClock().now().timestamp())
    signature = sign(TOKENS[NODE], node=NODE, path=ERRAND_PATH, at=at)
    bodies = {"": 422, "[]": 422, '{"type": "stop", "channel": 1}': 422, "x" * 9000: 422}
    for body, status in {**bodies, '{"type": "discover"}': 404}.items():
        answer = httpx.post(
            processes[0].url + ERRAND_PATH,
            content=body,
            headers={"X-Menshen-Node": NODE, SIGNATURE: signature},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == status


@given(signature=st.text(max_size=90) | st.integers().map(lambda at: f"{at}.{'0' * 64}"))
def test_no_text_is_a_signature_by_chance(signature):
    assert not is_peer(TOKENS, node=NODE, path=PEER_PATH, signature=signature, now=1e9)


def test_the_book_forgets_who_fell_silent_and_keeps_the_newest_link(engine):
    clock = FakeClock()
    one, two = (LinkBook(engine, clock, f"http://10.0.0.{n}:8080") for n in (1, 2))
    one.hold(NODE, "link-1")
    two.refresh()
    assert two.address_of(NODE) == "http://10.0.0.1:8080"
    two.hold(NODE, "link-2")
    one.release(NODE, "link-1")
    one.refresh()
    assert one.address_of(NODE) == "http://10.0.0.2:8080", "the old link's end hides no new one"
    clock.advance(STALE_AFTER.total_seconds() + 1)
    one.refresh()
    assert one.address_of(NODE) is None, "a process that died is not asked"
    two.refresh()
    one.refresh()
    assert one.address_of(NODE) == "http://10.0.0.2:8080"


def test_every_address_is_told_by_the_machines_name():
    assert reachable("http://10.0.0.1:80") == "http://10.0.0.1:80"
    assert not reachable("http://0.0.0.0:8080").startswith("http://0.0.0.0")
