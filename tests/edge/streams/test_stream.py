"""Streams of a camera that is not ours, and of servers that misbehave."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.streams.stream import Fault, Picture, StreamError, VideoStream, public_url
from tests.edge.cameras import LOGIN, PASSWORD, GstCamera, encode_clip
from tests.servers import free_port


def watch(stream: VideoStream, packets: int) -> int:
    """Decode so many packets; returns how many pictures came."""
    pictures = 0
    for number, packet in enumerate(stream.packets(), start=1):
        pictures += len(stream.decode(packet))
        if number >= packets:
            break
    stream.close()
    return pictures


@pytest.mark.parametrize("codec,name", [("h264", "h264"), ("h265", "hevc")])
def test_plays_h264_and_h265_over_tcp(tmp_path: Path, codec: str, name: str) -> None:
    with GstCamera(encode_clip(tmp_path / "a.mp4", codec=codec, seconds=6), codec=codec) as camera:
        stream = VideoStream.open(f"rtsp://{camera.address}", camera="gate")
        assert (stream.info.codec, stream.info.width, stream.info.height) == (name, 320, 240)
        assert watch(stream, 20) >= 18


def test_pictures_sent_in_several_slices_are_shown(tmp_path: Path) -> None:
    with GstCamera(encode_clip(tmp_path / "a.mp4", seconds=6, slices=4)) as camera:
        assert watch(VideoStream.open(f"rtsp://{camera.address}", camera="gate"), 20) >= 16


def test_the_login_opens_and_a_wrong_one_is_told_without_it(clip: Path) -> None:
    with GstCamera(clip, login=True) as camera:
        stream = VideoStream.open(f"rtsp://{LOGIN}{camera.address}", camera="gate")
        assert watch(stream, 5) >= 4
        for login in ("", "viewer:Wr%40ng@"):
            with pytest.raises(StreamError) as caught:
                VideoStream.open(f"rtsp://{login}{camera.address}", camera="gate")
            assert caught.value.fault is Fault.CREDENTIALS
            assert "camera gate" in str(caught.value)
            assert "Wr" not in str(caught.value)
        with pytest.raises(StreamError) as caught:
            VideoStream.open(f"rtsp://{LOGIN}{camera.address}-no", camera="gate")
        assert caught.value.fault is Fault.NOT_FOUND
        assert PASSWORD not in str(caught.value)
        assert "viewer" not in str(caught.value)


def test_nobody_there_is_said_so() -> None:
    with pytest.raises(StreamError) as caught:
        VideoStream.open(f"rtsp://u:p@127.0.0.1:{free_port()}/x", camera="gate")
    assert caught.value.fault is Fault.UNREACHABLE
    assert "cable" in caught.value.remedy


def test_a_server_that_dies_ends_the_stream_with_an_error(clip: Path) -> None:
    with GstCamera(clip) as camera:
        stream = VideoStream.open(f"rtsp://{camera.address}", camera="gate")
        packets = stream.packets()
        next(packets)
        camera.stop()
        with pytest.raises(StreamError) as caught:
            list(packets)
        assert caught.value.fault is Fault.ENDED
        stream.close()


@contextmanager
def rude_server(answer: bytes) -> Iterator[str]:
    """A TCP server that answers everything with ``answer`` (b"" keeps silent)."""
    gone = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            if answer:
                self.request.sendall(answer)
            else:
                gone.wait(20)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"rtsp://u:hunter2@127.0.0.1:{server.server_address[1]}/x"
        gone.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"\x00\xff" * 500,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 454 Session Not Found\r\nCSeq: 1\r\n\r\n",
    ],
)
def test_whatever_a_server_answers_the_error_is_in_words(answer: bytes) -> None:
    with rude_server(answer) as url, pytest.raises(StreamError) as caught:
        VideoStream.open(url, camera="gate", open_timeout_s=0.5, read_timeout_s=0.5)
    assert "hunter2" not in str(caught.value)
    assert caught.value.remedy


def test_a_stream_without_h264_or_h265_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "old.avi"
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(stream.encode(None))
    with pytest.raises(StreamError) as caught:
        VideoStream.open(str(file), camera="gate")
    assert caught.value.fault is Fault.NOT_VIDEO


def test_damaged_packets_are_counted_and_the_stream_goes_on(tmp_path: Path) -> None:
    whole = encode_clip(tmp_path / "a.mp4", seconds=6)
    data = bytearray(whole.read_bytes())
    start = data.index(b"mdat") + 2000
    for place in range(start, start + len(data) // 3, 7):
        data[place] ^= 0xA5
    (tmp_path / "b.mp4").write_bytes(data)
    stream = VideoStream.open(str(tmp_path / "b.mp4"), camera="gate")
    pictures: list[Picture] = []
    with pytest.raises(StreamError) as caught:
        pictures.extend(picture for packet in stream.packets() for picture in stream.decode(packet))
    assert caught.value.fault is Fault.ENDED
    assert stream.corrupt > 0
    assert len(pictures) > 20, "what is whole is still shown"
    stream.close()


SHOWN = "rtsp://10.0.0.5/user=***&password=***&c=1"
"""What may be told of such an address; Hypothesis draws words of the code, "password" too."""
secret = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).filter(
    lambda text: text not in SHOWN
)


@given(secret)
def test_an_address_fit_for_logs_holds_no_password(password: str) -> None:
    for url in (
        f"rtsp://admin:{password}@10.0.0.5:554/live",
        f"rtsp://10.0.0.5/user=admin&password={password.replace('&', 'x')}&c=1",
    ):
        shown = public_url(url)
        assert password not in shown.replace("10.0.0.5:554/live", "")


def test_a_plain_address_is_shown_as_it_is() -> None:
    assert public_url("rtsp://10.0.0.5:554/live?channel=1") == "rtsp://10.0.0.5:554/live?channel=1"
