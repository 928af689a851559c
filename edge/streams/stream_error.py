"""Why a camera's stream is not there, in words and without its credentials."""

from __future__ import annotations

import re
from enum import StrEnum

from config.errors import UserError

_SECRET_PAIR = re.compile(r"((?:^|[?&/;])(?:user(?:name)?|pass(?:word|wd)?|pwd)=)[^&]*", re.I)


class Fault(StrEnum):
    """Why a stream is not there; decides how long to wait and which health event to send."""

    CREDENTIALS = "credentials"
    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    ENDED = "ended"
    NOT_VIDEO = "not_video"
    BROKEN = "broken"


_WORDS: dict[Fault, tuple[str, str]] = {
    Fault.CREDENTIALS: (
        "the camera refused the user name or password",
        "correct them in the secrets file or address; after 3 tries we wait 10 minutes",
    ),
    Fault.NOT_FOUND: (
        "the camera has no stream at this path",
        "check the path; the maker's manual or `menshen edge probe` tells the right one",
    ),
    Fault.UNREACHABLE: (
        "nobody answers at this address",
        "check power, network cable, IP address and port (RTSP is 554)",
    ),
    Fault.SILENT: (
        "the camera answers but sends no video",
        "check how many viewers it allows, and restart it if this goes on",
    ),
    Fault.ENDED: ("the camera ended the stream", "nothing: it is opened again by itself"),
    Fault.NOT_VIDEO: (
        "there is no H.264 or H.265 video in this stream",
        "set the camera's video encoding to H.264 (or H.265)",
    ),
    Fault.BROKEN: (
        "the stream cannot be understood",
        "check that the address is an RTSP address, and restart the camera",
    ),
}


class StreamError(UserError):
    """A stream could not be opened or went away; ``fault`` says why. Holds no credentials."""

    def __init__(self, *, camera: str, url: str, fault: Fault) -> None:
        problem, remedy = _WORDS[fault]
        super().__init__(
            where=f"camera {camera} ({public_url(url)})", problem=problem, remedy=remedy
        )
        self.fault = fault


def public_url(url: str) -> str:
    """``url`` without user, password and query secrets, fit for a log or a person's eyes.

    Everything up to the last ``@`` goes, since passwords with an unescaped ``/`` or ``@`` are
    common; so do ``user=…&password=…`` pairs, which some cameras put into the path.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    rest = rest.rpartition("@")[2]
    hidden = _SECRET_PAIR.sub(r"\1***", rest)
    return f"{scheme}{separator}{hidden}"
