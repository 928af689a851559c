"""One camera on its way from a node to many viewers: what late joiners need, and who watches."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from config.live import Backlog, FrameKind, LiveFrame, Mode, StateCode, Stream

GOP_BYTES = 8 * 1024 * 1024
"""A group of pictures larger than this is not kept: who joins then waits for a key frame."""
VIEWER_BYTES = 9 * 1024 * 1024
VIEWER_FRAMES = 300


class LiveViewer:
    """One viewer's end of a channel. Belongs to the relay's event loop."""

    def __init__(self) -> None:
        self._backlog = Backlog(max_bytes=VIEWER_BYTES, max_frames=VIEWER_FRAMES)
        self._code: StateCode | None = None
        self._wake = asyncio.Event()

    @property
    def skipped(self) -> int:
        """Fragments this viewer was too slow for."""
        return self._backlog.skipped

    @property
    def waiting(self) -> int:
        """Messages held for this viewer, never more than the backlog's bound."""
        return len(self._backlog)

    def push(self, frame: LiveFrame) -> None:
        """Add a frame; never waits."""
        self._backlog.push(frame)
        self._wake.set()

    def say(self, code: StateCode) -> None:
        """Why there are no pictures; only the newest reason is kept."""
        self._code = code
        self._wake.set()

    async def next(self) -> LiveFrame | StateCode:
        """The next thing to send on; waits until there is one."""
        while True:
            if self._code is not None:
                code, self._code = self._code, None
                return code
            frame = self._backlog.pop()
            if frame is not None:
                return frame
            self._wake.clear()
            await self._wake.wait()


@dataclass(eq=False, slots=True)
class LiveChannel:
    """What is known of one camera's live stream, and its viewers."""

    number: int
    camera: str
    node: str
    stream: Stream
    mode: Mode
    viewers: set[LiveViewer] = field(default_factory=set)
    code: StateCode | None = None
    ending: asyncio.TimerHandle | None = None
    pulling: asyncio.Task[None] | None = None
    """Gets the stream from another process, where that has the node's link."""
    _init: LiveFrame | None = None
    _gop: list[LiveFrame] = field(default_factory=list)
    _gop_bytes: int = 0

    def join(self, viewer: LiveViewer) -> None:
        """Give a viewer what was sent since the last key frame, then all that follows."""
        if self.code is not None:
            viewer.say(self.code)
        if self._init is not None:
            viewer.push(self._init)
        for frame in self._gop:
            viewer.push(frame)
        self.viewers.add(viewer)

    def push(self, frame: LiveFrame) -> None:
        """A frame came from the node."""
        self._keep(frame)
        if frame.kind is not FrameKind.STILL or self.code != "masked":
            self.code = None
        for viewer in self.viewers:
            viewer.push(frame)

    def say(self, code: StateCode) -> None:
        """Tell all viewers, and whoever joins before the next frame."""
        self.code = code
        if code != "masked":
            self._init = None
            self._drop_gop()
        for viewer in self.viewers:
            viewer.say(code)

    def stop_pulling(self) -> None:
        """The stream comes from the node itself now, or is not wanted any more."""
        if self.pulling is not None:
            self.pulling.cancel()
            self.pulling = None

    def _keep(self, frame: LiveFrame) -> None:
        if frame.kind is FrameKind.INIT:
            self._init = frame
            self._drop_gop()
            return
        if frame.is_key:
            self._drop_gop()
        elif not self._gop:
            return
        if self._gop_bytes + len(frame.packed) > GOP_BYTES or len(self._gop) >= VIEWER_FRAMES:
            self._drop_gop()
            return
        self._gop.append(frame)
        self._gop_bytes += len(frame.packed)

    def _drop_gop(self) -> None:
        self._gop.clear()
        self._gop_bytes = 0
