"""What a decode child does when it is asked for something that it cannot give."""

from __future__ import annotations

import errno
import tempfile
from typing import Any

import pytest

from edge.events.clips import ClipOrder, CutClip
from edge.streams.stream import StreamPacket
from edge.watching.camera import CameraSpec
from edge.watching.child import _cut
from tests.edge.live.test_live_tap import camera_packets


class Camera:
    """A camera whose ring holds what it has sent."""

    def __init__(self) -> None:
        self.spec = CameraSpec(id="gate", url="rtsp://127.0.0.1/x")
        self.main = self

    def kept(self, _since_s: float, _until_s: float) -> tuple[list[StreamPacket], str]:
        return camera_packets(), "h264"


def test_a_full_disk_costs_the_clip_and_not_the_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras: Any = [Camera()]
    order = ClipOrder(7, "gate", 0.0, 100.0)
    whole = _cut(cameras, order)
    assert whole.data is not None

    def full(*_args: Any, **_more: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    assert _cut(cameras, order) == CutClip(7, None)
