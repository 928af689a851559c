"""Finding cameras: real UDP answers, honest and hostile, and what the command prints."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.errors import UserError
from edge.cli import app
from edge.tools import discover_cli
from edge.tools.discover import discover, parse_answer
from tests.edge.onvif_device import PASSWORD, USER, OnvifDevice, Profile

ASKED = "5f0a4d8e-0000-4000-8000-000000000001"
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">
<e:Header><w:RelatesTo>uuid:{asked}</w:RelatesTo></e:Header>
<e:Body><d:ProbeMatches><d:ProbeMatch>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/East%20Gate
 onvif://www.onvif.org/hardware/DS-2CD3T46 onvif://www.onvif.org/location/%E4%B8%9C%E9%97%A8</d:Scopes>
<d:XAddrs>http://192.168.1.64/onvif/device_service</d:XAddrs>
</d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"""


def probe_id(probe: bytes) -> str:
    """The message id of a probe, which an answer must name."""
    return probe.split(b"urn:uuid:", 1)[1].split(b"<", 1)[0].decode()


@contextmanager
def devices(*answers: Callable[[str], bytes], host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    """Something on the network that answers each probe with all of ``answers``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((host, 0))
        link.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    probe, place = link.recvfrom(65_535)
                except TimeoutError:
                    continue
                for answer in answers:
                    link.sendto(answer(probe_id(probe)), place)

        thread = threading.Thread(target=serve, name="devices")
        thread.start()
        try:
            yield link.getsockname()
        finally:
            over.set()
            thread.join()


def honest(asked: str) -> bytes:
    return ANSWER.format(asked=asked).encode()


def test_a_camera_that_answers_is_found_once_with_its_own_words():
    with devices(honest, honest) as place:
        (camera,) = discover(seconds=1.5, interface="127.0.0.1", target=place, rtsp_port=None)
    assert (camera.address, camera.name, camera.hardware, camera.place) == (
        "127.0.0.1",
        "East Gate",
        "DS-2CD3T46",
        "东门",
    )
    assert camera.services == ("http://192.168.1.64/onvif/device_service",)
    assert camera.rtsp is None


def test_rtsp_is_asked_for_and_a_closed_port_is_a_no():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with devices(honest) as place:
            (camera,) = discover(seconds=1.5, target=place, rtsp_port=port)
    assert camera.rtsp is False


BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<x>&b;</x>"""
LIES: dict[str, Callable[[str], bytes]] = {
    "nothing": lambda _: b"",
    "no XML": lambda _: b"\xff\xfe\x00garbage",
    "entities": lambda _: BOMB,
    "an answer to somebody else": lambda _: honest(ASKED),
    "no match in it": lambda asked: honest(asked).replace(b"ProbeMatch>", b"Other>"),
    "cut in half": lambda asked: honest(asked)[:400],
    "unknown encoding": lambda asked: honest(asked).replace(b"UTF-8", b"UTF-77"),
    "half a megabyte of scopes": lambda asked: honest(asked).replace(b"East", b"E" * 50_000),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_answers_nonsense_hides_no_honest_camera(lie):
    with devices(LIES[lie], honest) as place:
        found = discover(seconds=1.5, target=place, rtsp_port=None)
    assert [camera.address for camera in found] == ["127.0.0.1"]
    assert all(len(camera.name) <= 200 for camera in found)


@given(data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_camera_or_none(data):
    assert parse_answer(data, address="10.0.0.1", asked=ASKED) is None


@given(name=st.text(max_size=60))
def test_no_name_breaks_the_answer_or_the_terminal(name):

    text = honest(ASKED).replace(b"East%20Gate", quote(name, safe="").encode() or b"x")
    camera = parse_answer(text, address="10.0.0.1", asked=ASKED)
    assert camera is not None
    assert camera.name.isprintable() or camera.name == ""


def test_a_network_that_is_not_ours_is_refused_in_words():
    with pytest.raises(UserError, match="--interface"):
        discover(seconds=1.5, interface="203.0.113.7")


def test_the_command_prints_what_it_found(monkeypatch):
    with devices(honest) as place:
        monkeypatch.setattr(
            discover_cli,
            "discover",
            lambda **given: discover(**given, target=place, rtsp_port=None),
        )
        shown = CliRunner().invoke(app, ["discover", "--seconds", "1.5"])
        text = CliRunner().invoke(app, ["discover", "--seconds", "1.5", "--json"]).stdout
    assert "1 cameras answered" in shown.stdout
    assert json.loads(text)["cameras"][0]["name"] == "East Gate"


def test_who_logs_in_sees_the_streams_and_no_password(monkeypatch):
    main = Profile("p", "H265", (2560, 1440), f"rtsp://{USER}:{quote(PASSWORD)}@127.0.0.1/101")
    with OnvifDevice([main]) as camera:
        service = camera.service.encode()

        def found(asked: str) -> bytes:
            return honest(asked).replace(b"http://192.168.1.64/onvif/device_service", service)

        with devices(found) as place:
            monkeypatch.setattr(
                discover_cli,
                "discover",
                lambda **given: discover(**given, target=place, rtsp_port=None),
            )
            command = ["discover", "--seconds", "1.5", "--login", USER]
            shown = CliRunner().invoke(app, command, input=f"{PASSWORD}\n")
            monkeypatch.setenv(discover_cli.PASSWORD_VARIABLE, "wrong")
            refused = CliRunner().invoke(app, [*command, "--json"])
    assert "url     h265   2560x1440  25 fps  rtsp://127.0.0.1/101" in shown.stdout
    assert PASSWORD not in shown.output
    assert quote(PASSWORD) not in shown.output
    (camera_said,) = json.loads(refused.stdout)["cameras"]
    assert "refused the user name or password" in camera_said["problem"]


def test_a_report_needs_the_nodes_name_and_token(monkeypatch):
    monkeypatch.setattr(discover_cli, "discover", lambda **_: [])
    result = CliRunner().invoke(app, ["discover", "--centre", "http://127.0.0.1:1"])
    assert isinstance(result.exception, UserError)
    assert "--secrets" in str(result.exception)
