"""Connections to cameras by name: the name server may be away, as when a node's uplink is."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from edge.streams.stream import Fault, StreamError, VideoStream


def test_a_name_server_that_does_not_answer_holds_up_no_camera(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever hangs longer than a camera may is killed, with the other cameras of the child."""
    end, has_answered = threading.Event(), threading.Event()

    def silent(*_name: Any, **_kind: Any) -> Any:
        end.wait(60)
        has_answered.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    with pytest.raises(StreamError) as caught:
        VideoStream.open("rtsp://gate.lan/live", camera="gate", open_timeout_s=0.1)
    assert caught.value.fault is Fault.UNREACHABLE
    assert not has_answered.is_set()
    end.set()
    has_answered.wait(60)


def test_the_second_address_of_a_name_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as camera, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        found = [(*kind, nobody.getsockname()), (*kind, camera.getsockname())]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_name, **_kind: found)
        with pytest.raises(StreamError) as caught:
            VideoStream.open("rtsp://gate.lan/live", camera="gate", open_timeout_s=2)
        assert caught.value.fault is Fault.SILENT, "it is there, and says nothing"
