"""In a decode child: keeps the last group of pictures, and sends a camera while it is watched."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

from config.live import (
    COMMAND_LIMIT_BYTES,
    LiveFrame,
    LiveStart,
    LiveState,
    LiveStop,
    StateCode,
    parse_command,
)
from config.logs import get_logger
from edge.live.nal import Codec, UnreadableError
from edge.live.remux import CodedPicture, Remuxer, Source
from edge.live.stills import Stiller
from edge.streams.stream import StreamPacket, VideoStream
from edge.watching.gop_ring import GopRing
from edge.watching.masks import Polygon

_LOG = get_logger(__name__)

_GOP_BYTES = 8 * 1024 * 1024
_QUEUE = 1024
"""Packets between the camera's thread and ours: the last group of pictures and a little."""


class PacketTap(Protocol):
    """What a camera's threads tell of their packets."""

    def packet(self, camera: str, role: str, stream: VideoStream, packet: StreamPacket) -> bool:
        """The next packet of a stream; must not wait. Returns whether somebody watches."""

    def lost(self, camera: str, role: str) -> None:
        """A stream went away."""


class _Writer(Protocol):
    def feed(self, picture: CodedPicture) -> list[LiveFrame]:
        """Messages that this packet completes."""


@dataclass(slots=True)
class _Channel:
    start: LiveStart
    masks: Sequence[Polygon]
    keys_only: bool
    closed: bool = False
    needs_key: bool = False
    """Set by the camera's thread when the queue was full, cleared by ours at a key frame."""
    source: Source | None = None
    writer: _Writer | None = None

    def renew(self, source: Source) -> None:
        """Begin anew: another connection of the camera."""
        self.source = source
        number = self.start.channel
        if self.masks or self.start.mode == "stills":
            self.writer = Stiller(source, number, self.masks, keys_only=self.keys_only)
        else:
            self.writer = Remuxer(source, number)


@dataclass(slots=True)
class _Feed:
    """One stream of one camera."""

    masks: Sequence[Polygon]
    keys_only: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    stream: VideoStream | None = None
    source: Source | None = None
    gop: GopRing[StreamPacket] = field(
        default_factory=lambda: GopRing(max_bytes=_GOP_BYTES, max_seconds=1e-6)
    )
    channels: dict[int, _Channel] = field(default_factory=dict)


_Work = tuple[_Channel, Source, StreamPacket] | LiveState | None


