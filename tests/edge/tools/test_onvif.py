"""Asking a device for its streams: both logins, both media services, and devices that lie."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.clock import SystemClock
from config.discovery import FoundStream, main_and_sub
from config.secrets import CameraSecret
from edge.tools.onvif import OnvifAnswer, ask_device
from edge.tools.soap import ANSWER_LIMIT_BYTES, SoapError, SoapFault, parse_xml
from tests.edge.onvif_device import PASSWORD, USER, OnvifDevice, Profile

LOGIN = CameraSecret(user=USER, password=SecretStr(PASSWORD))
WRONG = CameraSecret(user=USER, password=SecretStr("wrong"))


def profiles(host: str = "127.0.0.1", login: str = "") -> list[Profile]:
    return [
        Profile("p-main", "H265", (2560, 1440), f"rtsp://{login}{host}/Streaming/101?a=1&b=2"),
        Profile("p-sub", "H264", (640, 360), f"rtsp://{login}{host}:8554/Streaming/102"),
        Profile("p-tiny", "JPEG", (176, 144), f"rtsp://{login}{host}/jpeg"),
    ]


def ask(device: OnvifDevice, login: CameraSecret | None = LOGIN) -> OnvifAnswer:
    return ask_device("127.0.0.1", [device.service], login=login, clock=SystemClock())


def urls(streams: Sequence[FoundStream]) -> list[str]:
    return [stream.url for stream in streams]


@pytest.mark.parametrize("way", ["digest", "token"])
@pytest.mark.parametrize("media2", [True, False])
def test_a_device_tells_its_streams_to_who_logs_in(way, media2):
    with OnvifDevice(profiles(), logins=frozenset({way}), media2=media2) as device:
        answer = ask(device)
    main, sub = main_and_sub(answer.streams)
    assert (answer.device.maker, answer.device.model) == ("海康", "DS-2CD3T46")
    assert main == FoundStream(
        profile="p-main",
        source="V1",
        url="rtsp://127.0.0.1/Streaming/101?a=1&b=2",
        codec="h265",
        width=2560,
        height=1440,
        fps=25,
    )
    assert sub is not None
    assert sub.url == "rtsp://127.0.0.1:8554/Streaming/102"
    assert not any(PASSWORD.encode() in data for data in device.seen), "the password never travels"


def test_a_device_without_logins_is_asked_without():
    with OnvifDevice(profiles(), logins=frozenset()) as device:
        assert len(ask(device, login=None).streams) == 3


@pytest.mark.parametrize(
    ("ways", "tries"), [({"digest"}, 2), ({"token"}, 1), ({"digest", "token"}, 2)]
)
def test_a_wrong_password_is_tried_once_in_each_way_and_no_more(ways, tries):
    with OnvifDevice(profiles(), logins=frozenset(ways)) as device, pytest.raises(SoapError) as e:
        ask(device, WRONG)
    assert e.value.fault is SoapFault.LOGIN
    assert device.refused == tries, "cameras lock accounts"
    assert "wrong" not in str(e.value)


def test_without_a_login_the_password_question_is_an_answer_in_words():
    with OnvifDevice(profiles()) as device, pytest.raises(SoapError, match="ONVIF user"):
        ask(device, login=None)


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(hours=8), timedelta(days=9)])
def test_a_wrong_clock_does_not_spoil_the_token(off):
    with OnvifDevice(profiles(), offset=off) as device:
        answer = ask(device)
    assert answer.clock_off_s == pytest.approx(off.total_seconds(), abs=60)
    assert len(answer.streams) == 3


def test_an_address_of_elsewhere_is_not_followed_and_said():
    told = profiles(host="203.0.113.9", login="admin:12345@")
    with OnvifDevice(told, names_host="203.0.113.9") as device:
        answer = ask(device)
    assert len(answer.streams) == 3
    assert all(url.startswith("rtsp://127.0.0.1") for url in urls(answer.streams))
    assert "12345" not in str(answer)
    assert any("another address" in remark for remark in answer.remarks)


def test_a_password_in_a_path_is_left_out_and_said():
    told = [Profile("p", "H264", (640, 360), "rtsp://127.0.0.1/user=admin&password=12345&ch=1.sdp")]
    with OnvifDevice(told) as device:
        answer = ask(device)
    assert answer.streams == ()
    assert "12345" not in str(answer)
    assert any("enter it by hand" in remark for remark in answer.remarks)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<x><Body><r>&b;</r></Body></x>"""
