"""Cameras that a node has found on its own network, on their way to the installer's page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from config.event import Frozen

DOOR_PATH = "/v1/discovery"
"""Where a node sends its report, with its token."""
REPORT_LIMIT_BYTES = 256 * 1024
_Words = Annotated[str, StringConstraints(max_length=200)]


class FoundCamera(Frozen):
    """One device that answered; every word of it is the device's own and proves nothing."""

    address: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]{2,45}$")]
    """IP address that the answer came from."""
    name: _Words = ""
    hardware: _Words = ""
    place: _Words = ""
    services: tuple[Annotated[str, StringConstraints(max_length=300)], ...] = Field(
        default=(), max_length=8
    )
    """Addresses of its ONVIF device service."""
    rtsp: bool | None = None
    """Whether RTSP answers on its usual port; None: not tried."""


class DiscoveryReport(Frozen):
    """What one search has found; ``problem`` in words when it could not search."""

    cameras: tuple[FoundCamera, ...] = Field(default=(), max_length=500)
    problem: Annotated[str, StringConstraints(max_length=500)] = ""
