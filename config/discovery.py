"""Cameras that a node has found on its own network, on their way to the installer's page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, field_serializer, field_validator

from config.event import Frozen

DOOR_PATH = "/v1/discovery"
"""Where a node sends its report, with its token."""
REPORT_LIMIT_BYTES = 256 * 1024
TRIAL_PATH = "/v1/trials/"
"""Where a node sends what came of a trial; the trial's id follows."""
TRIAL_LIMIT_BYTES = 1024 * 1024
"""The picture of a trial."""
TRIAL_BODY_LIMIT_BYTES = TRIAL_LIMIT_BYTES * 3 // 2
"""A picture is a third longer in base64, and words come with it."""
STREAMS_MAX = 64
_Words = Annotated[str, StringConstraints(max_length=200)]
_Sentence = Annotated[str, StringConstraints(max_length=500)]
_Address = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]{2,45}$")]
_Services = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=300)], ...], Field(max_length=8)
]
_JPEG = b"\xff\xd8\xff"
_SUB_WIDTH_PX = 320
"""A narrower stream is too coarse to see motion in."""


class FoundStream(Frozen):
    """One stream that a device offers, as its ONVIF media service describes it."""

    profile: _Words
    """The device's own token."""
    source: _Words = ""
    """The lens or recorder channel that it shows, by the device's token."""
    url: Annotated[str, StringConstraints(pattern=r"^rtsps?://[^@\s]+$", max_length=500)]
    """Without credentials; its host is the address that the device was found at."""
    codec: Literal["h264", "h265", "other"] = "other"
    width: Annotated[int, Field(ge=0, le=32_768)] = 0
    height: Annotated[int, Field(ge=0, le=32_768)] = 0
    """Pixels; 0 where the device does not say."""
    fps: Annotated[float, Field(ge=0, le=1000)] | None = None


class FoundDevice(Frozen):
    """What a device says of itself."""

    maker: _Words = ""
    model: _Words = ""
    firmware: _Words = ""
    serial: _Words = ""


class FoundCamera(Frozen):
    """One device that answered; every word of it is the device's own and proves nothing."""

    address: _Address
    """IP address that the answer came from."""
    name: _Words = ""
    hardware: _Words = ""
    place: _Words = ""
    services: _Services = ()
    """Addresses of its ONVIF device service."""
    rtsp: bool | None = None
    """Whether RTSP answers on its usual port; None: not tried."""
    device: FoundDevice | None = None
    streams: tuple[FoundStream, ...] = Field(default=(), max_length=STREAMS_MAX)
    """Empty until somebody has logged in at it."""
    problem: _Sentence = ""
    """Why it did not tell its streams when it was asked, in words."""


class DiscoveryReport(Frozen):
    """What one search has found; ``problem`` in words when it could not search."""

    cameras: tuple[FoundCamera, ...] = Field(default=(), max_length=500)
    problem: _Sentence = ""


class TryCamera(Frozen):
    """Centre to node: log in at a found camera, ask for its streams and look at one picture."""

    type: Literal["try"] = "try"
    trial: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    address: _Address
    services: _Services = ()
    user: Annotated[str, StringConstraints(max_length=64)] = ""
    """Empty: the camera asks for no login."""
    password: Annotated[SecretStr, Field(max_length=128)] = SecretStr("")
    source: _Words = ""
    """Which lens or channel to look through; empty: the first."""
    picture: bool = True
    """False for a home: nobody but its people looks into it, not even to set it up."""

    @field_serializer("password", when_used="json")
    def _on_the_wire(self, password: SecretStr) -> str:
        return password.get_secret_value()


class TrialReport(Frozen):
    """What came of a trial; ``problem`` in words when not all of it worked."""

    device: FoundDevice | None = None
    streams: tuple[FoundStream, ...] = Field(default=(), max_length=STREAMS_MAX)
    clock_off_s: float | None = None
    """The camera's clock minus the node's, in seconds; None where it does not tell."""
    width: Annotated[int, Field(ge=0, le=32_768)] = 0
    height: Annotated[int, Field(ge=0, le=32_768)] = 0
    """Pixels of the picture that was really received; 0: none was."""
    picture: Annotated[bytes, Field(max_length=TRIAL_LIMIT_BYTES)] = b""
    """JPEG of at most 1280 pixels across; empty: none."""
    problem: _Sentence = ""

    @field_validator("picture")
    @classmethod
    def _is_a_jpeg(cls, picture: bytes) -> bytes:
        if picture and not picture.startswith(_JPEG):
            raise ValueError("the picture is no JPEG")
        return picture


def sources_of(streams: Iterable[FoundStream]) -> tuple[str, ...]:
    """The lenses or channels of a device, in its own order, each once."""
    return tuple(dict.fromkeys(stream.source for stream in streams))


def main_and_sub(
    streams: Iterable[FoundStream], source: str = ""
) -> tuple[FoundStream | None, FoundStream | None]:
    """The largest stream of ``source`` (empty: the first), and the smallest to watch motion in.

    Streams that are neither H.264 nor H.265 do not count.
    """
    usable = [stream for stream in streams if stream.codec != "other"]
    wanted = source or next(iter(sources_of(usable)), "")
    usable = [stream for stream in usable if stream.source == wanted]
    if not usable:
        return None, None
    main = max(usable, key=_area)
    smaller = [
        stream
        for stream in usable
        if stream.width >= _SUB_WIDTH_PX and _area(stream) < _area(main) and stream.url != main.url
    ]
    return main, min(smaller, key=_area, default=None)


def _area(stream: FoundStream) -> int:
    return stream.width * stream.height
