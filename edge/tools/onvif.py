"""Asks an ONVIF device who it is and where its streams are (media services ver10 and ver20)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from pydantic import ValidationError

from config.clock import Clock
from config.discovery import STREAMS_MAX, FoundDevice, FoundStream
from config.secrets import CameraSecret
from edge.streams.stream_error import public_url
from edge.tools.soap import SoapClient, SoapError, SoapFault, local

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_USUAL_PATH = "/onvif/device_service"
"""Path of the device service (ONVIF Core, 5.1.1)."""
_PROFILES_MAX = 160
"""More are not looked at: a recorder of 64 channels has 128."""
_CODECS: dict[str, Literal["h264", "h265"]] = {"H264": "h264", "H265": "h265", "HEVC": "h265"}


@dataclass(frozen=True, slots=True)
class OnvifAnswer:
    """What a device said; ``remarks`` are in words, without any of the device's own."""

    device: FoundDevice
    streams: tuple[FoundStream, ...]
    clock_off_s: float | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Profile:
    token: str
    source: str
    codec: Literal["h264", "h265", "other"]
    width: int
    height: int
    fps: float | None


def ask_device(
    address: str, services: Iterable[str], *, login: CameraSecret | None, clock: Clock
) -> OnvifAnswer:
    """Ask the device at ``address``; nothing is changed on it.

    Only ``address`` is talked to, whatever host the device or its answers name: they may name a
    network that it was in before, or somebody else's machine.

    Args:
        address: IP address that it was found at.
        services: addresses of its device service, as it announced them; may be empty.
        login: None asks without.
        clock: our time; the device's own is asked for, since tokens are checked against that.

    Raises:
        SoapError: it does not tell its streams; says why.
    """
    client = SoapClient(address, login, clock.now)
    try:
        return _Talk(client, address, _device_url(address, services)).run(clock)
    finally:
        client.close()