class LiveTap:
    """The live side of one decode child. Two threads of its own, so no camera ever waits for it.

    Args:
        pipe: to the parent; commands come in, packed frames and states as JSON go out.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self._queue: queue.Queue[_Work] = queue.Queue(_QUEUE)
        self._threads = [
            threading.Thread(target=self._obey, name="live-commands", daemon=True),
            threading.Thread(target=self._work, name="live-work", daemon=True),
        ]

    def add(self, camera: str, roles: Sequence[str], masks: Sequence[Polygon]) -> None:
        """Know of a camera; call before :meth:`start`."""
        for role in roles:
            self._feeds[(camera, role)] = _Feed(tuple(masks), keys_only=role == "main")

    def mask(self, camera: str, masks: Sequence[Polygon]) -> None:
        """Hide other parts from now on; whoever watches gets a stream that begins anew."""
        for (name, _), feed in self._feeds.items():
            if name != camera:
                continue
            with feed.lock:
                feed.masks = tuple(masks)
                feed.gop.clear()  # what was hidden when it came stays hidden
                watched = [channel.start for channel in feed.channels.values()]
            for start in watched:
                self._open(start)

    def start(self) -> None:
        """Begin to listen to the parent. The threads end when its end of the pipe closes."""
        for thread in self._threads:
            thread.start()

    def packet(self, camera: str, role: str, stream: VideoStream, packet: StreamPacket) -> bool:
        """Keep the packet, and pass it on where somebody watches."""
        feed = self._feeds[(camera, role)]
        with feed.lock:
            if stream is not feed.stream:
                feed.gop.clear()
                feed.stream, feed.source = stream, None
            if feed.source is None:  # a stream knows its size only from its first key frame on
                feed.source = source_of(stream)
            source = feed.source
            if source is None:
                return False
            feed.gop.append(packet)
            for channel in feed.channels.values():
                self._pass_on(channel, source, packet)
            return bool(feed.channels)

    def lost(self, camera: str, role: str) -> None:
        """Say so to whoever watches."""
        feed = self._feeds[(camera, role)]
        with feed.lock:
            feed.gop.clear()
            feed.stream = feed.source = None
            for number in feed.channels:
                self._say(number, "camera_offline")

    def _pass_on(self, channel: _Channel, source: Source, packet: StreamPacket) -> None:
        if channel.needs_key and not packet.is_keyframe:
            return
        try:
            self._queue.put_nowait((channel, source, packet))
            channel.needs_key = False
        except queue.Full:
            channel.needs_key = True

    def _say(self, number: int, code: StateCode) -> None:
        try:
            self._queue.put_nowait(LiveState(channel=number, code=code))
        except queue.Full:
            _LOG.debug("live queue full", channel=number)

    def _obey(self) -> None:
        try:
            while True:
                command = parse_command(self._pipe.recv_bytes(COMMAND_LIMIT_BYTES))
                if isinstance(command, LiveStart):
                    self._open(command)
                elif isinstance(command, LiveStop):
                    self._close(command.channel)
        except (OSError, EOFError, ValueError):
            self._queue.put(None)

    def _open(self, start: LiveStart) -> None:
        self._close(start.channel)
        feed = self._feeds.get((start.camera, start.stream))
        feed = feed or self._feeds.get((start.camera, "main"))
        if feed is None:
            self._say(start.channel, "unknown_camera")
            return
        with feed.lock:
            channel = _Channel(start, feed.masks, feed.keys_only)
            if feed.masks and start.mode == "video":
                self._say(start.channel, "masked")
            if feed.source is None:
                self._say(start.channel, "camera_offline")
            else:
                for packet in feed.gop.since(float("inf")):
                    self._pass_on(channel, feed.source, packet)
            feed.channels[start.channel] = channel

    def _close(self, number: int) -> None:
        for feed in self._feeds.values():
            with feed.lock:
                channel = feed.channels.pop(number, None)
            if channel is not None:
                channel.closed = True

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                if isinstance(work, LiveState):
                    self._pipe.send_bytes(work.model_dump_json().encode())
                    continue
                for frame in self._written(*work):
                    self._pipe.send_bytes(frame.packed)
            except OSError:
                return

    def _written(self, channel: _Channel, source: Source, packet: StreamPacket) -> list[LiveFrame]:
        if channel.closed:
            return []
        try:
            if channel.source is not source or channel.writer is None:
                channel.renew(source)
            assert channel.writer is not None
            return channel.writer.feed(picture_of(packet))
        except UnreadableError:
            channel.closed = True
            self._say(channel.start.channel, "unreadable")
            return []


def source_of(stream: VideoStream) -> Source | None:
    """What a stream says of itself now; None when it cannot be put into an MP4."""
    info = stream.info
    if info.codec not in ("h264", "hevc") or not (0 < info.width < 2**16 > info.height > 0):
        return None
    codec: Codec = "h264" if info.codec == "h264" else "hevc"
    return Source(codec, info.width, info.height, stream.parameter_sets)


def picture_of(packet: StreamPacket) -> CodedPicture:
    """The coded picture of a packet, copied."""
    coded: Any = packet.coded
    known = coded.dts is not None and coded.time_base is not None
    return CodedPicture(
        data=bytes(coded),
        pts_s=packet.pts_s,
        dts_s=float(coded.dts * coded.time_base) if known else None,
        is_key=packet.is_keyframe,
        at_ms=int(packet.arrived_s * 1000),
    )
