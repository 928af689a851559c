"""The relay: one stream for many viewers, and what nodes and slow viewers cannot do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from config.live import Command, FrameKind, LiveFrame, LiveStart, LiveStop, parse_command
from ingest.live import BAD_MESSAGES_MAX, LiveRelay
from ingest.live_channel import VIEWER_FRAMES


class Node:
    """A node's side of the link, as messages: what it was told, and what it says."""

    def __init__(self) -> None:
        self.told: list[Command] = []
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed = False

    async def receive(self) -> dict[str, Any]:
        return await self.said.get()

    async def send_text(self, data: str) -> None:
        self.told.append(parse_command(data))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.closed = True

    def send(self, frame: LiveFrame) -> None:
        self.said.put_nowait({"type": "websocket.receive", "bytes": frame.packed})

    def say(self, text: str) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1006})


def frame(kind: FrameKind, channel: int, number: int = 0, *, is_key: bool = False) -> LiveFrame:
    payload = number.to_bytes(4, "big")
    return LiveFrame.make(kind, channel=channel, at_ms=number, payload=payload, is_key=is_key)


async def turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def story(play: Callable[[LiveRelay], Awaitable[None]], grace_s: float = 0.0) -> None:
    async def whole() -> None:
        await play(LiveRelay(grace_s=grace_s))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "the relay leaks no task"

    asyncio.run(whole())


async def connected(relay: LiveRelay, name: str = "node") -> tuple[Node, asyncio.Task[None]]:
    node = Node()
    task = asyncio.create_task(relay.serve(name, node))
    await turn()
    return node, task


async def gone(node: Node, task: asyncio.Task[None]) -> None:
    node.hang_up()
    await task
    assert node.closed


def test_two_viewers_are_one_start_and_the_last_to_leave_stops_it() -> None:
    async def play(relay: LiveRelay) -> None:
        node, task = await connected(relay)
        with relay.watch(camera="yard", node="node") as first:
            await turn()
            assert [type(item) for item in node.told] == [LiveStart]
            channel = node.told[0].channel
            for number, (kind, is_key) in enumerate(
                [(FrameKind.INIT, True), (FrameKind.FRAGMENT, True), (FrameKind.FRAGMENT, False)]
            ):
                node.send(frame(kind, channel, number, is_key=is_key))
            await turn()
            with relay.watch(camera="yard", node="node") as late:
                for viewer in (first, late):
                    got = [await viewer.next() for _ in range(3)]
                    assert [item.at_ms for item in got if isinstance(item, LiveFrame)] == [0, 1, 2]
            assert len(node.told) == 1
        await asyncio.sleep(0.01)
        assert node.told[1:] == [LiveStop(channel=channel)]
        assert relay.streams == 0
        await gone(node, task)

    story(play)


def test_a_reload_within_the_grace_costs_no_new_start() -> None:
    async def play(relay: LiveRelay) -> None:
        node, task = await connected(relay)
        for _ in range(3):
            with relay.watch(camera="yard", node="node"):
                await turn()
        assert len(node.told) == 1
        await gone(node, task)

    story(play, grace_s=30.0)


def test_a_viewer_who_reads_nothing_costs_a_bounded_memory_and_delays_nobody() -> None:
    async def play(relay: LiveRelay) -> None:
        node, task = await connected(relay)
        with (
            relay.watch(camera="yard", node="node") as slow,
            relay.watch(camera="yard", node="node") as quick,
        ):
            await turn()
            channel = node.told[0].channel
            node.send(frame(FrameKind.INIT, channel))
            for number in range(3000):
                is_key = number % 50 == 0
                node.send(frame(FrameKind.FRAGMENT, channel, number, is_key=is_key))
                if number % 10 == 9:
                    await turn()
                    while quick.waiting:
                        await quick.next()
                assert slow.waiting <= VIEWER_FRAMES + 1
            assert quick.skipped == 0
            assert slow.skipped > 2000
            first = [await slow.next(), await slow.next()]
            kinds = [item.kind for item in first if isinstance(item, LiveFrame)]
            assert kinds == [FrameKind.INIT, FrameKind.FRAGMENT]
            assert isinstance(first[1], LiveFrame)
            assert first[1].is_key
        await gone(node, task)

    story(play)


def test_without_its_node_a_viewer_is_told_and_the_view_begins_when_it_comes() -> None:
    async def play(relay: LiveRelay) -> None:
        with relay.watch(camera="yard", node="node") as viewer:
            assert await viewer.next() == "node_offline"
            node, task = await connected(relay)
            assert isinstance(node.told[0], LiveStart)
            node.send(frame(FrameKind.INIT, node.told[0].channel))
            assert isinstance(await viewer.next(), LiveFrame)
            await gone(node, task)
            assert await viewer.next() == "node_offline"
        await asyncio.sleep(0.01)

    story(play)


def test_a_second_link_of_a_node_replaces_the_first_and_is_asked_again() -> None:
    async def play(relay: LiveRelay) -> None:
        old, old_task = await connected(relay)
        with relay.watch(camera="yard", node="node") as viewer:
            await turn()
            new, new_task = await connected(relay)
            await old_task
            assert old.closed
            assert relay.is_online("node")
            assert [item.channel for item in new.told] == [item.channel for item in old.told]
            new.send(frame(FrameKind.INIT, new.told[0].channel))
            assert isinstance(await viewer.next(), LiveFrame), "no word of being offline between"
            await gone(new, new_task)
        await asyncio.sleep(0.01)

    story(play)


@pytest.mark.parametrize("text", ["", "{}", '{"type":"state","channel":-1}', "[" * 9000, "\x00"])
def test_a_node_that_talks_nonsense_is_disconnected(text: str) -> None:
    async def play(relay: LiveRelay) -> None:
        node, task = await connected(relay)
        for _ in range(BAD_MESSAGES_MAX + 1):
            node.say(text)
        await task
        assert node.closed
        assert not relay.is_online("node")

    story(play)


def test_a_node_can_send_only_for_its_own_cameras() -> None:
    async def play(relay: LiveRelay) -> None:
        honest, honest_task = await connected(relay, "honest")
        other, other_task = await connected(relay, "other")
        with relay.watch(camera="yard", node="honest") as viewer:
            await turn()
            channel = honest.told[0].channel
            assert other.told == []
            other.send(frame(FrameKind.INIT, channel, 666))
            other.say(f'{{"type":"state","channel":{channel},"code":"camera_offline"}}')
            other.send(frame(FrameKind.STILL, 4711))
            await turn()
            assert viewer.waiting == 0
            honest.send(frame(FrameKind.INIT, channel, 1))
            item = await viewer.next()
            assert isinstance(item, LiveFrame)
            assert item.at_ms == 1
        await gone(honest, honest_task)
        await gone(other, other_task)

    story(play)
