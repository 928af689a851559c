"""SOAP 1.2 over HTTP to a device that nobody vouches for: bounded, no redirects, digests only."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import httpx

from config.errors import UserError
from config.secrets import CameraSecret

ANSWER_LIMIT_BYTES = 1024 * 1024
"""A recorder with 64 channels answers with about 300 kB."""
EXCHANGE_S = 10.0
"""How long one answer may take to come whole."""
_WAIT_S = 5.0
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>{header}</s:Header>'
    "<s:Body>{body}</s:Body></s:Envelope>"
)
_TYPE = "application/soap+xml; charset=utf-8; action={}"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_TOKEN = (
    '<w:Security s:mustUnderstand="true" xmlns:w="' + _WSS + 'wssecurity-secext-1.0.xsd"'
    ' xmlns:u="' + _WSS + 'wssecurity-utility-1.0.xsd"><w:UsernameToken>'
    "<w:Username>{user}</w:Username>"
    '<w:Password Type="' + _WSS + 'username-token-profile-1.0#PasswordDigest">{digest}</w:Password>'
    '<w:Nonce EncodingType="' + _WSS + 'soap-message-security-1.0#Base64Binary">{nonce}</w:Nonce>'
    "<u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
)
_DENIED = ("NotAuthorized", "FailedAuthentication", "InvalidSecurity", "OperationProhibited")
"""Words of the fault codes with which devices ask for a login (ONVIF Core, 5.11.2; WSS 1.1, 12)."""


class SoapFault(StrEnum):
    """Why a device gave no answer that can be used."""

    UNREACHABLE = "unreachable"
    LOGIN = "login"
    REDIRECT = "redirect"
    NONSENSE = "nonsense"
    REFUSED = "refused"


_WORDS: dict[SoapFault, tuple[str, str]] = {
    SoapFault.UNREACHABLE: (
        "its ONVIF service does not answer in time",
        "check that ONVIF is switched on in the camera's network settings",
    ),
    SoapFault.LOGIN: (
        "the camera refused the user name or password for ONVIF",
        "give the camera's ONVIF user; many makers keep these apart from those of its web page",
    ),
    SoapFault.REDIRECT: (
        "its ONVIF service sends elsewhere, which is not followed",
        "switch HTTP on for ONVIF in the camera, or enter its stream address by hand",
    ),
    SoapFault.NONSENSE: (
        "its ONVIF service answers with something that is not understood",
        "update the camera's firmware, or enter its stream address by hand",
    ),
    SoapFault.REFUSED: (
        "its ONVIF service refuses the question",
        "allow this user to read media settings, or enter the stream address by hand",
    ),
}


class SoapError(UserError):
    """A device did not answer as asked; ``fault`` says why. Holds no word of the device's."""

    def __init__(self, address: str, fault: SoapFault) -> None:
        problem, remedy = _WORDS[fault]
        super().__init__(where=f"device {address}", problem=problem, remedy=remedy)
        self.fault = fault


def parse_xml(data: bytes) -> ET.Element:
    """The root of a document that may be hostile.

    Read as UTF-8 whatever it claims, so that a document type cannot hide in another encoding; a
    document type is refused before parsing, and with it every entity of its own.

    Raises:
        ValueError: it is not XML, or has a document type.
    """
    text = data.decode("utf-8", "replace").encode()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("a document type is not accepted")
    try:
        # Types are refused above, and expat bounds what is left.
        return ET.fromstring(text, ET.XMLParser(encoding="utf-8"))  # noqa: S314
    except (ET.ParseError, LookupError) as error:
        raise ValueError("not XML") from error


def local(tag: object) -> str:
    """An element's name without its namespace; devices differ in these by version."""
    return str(tag).rpartition("}")[2]


