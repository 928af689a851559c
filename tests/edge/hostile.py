"""A small clip behind our own RTSP server, honest or misbehaving, and somebody who reads it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from edge.simulator.behaviour import Behaviour
from edge.simulator.loop import EncodedLoop
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.simulator.video import Encoding, VideoWriter, load_loop, repeat_parameter_sets
from edge.streams.stream import Picture, StreamError, StreamPacket, VideoStream
from tests.edge.cameras import encode_clip


@cache
def loop(
    *, codec: str = "h264", gop: int = 10, slices: int = 1, seconds: float = 12
) -> EncodedLoop:
    """320x240, ten pictures a second, something moving."""
    with tempfile.TemporaryDirectory() as folder:
        file = encode_clip(
            Path(folder) / "a.mp4", codec=codec, gop=gop, slices=slices, seconds=seconds
        )
        found = load_loop(file)
    assert found is not None
    return repeat_parameter_sets(found)


@cache
def smaller_loop() -> EncodedLoop:
    """The same at 160x120."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.mp4"
        with VideoWriter(file, Encoding(160, 120, 10, gop_s=1.0)) as writer:
            for number in range(60):
                picture = np.full((120, 160, 3), 90, np.uint8)
                picture[40:80, number : number + 30] = 240
                writer.add(picture, number * 9000)
        found = load_loop(file)
    assert found is not None
    return repeat_parameter_sets(found)


@contextmanager
def served(main: EncodedLoop, behaviour: Callable[[], Behaviour] | None = None) -> Iterator[str]:
    """The address of a camera that behaves like that."""
    faults = {} if behaviour is None else {"cam/main": behaviour}
    with RtspServer("127.0.0.1", 0, [CameraSource("cam", main)], faults=faults) as server:
        yield server.url("cam", "main")


def read(url: str, packets: int, **options: float) -> tuple[list[StreamPacket], list[Picture]]:
    """Read and decode so many packets, or until the stream ends."""
    stream = VideoStream.open(url, camera="gate", **options)
    kept: list[StreamPacket] = []
    pictures: list[Picture] = []
    try:
        for packet in stream.packets():
            kept.append(packet)
            pictures += stream.decode(packet)
            if len(kept) >= packets:
                break
    except StreamError:
        pass
    finally:
        stream.close()
    return kept, pictures