LIES = {
    "entities": (lambda: (200, {}, BOMB), SoapFault.NONSENSE),
    "entities in UTF-16": (lambda: (200, {}, BOMB.decode().encode("utf-16")), SoapFault.NONSENSE),
    "endless": (lambda: (200, {}, b"<a>" * ANSWER_LIMIT_BYTES), SoapFault.NONSENSE),
    "endless at the door": (lambda: (401, {}, b"x" * 3 * ANSWER_LIMIT_BYTES), SoapFault.NONSENSE),
    "deep": (lambda: (200, {}, b"<a>" * 90_000 + b"</a>" * 90_000), SoapFault.NONSENSE),
    "nothing": (lambda: (200, {}, b""), SoapFault.NONSENSE),
    "no SOAP": (lambda: (200, {}, b"<html>login</html>"), SoapFault.NONSENSE),
    "sent away": (lambda: (302, {"Location": "http://203.0.113.9/"}, b""), SoapFault.REDIRECT),
    "broken": (lambda: (500, {}, b"oops"), SoapFault.REFUSED),
    "basic only": (lambda: (401, {"WWW-Authenticate": "Basic realm=x"}, b""), SoapFault.LOGIN),
    "strange digest": (
        lambda: (401, {"WWW-Authenticate": 'Digest realm="x", nonce="n", algorithm=ROT13'}, b""),
        SoapFault.NONSENSE,
    ),
    "torn digest": (lambda: (401, {"WWW-Authenticate": "Digest x"}, b""), None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_device_that_lies_is_refused_in_words(lie):
    answer, fault = LIES[lie]
    lies = dict.fromkeys(("GetDeviceInformation", "GetProfiles"), answer)
    with (
        OnvifDevice(profiles(), lie=lies) as device,
        pytest.raises(SoapError) as refused,
    ):
        ask(device)
    assert fault is None or refused.value.fault is fault
    assert refused.value.remedy
    assert not any(b"Basic" in data or PASSWORD.encode() in data for data in device.seen)


def test_a_device_that_cannot_say_who_it_is_still_has_streams():
    broken = {"GetDeviceInformation": LIES["broken"][0], "GetServices": LIES["broken"][0]}
    with OnvifDevice(profiles(), lie=broken, media2=False) as device:
        answer = ask(device)
    assert answer.device.model == ""
    assert len(answer.streams) == 3
    assert "GetCapabilities" in device.asked


def test_nobody_at_home_is_said_in_words():
    with pytest.raises(SoapError, match="switched on"):
        ask_device("127.0.0.1", ["http://x:9/y"], login=LOGIN, clock=SystemClock())


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "rtsp://", "rtsp://127.0.0.1:99999/x", "rtsp://a b/", "file:///etc", ""],
)
def test_what_is_no_stream_address_is_left_out(url):
    honest = Profile("good", "H264", (640, 360), "rtsp://127.0.0.1/good")
    with OnvifDevice([Profile("bad", "H264", (1920, 1080), url), honest]) as device:
        answer = ask(device)
    assert "rtsp://127.0.0.1/good" in urls(answer.streams)
    assert all(address.startswith("rtsp://127.0.0.1") for address in urls(answer.streams))


@settings(max_examples=60)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_xml_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        parse_xml(data)


def test_each_lens_has_its_own_main_and_sub():
    found = [
        FoundStream(
            profile=f"{lens}-{w}",
            source=lens,
            url=f"rtsp://10.0.0.1/{lens}/{w}",
            codec="h264",
            width=w,
            height=w // 2,
        )
        for lens in ("one", "two")
        for w in (200, 640, 1920)
    ]
    main, sub = main_and_sub(found, "two")
    assert main is not None
    assert main.url == "rtsp://10.0.0.1/two/1920"
    assert sub is not None
    assert sub.url == "rtsp://10.0.0.1/two/640"
    assert main_and_sub([]) == (None, None)
