"""The relay: brings a camera's live stream from its node once, to however many who watch."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Literal, Protocol

from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect

from config.live import (
    Command,
    Errand,
    LiveFrame,
    LiveStart,
    LiveStop,
    Mode,
    StateCode,
    Stream,
    parse_state,
)
from config.logs import get_logger
from ingest.live_channel import LiveChannel, LiveViewer

GRACE_S = 4.0
"""How long a camera is still sent after its last viewer left: a reload costs no new start."""
PULL_AGAIN_S = 1.0
"""How soon a stream is looked for again after the process it came from had it no longer."""
BAD_MESSAGES_MAX = 50
"""A node that sends more nonsense than this is disconnected."""
_COMMANDS_MAX = 1024

_log = get_logger(__name__)


class NodeSocket(Protocol):
    """The accepted WebSocket of a node (:class:`starlette.websockets.WebSocket`)."""

    async def receive(self) -> object:
        """The next ASGI message: a mapping with ``type`` and ``bytes`` or ``text``."""

    async def send_text(self, data: str) -> None:
        """Send a command."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the link."""


class Elsewhere(Protocol):
    """The other web processes (:class:`ingest.live_peers.Peers`). The first two may wait."""

    def hold(self, node: str, link: str) -> None:
        """This process has a new link of the node."""

    def release(self, node: str, link: str) -> None:
        """That link has ended."""

    def has(self, node: str) -> bool:
        """Whether another process has the node's link."""

    def pull(self, node: str, wanted: LiveStart) -> AsyncGenerator[LiveFrame | StateCode]:
        """What that process receives of a camera, until it stops."""

    async def tell(self, node: str, errand: Errand) -> bool:
        """Ask the node for an errand through that process."""


class _NodeLink:
    """The one live link of a node."""

    def __init__(self, node: str, socket: NodeSocket) -> None:
        self.id = str(uuid.uuid4())
        self.node = node
        self.socket = socket
        self.commands: asyncio.Queue[Command] = asyncio.Queue(_COMMANDS_MAX)
        self.task: asyncio.Task[None] | None = None
        self.bad = 0

    def tell(self, command: Command) -> None:
        try:
            self.commands.put_nowait(command)
        except asyncio.QueueFull:
            # It has not read a command for long: let it come back and be asked anew.
            if self.task is not None:
                self.task.cancel()

    async def send(self) -> None:
        while True:
            command = await self.commands.get()
            await self.socket.send_text(command.model_dump_json())


