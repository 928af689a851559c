"""An ONVIF device for tests: SOAP over HTTP that checks its logins, honest or hostile."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.request import parse_http_list, parse_keqv_list
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from edge.tools.soap import local

MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
USER, PASSWORD = "admin", "相机<&>密码"
OPEN = frozenset({"GetSystemDateAndTime", "GetServices", "GetCapabilities"})
"""What needs no login (access class PRE_AUTH)."""
_ANSWERS = {
    "GetSystemDateAndTime": "_clock",
    "GetServices": "_services",
    "GetCapabilities": "_capabilities",
    "GetDeviceInformation": "_who",
    "GetProfiles": "_all_profiles",
    "GetStreamUri": "_uri",
}
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope'
    ' xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{}</e:Body></e:Envelope>'
)
_FAULT = (
    "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:{}</e:Value>"
    "</e:Subcode></e:Code></e:Fault>"
)


@dataclass(frozen=True)
class Profile:
    """One profile of the device."""

    token: str
    codec: str
    size: tuple[int, int]
    url: str
    source: str = "V1"


@dataclass
class OnvifDevice:
    """Listens on a free port of ``host`` while its block runs; counts what it is asked.

    ``logins`` are those it accepts; ``offset`` is how far its clock is off; ``lie`` replaces the
    answer to an operation with raw bytes.
    """

    profiles: list[Profile]
    logins: frozenset[Literal["digest", "token"]] = frozenset({"token"})
    offset: timedelta = timedelta()
    media2: bool = True
    host: str = "127.0.0.1"
    names_host: str | None = None
    lie: dict[str, Callable[[], tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: int = 0
    """Logins that were wrong."""
    seen: list[bytes] = field(default_factory=list)

    def __enter__(self) -> OnvifDevice:
        device = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                device._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def service(self) -> str:
        """Address of its device service, as it announces it."""
        return f"http://{self.names_host or self.host}:{self.port}/onvif/device_service"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        data = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        self.seen.append(data)
        root = ET.fromstring(data)
        body = next(element for element in root if local(element.tag) == "Body")
        operation = local(body[0].tag)
        self.asked.append(operation)
        if operation in self.lie:
            status, headers, answer = self.lie[operation]()
        elif operation not in OPEN and not self._admits(request, root):
            self.refused += b"Nonce" in data or "Authorization" in request.headers
            status, headers = 401 if "digest" in self.logins else 400, {}
            if "digest" in self.logins:
                headers = {"WWW-Authenticate": 'Digest realm="cam", nonce="n0nce", qop="auth"'}
            answer = _ENVELOPE.format(_FAULT.format("NotAuthorized")).encode()
        else:
            status, headers = 200, {}
            answer = _ENVELOPE.format(getattr(self, _ANSWERS[operation])(body[0])).encode()
        request.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer)

    def _admits(self, request: BaseHTTPRequestHandler, root: ET.Element) -> bool:
        if not self.logins:
            return True
        header = request.headers.get("Authorization", "")
        if "digest" in self.logins and header.startswith("Digest "):
            return self._digest(parse_keqv_list(parse_http_list(header[7:])))
        return "token" in self.logins and self._token(root)

    def _digest(self, given: dict[str, str]) -> bool:
        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        first = md5(f"{USER}:cam:{PASSWORD}")
        second = md5(f"POST:{given['uri']}")
        wanted = md5(f"{first}:n0nce:{given['nc']}:{given['cnonce']}:{given['qop']}:{second}")
        return given["username"] == USER and given["response"] == wanted

    def _token(self, root: ET.Element) -> bool:
        values = {local(element.tag): element.text or "" for element in root.iter()}
        if "Nonce" not in values:
            return False
        created = datetime.strptime(values["Created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        nonce = base64.b64decode(values["Nonce"])
        said = nonce + values["Created"].encode() + PASSWORD.encode()
        wanted = base64.b64encode(hashlib.sha1(said).digest()).decode()
        is_fresh = abs(created - self._now()) < timedelta(minutes=5)
        return is_fresh and values["Username"] == USER and values["Password"] == wanted

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def _clock(self, _: ET.Element) -> str:
        now = self._now()
        return (
            "<r><t:UTCDateTime xmlns:t='x'>"
            f"<t:Time><t:Hour>{now.hour}</t:Hour><t:Minute>{now.minute}</t:Minute>"
            f"<t:Second>{now.second}</t:Second></t:Time><t:Date><t:Year>{now.year}</t:Year>"
            f"<t:Month>{now.month}</t:Month><t:Day>{now.day}</t:Day></t:Date></t:UTCDateTime></r>"
        )

    def _services(self, _: ET.Element) -> str:
        space = MEDIA2 if self.media2 else MEDIA
        address = self.service.replace("device_service", "media")
        return f"<r><Service><Namespace>{space}</Namespace><XAddr>{address}</XAddr></Service></r>"

    def _capabilities(self, _: ET.Element) -> str:
        address = self.service.replace("device_service", "media")
        return f"<r><Capabilities><Media><XAddr>{address}</XAddr></Media></Capabilities></r>"

    def _who(self, _: ET.Element) -> str:
        return (
            "<r><Manufacturer>海康</Manufacturer><Model>DS-2CD3T46</Model>"
            "<FirmwareVersion>V5.7</FirmwareVersion><SerialNumber>SN1</SerialNumber></r>"
        )

    def _all_profiles(self, question: ET.Element) -> str:
        is_new = question.tag.startswith(f"{{{MEDIA2}}}")
        names = (
            ("VideoSource", "VideoEncoder")
            if is_new
            else ("VideoSourceConfiguration", "VideoEncoderConfiguration")
        )
        return "<r>" + "".join(self._profile(one, *names) for one in self.profiles) + "</r>"

    def _profile(self, one: Profile, source: str, encoder: str) -> str:
        return (
            f'<m:Profiles token="{one.token}" xmlns:m="{MEDIA}"><m:Name>n</m:Name>'
            f"<{source}><SourceToken>{one.source}</SourceToken></{source}>"
            f"<{encoder}><Encoding>{one.codec}</Encoding><Resolution><Width>{one.size[0]}</Width>"
            f"<Height>{one.size[1]}</Height></Resolution>"
            f"<RateControl><FrameRateLimit>25</FrameRateLimit></RateControl></{encoder}>"
            "</m:Profiles>"
        )

    def _uri(self, question: ET.Element) -> str:
        token = next(e.text for e in question.iter() if local(e.tag) == "ProfileToken")
        url = next(one.url for one in self.profiles if one.token == token)
        return f"<r><Uri>{escape(url)}</Uri></r>"