class SoapClient:
    """Asks one device; remembers how it wants to be logged in at. Not thread-safe.

    A question is first asked without a login. Only when the device wants one is the password
    used, and then at most once in each of two ways, since cameras lock accounts: HTTP digest
    (RFC 7616), and the user name token of WS-Security (OASIS UsernameToken Profile 1.0, 3.1).
    Both send a digest; the password itself is never sent, so basic authentication is not spoken.

    Args:
        address: the device's IP address, for errors.
        login: None asks without.
        now: the device's time, for the token; UTC.
    """

    def __init__(
        self, address: str, login: CameraSecret | None, now: Callable[[], datetime]
    ) -> None:
        self.now = now
        self._address = address
        self._login = login
        self._untried = [] if login is None else ["digest", "token"]
        self._way = "open"
        self._digest: httpx.DigestAuth | None = None
        # A camera's certificate is its own; a digest is worth nothing to who intercepts it here
        # beyond what plain HTTP, which most cameras speak, gives away.
        self._http = httpx.Client(
            verify=False,  # noqa: S501
            timeout=_WAIT_S,
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def ask(self, url: str, *, action: str, body: str) -> ET.Element:
        """The element inside the answer's body.

        Args:
            url: of the device's service.
            action: the operation's full name, for the content type (SOAP 1.2 part 2, 6.5.3).
            body: the question as XML.

        Raises:
            SoapError: there is no such answer.
        """
        while True:
            answer, data = self._post(url, action, body)
            root = self._read(answer, data)
            if not self._wants_login(answer, root):
                return self._inside(answer, root)
            self._next_way(answer)

    def _next_way(self, answer: httpx.Response) -> None:
        offers = [text.lower() for text in answer.headers.get_list("www-authenticate")]
        is_digest = any(text.startswith("digest ") for text in offers)
        if not is_digest and "digest" in self._untried:
            self._untried.remove("digest")
        if not self._untried:
            raise SoapError(self._address, SoapFault.LOGIN)
        self._way = self._untried.pop(0)

    def _wants_login(self, answer: httpx.Response, root: ET.Element | None) -> bool:
        if answer.status_code in (401, 403):
            return True
        codes = [] if root is None else [e.text or "" for e in root.iter() if _is_code(e)]
        return any(word in code for code in codes for word in _DENIED)

    def _read(self, answer: httpx.Response, data: bytes) -> ET.Element | None:
        if answer.has_redirect_location or 300 <= answer.status_code < 400:
            raise SoapError(self._address, SoapFault.REDIRECT)
        try:
            return parse_xml(data)
        except ValueError:
            if answer.status_code == 200:
                raise SoapError(self._address, SoapFault.NONSENSE) from None
            return None

    def _inside(self, answer: httpx.Response, root: ET.Element | None) -> ET.Element:
        if answer.status_code != 200:
            raise SoapError(self._address, SoapFault.REFUSED)
        bodies = [] if root is None else [e for e in root if local(e.tag) == "Body"]
        if not bodies or len(bodies[0]) == 0:
            raise SoapError(self._address, SoapFault.NONSENSE)
        if local(bodies[0][0].tag) == "Fault":
            raise SoapError(self._address, SoapFault.REFUSED)
        return bodies[0][0]

    def _post(self, url: str, action: str, body: str) -> tuple[httpx.Response, bytes]:
        header = self._token() if self._way == "token" and self._login is not None else ""
        try:
            request = self._http.build_request(
                "POST",
                url,
                content=_ENVELOPE.format(header=header, body=body).encode(),
                headers={
                    "Content-Type": _TYPE.format(quoteattr(action)),
                    "Accept-Encoding": "identity",
                },
            )
            return self._with_digest(request)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise SoapError(self._address, SoapFault.UNREACHABLE) from None
        except (ValueError, LookupError, NotImplementedError):
            # A challenge that cannot be answered: an unknown algorithm or protection.
            raise SoapError(self._address, SoapFault.NONSENSE) from None

    def _with_digest(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """Send; httpx works out the digest, but reads no answer itself, since it sets no bound."""
        if self._way != "digest" or self._login is None:
            return self._exchange(request)
        if self._digest is None:
            password = self._login.password.get_secret_value()
            self._digest = httpx.DigestAuth(self._login.user, password)
        flow = self._digest.auth_flow(request)
        request = next(flow)
        while True:
            answer, data = self._exchange(request)
            try:
                request = flow.send(answer)
            except StopIteration:
                return answer, data

    def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        until = time.monotonic() + EXCHANGE_S
        data = bytearray()
        answer = self._http.send(request, stream=True, auth=None)
        try:
            for piece in answer.iter_raw():
                data += piece
                if len(data) > ANSWER_LIMIT_BYTES:
                    raise SoapError(self._address, SoapFault.NONSENSE)
                if time.monotonic() > until:
                    raise SoapError(self._address, SoapFault.UNREACHABLE)
        finally:
            answer.close()
        return answer, bytes(data)

    def _token(self) -> str:
        """A user name token; good once, at about this time of the device's clock."""
        assert self._login is not None
        nonce, created = os.urandom(16), self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        password = self._login.password.get_secret_value()
        # The profile prescribes SHA-1.
        digest = hashlib.sha1(nonce + created.encode() + password.encode()).digest()  # noqa: S324
        return _TOKEN.format(
            user=escape(self._login.user),
            digest=base64.b64encode(digest).decode(),
            nonce=base64.b64encode(nonce).decode(),
            created=created,
        )


def _is_code(element: ET.Element) -> bool:
    return local(element.tag) in ("Value", "faultcode")