class LiveRelay:
    """Channels of one process. All methods belong to one event loop; no lock is needed.

    A node's link is in one process. Where that is another one, this relay gets the stream from
    there, again once for all who watch here: the node sends it once, whoever watches where.

    Args:
        grace_s: how long a stream goes on without viewers.
        elsewhere: the other web processes; None: there are none.
    """

    def __init__(self, *, grace_s: float = GRACE_S, elsewhere: Elsewhere | None = None) -> None:
        self._grace_s = grace_s
        self.elsewhere = elsewhere
        self._asides: set[asyncio.Task[object]] = set()
        self._nodes: dict[str, _NodeLink] = {}
        self._channels: dict[int, LiveChannel] = {}
        self._by_key: dict[tuple[str, Stream, Mode], LiveChannel] = {}
        self._last = 0

    def is_online(self, node: str) -> bool:
        """True while the node's link is open, in whichever process. Any thread may ask."""
        return self.has_link(node) or (self.elsewhere is not None and self.elsewhere.has(node))

    def has_link(self, node: str) -> bool:
        """True while the node's link is open in this process."""
        return node in self._nodes

    def tell(self, node: str, errand: Errand) -> bool:
        """Ask a node for an errand; False when its link is not open anywhere.

        Whether it arrives at a node of another process shows by the node's report alone, as it
        does when a link breaks.
        """
        link = self._nodes.get(node)
        if link is not None:
            link.tell(errand)
            return True
        if self.elsewhere is None or not self.elsewhere.has(node):
            return False
        self._aside(self.elsewhere.tell(node, errand))
        return True

    @property
    def streams(self) -> int:
        """Streams that nodes are asked for now."""
        return len(self._channels)

    @property
    def viewers(self) -> int:
        """Viewers of all streams."""
        return sum(len(channel.viewers) for channel in list(self._channels.values()))

    @contextlib.contextmanager
    def watch(
        self, *, camera: str, node: str, stream: Stream = "sub", mode: Mode = "video"
    ) -> Iterator[LiveViewer]:
        """Watch a camera of ``node``; the first viewer starts its stream, the last one ends it."""
        channel = self._by_key.get((camera, stream, mode))
        if channel is None:
            channel = self._open(camera, node, stream, mode)
        if channel.ending is not None:
            channel.ending.cancel()
            channel.ending = None
        viewer = LiveViewer()
        channel.join(viewer)
        try:
            yield viewer
        finally:
            channel.viewers.discard(viewer)
            if not channel.viewers:
                loop = asyncio.get_running_loop()
                channel.ending = loop.call_later(self._grace_s, self._end, channel)

    def _open(self, camera: str, node: str, stream: Stream, mode: Mode) -> LiveChannel:
        self._last += 1
        channel = LiveChannel(self._last, camera, node, stream, mode)
        self._channels[channel.number] = channel
        self._by_key[(camera, stream, mode)] = channel
        link = self._nodes.get(node)
        if link is None:
            self._without_link(channel)
        else:
            link.tell(_start(channel))
        return channel

    def _without_link(self, channel: LiveChannel) -> None:
        """Say so, unless another process has the link: then get the stream from there."""
        if not self.is_online(channel.node):
            channel.say("node_offline")
        if self.elsewhere is not None:
            pulling = self._pull(channel, self.elsewhere)
            channel.pulling = asyncio.create_task(pulling, name=f"live-pull-{channel.camera}")

    async def _pull(self, channel: LiveChannel, elsewhere: Elsewhere) -> None:
        """Until the node's link is here or nobody watches; ended by being cancelled."""
        while True:
            async with contextlib.aclosing(elsewhere.pull(channel.node, _start(channel))) as items:
                async for item in items:
                    if isinstance(item, LiveFrame):
                        channel.push(item)
                    else:
                        channel.say(item)
            if channel.code != "node_offline":
                channel.say("node_offline")
            await asyncio.sleep(PULL_AGAIN_S)

    def _aside(self, work: Coroutine[object, object, object]) -> None:
        """Run something that nobody waits for, and hold it until it has ended."""
        task = asyncio.ensure_future(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _end(self, channel: LiveChannel) -> None:
        if channel.viewers:
            return
        self._channels.pop(channel.number, None)
        self._by_key.pop((channel.camera, channel.stream, channel.mode), None)
        channel.stop_pulling()
        link = self._nodes.get(channel.node)
        if link is not None:
            link.tell(LiveStop(channel=channel.number))

    async def serve(self, node: str, socket: NodeSocket) -> None:
        """Serve the accepted link of an authenticated node until it ends.

        A second link of the same node replaces the first: after a cut line the old one may take
        long to be noticed.
        """
        link = _NodeLink(node, socket)
        before = self._nodes.get(node)
        self._nodes[node] = link
        if before is not None and before.task is not None:
            before.task.cancel()
        _log.info("live link open", node=node)
        for channel in self._of(node):
            channel.stop_pulling()
            link.tell(_start(channel))
        link.task = asyncio.create_task(self._run(link), name=f"live-{node}")
        try:
            await self._book("hold", link)
            await asyncio.wait([link.task])
        finally:
            await _cancelled(link.task)
            if self._nodes.get(node) is link:
                del self._nodes[node]
                for channel in self._of(node):
                    channel.say("node_offline")
                    self._without_link(channel)
            await self._book("release", link)
            _log.info("live link closed", node=node)
            with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
                await socket.close()

    async def _book(self, what: Literal["hold", "release"], link: _NodeLink) -> None:
        """Tell the other processes; a database that is away does not end the link."""
        if self.elsewhere is None:
            return
        change = self.elsewhere.hold if what == "hold" else self.elsewhere.release
        try:
            await asyncio.to_thread(change, link.node, link.id)
        except SQLAlchemyError as error:
            _log.warning("a live link is not in the book", node=link.node, reason=str(error)[:200])

    def _of(self, node: str) -> list[LiveChannel]:
        return [channel for channel in self._channels.values() if channel.node == node]

    async def _run(self, link: _NodeLink) -> None:
        sending = asyncio.create_task(link.send(), name=f"live-commands-{link.node}")
        try:
            while link.bad <= BAD_MESSAGES_MAX:
                message = await link.socket.receive()
                if not isinstance(message, dict) or message.get("type") != "websocket.receive":
                    return
                self._heard(link, message.get("bytes"), message.get("text"))
            _log.warning("a node sends nonsense; its live link is closed", node=link.node)
        finally:
            await _cancelled(sending)

    def _heard(self, link: _NodeLink, data: bytes | None, text: str | None) -> None:
        try:
            if data is not None:
                frame = LiveFrame.unpack(data)
                channel = self._channels.get(frame.channel)
            else:
                state = parse_state(text or "")
                channel = self._channels.get(state.channel)
        except ValueError:
            link.bad += 1
            return
        if channel is None:
            return  # on its way when the last viewer left
        if channel.node != link.node:
            link.bad += 1
        elif data is not None:
            channel.push(frame)
        else:
            channel.say(state.code)


def _start(channel: LiveChannel) -> LiveStart:
    return LiveStart(
        channel=channel.number, camera=channel.camera, stream=channel.stream, mode=channel.mode
    )


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, wait for its end, and say what it died of, if anything."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.debug("live task ended", reason=type(error).__name__)
