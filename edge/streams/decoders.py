"""Decoders of H.264 and H.265 that stand alone, without a container (libav)."""

from __future__ import annotations

from typing import Any

import av
from av.codec.context import ThreadType

from edge.streams.stream_types import Picture


def new_decoder(codec: str) -> Any:
    """A libav decoder of ``codec`` (``h264`` or ``hevc``) on one thread."""
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_type = ThreadType.SLICE
    context.thread_count = 1
    return context


class SecondDecoder:
    """Decodes copies of a stream's packets, for a picture that somebody asked for.

    The stream's own decoder is left alone: what it has decoded so far decides what it can next.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.thread_count = 1
        if extradata:
            self._context.extradata = extradata

    def decode(self, coded: bytes, *, alone: bool = False) -> list[Picture]:
        """Pictures that these bytes complete; [] for damaged ones.

        Args:
            coded: one packet.
            alone: it is a key frame to be shown by itself; nothing is kept for the next one.
        """
        try:
            frames = self._context.decode(av.Packet(coded))
            if alone:
                frames += self._context.decode(None)
        except (av.error.FFmpegError, ValueError):
            frames = []
        if alone:
            self._context.flush_buffers()
        return [Picture(frame, None) for frame in frames if not frame.is_corrupt]