class _Talk:
    """One conversation, question by question."""

    def __init__(self, client: SoapClient, address: str, url: str) -> None:
        self._client = client
        self._address = address
        self._url = url
        self._remarks: list[str] = []

    def run(self, clock: Clock) -> OnvifAnswer:
        off_s = self._clock_off(clock.now)
        if off_s is not None:
            self._client.now = lambda: clock.now() + timedelta(seconds=off_s)
        device = self._who()
        streams = self._streams()
        return OnvifAnswer(device, streams, off_s, tuple(dict.fromkeys(self._remarks)))

    def _device(self, operation: str, inside: str = "") -> ET.Element:
        return self._ask(self._url, _DEVICE, operation, inside)

    def _ask(self, url: str, space: str, operation: str, inside: str = "") -> ET.Element:
        body = f'<q:{operation} xmlns:q="{space}">{inside}</q:{operation}>'
        return self._client.ask(url, action=f"{space}/{operation}", body=body)

    def _clock_off(self, now: Callable[[], datetime]) -> float | None:
        """GetSystemDateAndTime, which needs no login (ONVIF Core, 8.3.5)."""
        try:
            answer = self._device("GetSystemDateAndTime")
        except SoapError as error:
            if error.fault is SoapFault.UNREACHABLE:
                raise
            return None
        utc = _first(answer, "UTCDateTime")
        parts = [_text(utc, name) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
        try:
            year, month, day, hour, minute, second = map(int, parts)
            told = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
        return (told - now()).total_seconds()

    def _who(self) -> FoundDevice:
        try:
            answer = self._device("GetDeviceInformation")
        except SoapError as error:
            if error.fault in (SoapFault.LOGIN, SoapFault.UNREACHABLE):
                raise
            return FoundDevice()
        return FoundDevice(
            maker=_text(answer, "Manufacturer"),
            model=_text(answer, "Model"),
            firmware=_text(answer, "FirmwareVersion"),
            serial=_text(answer, "SerialNumber"),
        )

    def _streams(self) -> tuple[FoundStream, ...]:
        space, url = self._media()
        inside = "<q:Type>All</q:Type>" if space == _MEDIA2 else ""
        answer = self._ask(url, space, "GetProfiles", inside)
        found: list[FoundStream] = []
        for profile in _profiles(answer):
            stream = self._stream(space, url, profile)
            if stream is not None and stream.url not in {one.url for one in found}:
                found.append(stream)
            if len(found) == STREAMS_MAX:
                break
        return tuple(found)

    def _media(self) -> tuple[str, str]:
        """Namespace and address of the newest media service: only ver20 knows H.265."""
        try:
            answer = self._device("GetServices", "<q:IncludeCapability>false</q:IncludeCapability>")
        except SoapError as error:
            if error.fault is SoapFault.LOGIN:
                raise
            answer = self._device("GetCapabilities", "<q:Category>Media</q:Category>")
            media = _first(answer, "Media")
            return _MEDIA, self._here(_text(media, "XAddr", limit=300))
        offers = {
            _text(one, "Namespace"): _text(one, "XAddr", limit=300)
            for one in answer.iter()
            if local(one.tag) == "Service"
        }
        space = _MEDIA2 if _MEDIA2 in offers else _MEDIA
        return space, self._here(offers.get(space, ""))

    def _stream(self, space: str, url: str, profile: _Profile) -> FoundStream | None:
        token = f"<q:ProfileToken>{escape(profile.token)}</q:ProfileToken>"
        inside = "<q:Protocol>RTSP</q:Protocol>" + token
        if space == _MEDIA:
            inside = (
                f'<q:StreamSetup><t:Stream xmlns:t="{_SCHEMA}">RTP-Unicast</t:Stream>'
                f'<t:Transport xmlns:t="{_SCHEMA}"><t:Protocol>RTSP</t:Protocol></t:Transport>'
                f"</q:StreamSetup>{token}"
            )
        try:
            answer = self._ask(url, space, "GetStreamUri", inside)
        except SoapError as error:
            if error.fault in (SoapFault.LOGIN, SoapFault.UNREACHABLE):
                raise
            self._remarks.append("one of its profiles has no stream")
            return None
        address = self._rtsp(_text(answer, "Uri", limit=1000))
        if address is None:
            return None
        try:
            return FoundStream(
                profile=profile.token,
                source=profile.source,
                url=address,
                codec=profile.codec,
                width=profile.width,
                height=profile.height,
                fps=profile.fps,
            )
        except ValidationError:
            self._remarks.append("one of its stream addresses cannot be used")
            return None

    def _rtsp(self, told: str) -> str | None:
        """The stream's address at the device itself, without credentials; None: unusable."""
        parts, port = _split(told)
        if parts is None or parts.scheme not in ("rtsp", "rtsps") or not told.isprintable():
            self._remarks.append("one of its stream addresses cannot be used")
            return None
        if (parts.hostname or "") != self._address:
            self._remarks.append("it names another address for its streams; its own is used")
        clean = _rebuilt(parts, self._address, port)
        if public_url(clean) != clean:
            self._remarks.append(
                "one of its stream addresses holds a password, and is left out; enter it by hand"
            )
            return None
        return clean

    def _here(self, told: str) -> str:
        """A service's address at the device itself."""
        parts, port = _split(told)
        if parts is None or parts.scheme not in ("http", "https"):
            return self._url
        return _rebuilt(parts, self._address, port)


def _device_url(address: str, services: Iterable[str]) -> str:
    """Its device service, at the address it was found at; HTTP before HTTPS."""
    offers = [(parts, port) for parts, port in map(_split, services) if parts is not None]
    for scheme in ("http", "https"):
        for parts, port in offers:
            if parts.scheme == scheme:
                return _rebuilt(parts, address, port)
    return f"http://{_bracketed(address)}{_USUAL_PATH}"


def _split(url: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        return None, None


def _rebuilt(parts: SplitResult, address: str, port: int | None) -> str:
    host = _bracketed(address) + ("" if port is None else f":{port}")
    return urlunsplit(parts._replace(netloc=host, fragment=""))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address


def _profiles(answer: ET.Element) -> Iterable[_Profile]:
    """Profiles with video, as ver10 (``VideoEncoderConfiguration``) and ver20 write them."""
    found = [element for element in answer if local(element.tag) == "Profiles"]
    for element in found[:_PROFILES_MAX]:
        token = element.get("token", "")
        video = _first(element, "VideoEncoderConfiguration", "VideoEncoder")
        if not token or video is None:
            continue
        source = _first(element, "VideoSourceConfiguration", "VideoSource")
        yield _Profile(
            token=token[:200],
            source=_text(source, "SourceToken"),
            codec=_CODECS.get(_text(video, "Encoding").upper(), "other"),
            width=_pixels(video, "Width"),
            height=_pixels(video, "Height"),
            fps=_rate(_text(video, "FrameRateLimit")),
        )


def _first(element: ET.Element | None, *names: str) -> ET.Element | None:
    """The first element below with one of these local names."""
    if element is None:
        return None
    return next((one for one in element.iter() if local(one.tag) in names), None)


def _text(element: ET.Element | None, name: str, *, limit: int = 200) -> str:
    """The first such element's text, printable and bounded; empty when there is none."""
    found = _first(element, name)
    text = ((found.text if found is not None else None) or "").strip()
    return "".join(letter for letter in text if letter.isprintable())[:limit]


def _pixels(element: ET.Element, name: str) -> int:
    text = _text(element, name, limit=6)
    return int(text) if text.isascii() and text.isdigit() and int(text) <= 32_768 else 0


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 <= rate <= 1000 else None
