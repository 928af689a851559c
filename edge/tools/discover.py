"""Finds cameras on this node's network: WS-Discovery as ONVIF devices answer it."""

from __future__ import annotations

import ipaddress
import socket
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from config.discovery import FoundCamera
from config.errors import UserError
from edge.tools.soap import parse_xml

GROUP, PORT = "239.255.255.250", 3702
"""Multicast address of WS-Discovery over UDP (OASIS WS-Discovery 1.1, 2.4)."""
RTSP_PORT = 554
ANSWER_LIMIT_BYTES = 65_535
CAMERAS_MAX = 500
_REPEAT = 3
"""A probe or its answer may be lost: it is sent several times (SOAP-over-UDP 1.1, 4)."""
_RTSP_S = 1.5
_SCOPES = {
    "name": "onvif://www.onvif.org/name/",
    "hardware": "onvif://www.onvif.org/hardware/",
    "place": "onvif://www.onvif.org/location/",
}
_NS = {
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
}
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl">
<s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>
<a:MessageID>urn:uuid:{id}</a:MessageID>
<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>
<s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body>
</s:Envelope>"""


def discover(
    *,
    seconds: float = 3.0,
    interface: str | None = None,
    target: tuple[str, int] = (GROUP, PORT),
    rtsp_port: int | None = RTSP_PORT,
) -> list[FoundCamera]:
    """Ask the network for ONVIF cameras and wait ``seconds`` for their answers.

    Args:
        seconds: how long to listen.
        interface: own IP address of the network to search; None: the system's choice.
        target: where the probe goes.
        rtsp_port: port on which each device found is asked for RTSP; None: none is.

    Returns:
        Cameras by address, at most :data:`CAMERAS_MAX`. What answers with nonsense is left out.

    Raises:
        UserError: there is no such interface, or no network.
    """
    message = uuid.uuid4()
    found: dict[str, FoundCamera] = {}
    try:
        with _socket(interface) as link:
            probe = _PROBE.format(id=message).encode()
            for answer, address in _answers(link, probe, target, seconds):
                camera = parse_answer(answer, address=address, asked=str(message))
                if camera is not None and len(found) < CAMERAS_MAX:
                    found.setdefault(address, camera)
    except OSError as error:
        raise UserError(
            where=f"network {interface or 'of the system'}",
            problem=f"cannot search it ({error.strerror or type(error).__name__})",
            remedy="give --interface one of this machine's own addresses in the cameras' network",
        ) from None
    cameras = sorted(found.values(), key=lambda one: ipaddress.ip_address(one.address))
    return cameras if rtsp_port is None else _with_rtsp(cameras, rtsp_port)


def parse_answer(data: bytes, *, address: str, asked: str) -> FoundCamera | None:
    """The camera of one ProbeMatches message; None for anything else, however it is malformed."""
    if len(data) > ANSWER_LIMIT_BYTES:
        return None
    try:
        root = parse_xml(data)
    except ValueError:
        return None
    related = root.findtext(".//a:RelatesTo", "", _NS).strip()
    match = root.find(".//d:ProbeMatch", _NS)
    if match is None or asked not in related:
        return None
    scopes = match.findtext("d:Scopes", "", _NS).split()
    services = match.findtext("d:XAddrs", "", _NS).split()
    try:
        return FoundCamera(
            address=address,
            services=tuple(text[:300] for text in services[:8]),
            **{field: _scope(scopes, prefix) for field, prefix in _SCOPES.items()},
        )
    except ValueError:
        return None


def _scope(scopes: Iterable[str], prefix: str) -> str:
    """The first scope with that prefix, decoded, without control characters."""
    text = next((unquote(scope[len(prefix) :]) for scope in scopes if scope.startswith(prefix)), "")
    return "".join(letter for letter in text if letter.isprintable())[:200]


def _socket(interface: str | None) -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface is not None:
            link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        link.bind((interface or "", 0))
    except OSError:
        link.close()
        raise
    return link


def _answers(
    link: socket.socket, probe: bytes, target: tuple[str, int], seconds: float
) -> Iterable[tuple[bytes, str]]:
    """Answers as they come, the probe sent again a few times in the first half."""
    begun = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - begun) < seconds:
        if sent < _REPEAT and passed >= sent * seconds / (2 * _REPEAT):
            link.sendto(probe, target)
            sent += 1
        link.settimeout(max(0.01, min(0.1, seconds - passed)))
        try:
            data, place = link.recvfrom(ANSWER_LIMIT_BYTES)
        except TimeoutError:
            continue
        yield data, str(place[0])


def _with_rtsp(cameras: list[FoundCamera], port: int) -> list[FoundCamera]:
    if not cameras:
        return []
    with ThreadPoolExecutor(min(16, len(cameras)), thread_name_prefix="discover") as pool:
        answers = pool.map(lambda camera: _speaks_rtsp(camera.address, port), cameras)
        return [
            camera.model_copy(update={"rtsp": answer})
            for camera, answer in zip(cameras, answers, strict=True)
        ]


def _speaks_rtsp(address: str, port: int) -> bool:
    """True when OPTIONS is answered (RFC 2326, 10.1); no credentials are sent."""
    request = f"OPTIONS rtsp://{address}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    try:
        with socket.create_connection((address, port), _RTSP_S) as link:
            link.settimeout(_RTSP_S)
            link.sendall(request)
            return link.recv(64).startswith(b"RTSP/")
    except OSError:
        return False
