"""In a decode child: keeps what recorded cameras send, on a thread that no camera waits for."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.logs import get_logger
from config.recording_site import Recording
from edge.live.remux import Source
from edge.live.tap import picture_of, source_of
from edge.recording.segments import Segments
from edge.recording.shelf import Shelf
from edge.streams.stream import StreamPacket, VideoStream

_LOG = get_logger(__name__)

_QUEUE = 2048
"""Packets that wait for the disk: ten seconds of eight cameras."""


@dataclass(slots=True)
class _Feed:
    segments: Segments
    source: Source | None = None
    """None until a key frame: set by the camera's thread, and back when the queue was full."""
    gaps: int = 0
    """Times that the queue was full."""


_Work = tuple[Segments, Source | None, StreamPacket | None] | None


class Recorder:
    """Records cameras below ``root``, a folder for each."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._feeds: dict[str, _Feed] = {}
        self._refused: set[str] = set()
        self._queue: queue.Queue[_Work] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def errors(self, camera: str) -> int:
        """Gaps of a camera's recording that the disk is to blame for: it took nothing, or was slow.

        A folder that cannot be used at all is one.
        """
        feed = self._feeds.get(camera)
        return int(camera in self._refused) if feed is None else feed.gaps + feed.segments.errors

    def add(self, camera: str, wanted: Recording) -> None:
        """Record a camera; call before :meth:`start`. A folder that cannot be used is told."""
        try:
            shelf = Shelf(
                self._root / camera,
                budget_bytes=wanted.budget_bytes,
                keep_days=wanted.keep_days,
            )
        except OSError as error:
            _LOG.error(
                "not recorded: its folder cannot be used", camera=camera, problem=error.strerror
            )
            self._refused.add(camera)
            return
        self._feeds[camera] = _Feed(Segments(shelf))

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Write what waits, and end the files; at most so long."""
        with suppress(queue.Full):  # a disk that hangs; the child is ending anyway
            self._queue.put(None, timeout=timeout_s)
        self._thread.join(timeout_s)

    def packet(self, camera: str, stream: VideoStream, packet: StreamPacket) -> None:
        """The next packet of a camera's main stream; does not wait."""
        feed = self._feeds.get(camera)
        if feed is None:
            return
        if packet.is_keyframe:
            feed.source = source_of(stream)
        if feed.source is None:
            return
        try:
            self._queue.put_nowait((feed.segments, feed.source, packet))
        except queue.Full:
            _LOG.error("recording has a gap: the disk is too slow", camera=camera)
            feed.source = None
            feed.gaps += 1

    def lost(self, camera: str) -> None:
        """The stream went away: what comes next is another file."""
        feed = self._feeds.get(camera)
        if feed is not None:
            feed.source = None
            with suppress(queue.Full):  # then a long gap is all that shows it
                self._queue.put_nowait((feed.segments, None, None))

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            segments, source, packet = work
            if source is None or packet is None:
                segments.close()
            else:
                segments.feed(source, picture_of(packet))
        for feed in self._feeds.values():
            feed.segments.close()
