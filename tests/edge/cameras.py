"""Real cameras for the edge's tests: a clip that we encode, served by gst-rtsp-server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.servers import SETUP, free_port

_SCRIPT = Path(__file__).resolve().parent.parent / "gst_rtsp_server.py"
_PYTHON = "/usr/bin/python3"
USER, PASSWORD = "viewer", "Se@cret/42"
LOGIN = "viewer:Se%40cret%2F42@"


def encode_clip(
    file: Path, *, codec: str = "h264", seconds: float = 20, gop: int = 10, slices: int = 1
) -> Path:
    """A bright square crossing a still 320x240 yard from 1 s on, ten pictures a second."""
    encoder = {"h264": "libx264", "h265": "libx265"}[codec]
    yard = np.kron(
        np.random.default_rng(3).integers(60, 150, (12, 16, 1)), np.ones((20, 20, 3))
    ).astype(np.uint8)
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(encoder, rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        if codec == "h264":
            stream.options |= {"x264-params": f"sliced-threads=0:slices={slices}"}
        else:
            stream.options |= {"x265-params": f"keyint={gop}:min-keyint={gop}:log-level=none"}
        for number in range(int(seconds * 10)):
            image = yard.copy()
            if number > 10:
                x = (number * 4) % 260
                image[100:150, x : x + 50] = 250
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


class GstCamera:
    """One gst-rtsp-server process; the same port after a restart."""

    def __init__(self, file: Path, *, codec: str = "h264", login: bool = False) -> None:
        self._arguments = [str(file), str(free_port()), codec]
        self._login = [USER, PASSWORD] if login else []
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """``127.0.0.1:port/cam``"""
        return f"127.0.0.1:{self._arguments[1]}/cam"

    def start(self) -> GstCamera:
        """Start and wait until it listens."""
        command = [_PYTHON, str(_SCRIPT), *self._arguments, *self._login]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            self._process.kill()
            _, problem = self._process.communicate()
            pytest.fail(f"gst-rtsp-server does not start: {problem[-300:]} {SETUP}")
        return self

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> GstCamera:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def until(
    done: Callable[[], bool],
    *,
    step: Callable[[], object] = lambda: None,
    seconds: float = 120,
    pause_s: float = 0.02,
) -> None:
    """Call ``step`` and look whether ``done``; fails the test when it never is."""
    limit = time.monotonic() + seconds
    while not done():
        step()
        if time.monotonic() > limit:
            pytest.fail("waited in vain")
        time.sleep(pause_s)
