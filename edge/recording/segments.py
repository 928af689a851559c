"""Writes one camera's packets into segments that play even after a power cut."""

from __future__ import annotations

import os
from typing import BinaryIO

from config.durable import sync_folder
from config.live import FrameKind, LiveFrame
from config.logs import get_logger
from edge.live.nal import UnreadableError
from edge.live.remux import CodedPicture, Remuxer, Source
from edge.recording.shelf import Shelf, segment_path

_LOG = get_logger(__name__)

SEGMENT_MS = 60_000
_REST_MS = 10_000
_SYNC_MS = 10_000
_GATHER_MS = 1_000
_GATHER_BYTES = 256 * 1024


class Segments:
    """Cuts at key frames into files of a minute, nothing re-encoded.

    Each picture is a fragment of its own (see :mod:`edge.live.mp4`) and only whole ones are
    written, so that a file plays up to where writing ended. A killed process loses a second, a
    power cut ten. Another connection, size or parameter set begins another file. A disk that
    takes nothing is tried again after ten seconds.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._source: Source | None = None
        self._remuxer: Remuxer | None = None
        self._file: BinaryIO | None = None
        self._path = shelf.folder
        self._began_ms = self._written_ms = self._synced_ms = 0
        self._rest_until_ms = 0
        self._size = 0
        self._gathered: list[bytes] = []
        self.errors = 0
        """Times that the disk took nothing."""

    def feed(self, source: Source, picture: CodedPicture) -> None:
        """The next packet of the camera."""
        try:
            self._feed(source, picture)
        except UnreadableError:
            self._give_up()
        except OSError as error:
            _LOG.error(
                "not recorded: the disk takes nothing",
                folder=str(self._shelf.folder),
                problem=error.strerror,
            )
            self.errors += 1
            self._give_up()
            self._rest_until_ms = picture.at_ms + _REST_MS

    def close(self) -> None:
        """End the present file; the next packet that is kept begins another."""
        try:
            self._end()
        except OSError:
            self._give_up()

    def _feed(self, source: Source, picture: CodedPicture) -> None:
        if picture.is_key and self._is_over(source, picture.at_ms):
            self._begin(source)
        if self._remuxer is None:
            return
        frames = self._remuxer.feed(picture)
        if self._file is not None and any(frame.kind is FrameKind.INIT for frame in frames):
            # Parameter sets that the source did not tell of: they go into a file of their own.
            self._take([frame for frame in frames if frame.kind is not FrameKind.INIT])
            frames = self._begin(source, held=False).feed(picture)
        self._take(frames)

    def _is_over(self, source: Source, at_ms: int) -> bool:
        if self._remuxer is None:
            return not self._rest_until_ms - _REST_MS <= at_ms < self._rest_until_ms
        return source != self._source or not 0 <= at_ms - self._began_ms < SEGMENT_MS

    def _begin(self, source: Source, *, held: bool = True) -> Remuxer:
        self._end(held=held)
        self._source, self._remuxer = source, Remuxer(source, 0)
        return self._remuxer

    def _end(self, *, held: bool = True) -> None:
        """``held``: the picture that the remuxer holds back belongs into this file."""
        remuxer, self._remuxer = self._remuxer, None
        if remuxer is not None and self._file is not None:
            if held:
                self._take(remuxer.finish())
            self._write()
            os.fsync(self._file.fileno())
        file, self._file = self._file, None
        if file is not None:
            file.close()
            sync_folder(self._shelf.folder)

    def _give_up(self) -> None:
        file, self._file = self._file, None
        self._remuxer, self._gathered = None, []
        if file is not None:
            file.close()

    def _take(self, frames: list[LiveFrame]) -> None:
        for frame in frames:
            if frame.kind is FrameKind.INIT:
                self._open(frame.at_ms)
                self._gathered.append(frame.payload[1 + frame.payload[0] :])
                continue
            late = not 0 <= frame.at_ms - self._written_ms < _GATHER_MS
            if late or sum(map(len, self._gathered)) >= _GATHER_BYTES:
                self._write()
                self._written_ms = frame.at_ms
            if not 0 <= frame.at_ms - self._synced_ms < _SYNC_MS and self._file is not None:
                os.fdatasync(self._file.fileno())
                self._synced_ms = frame.at_ms
            self._gathered.append(frame.payload)

    def _open(self, at_ms: int) -> None:
        self._shelf.look()
        self._path = segment_path(self._shelf.folder, at_ms)
        self._file = self._path.open("xb", buffering=0)
        self._size, self._gathered = 0, []
        self._began_ms = self._written_ms = self._synced_ms = at_ms

    def _write(self) -> None:
        if self._file is None or not self._gathered:
            return
        data, self._gathered = b"".join(self._gathered), []
        self._size += len(data)
        self._shelf.make_room(self._size, but=self._path)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
