"""Chooses the simulated cameras that a site file asks for, and the scene of each."""

from __future__ import annotations

from urllib.parse import urlsplit

from config.errors import UserError
from config.site import Camera, LegalClass, Site
from edge.simulator.scene.spec import SceneSpec, preset

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def scenes_of(site: Site, *, hosts: frozenset[str], port: int, seed: int) -> list[SceneSpec]:
    """A scene for each camera whose address leads to this simulator.

    A home gets people at the door, a village road is seen at night, other cameras alternate
    between an entrance and an exit with a parked car.

    Args:
        hosts: names and addresses that mean this machine, beside the loopback ones.
        port: the port that the simulator listens on.

    Raises:
        UserError: no camera points here, or one does with an address that is not
            ``rtsp://HOST:PORT/CAMERA-ID/main`` (and ``/sub``).
    """
    found: list[SceneSpec] = []
    others = 0
    for camera in site.cameras:
        if not _points_here(camera.url, hosts | LOCAL_HOSTS, port):
            continue
        _check_paths(camera)
        if camera.legal_class is LegalClass.HOME:
            kind = "home"
        elif camera.legal_class is LegalClass.VILLAGE:
            kind = "village"
        else:
            kind, others = ("entrance", "exit")[others % 2], others + 1
        found.append(preset(camera.id, kind, title=camera.name, seed=seed))
    if not found:
        raise UserError(
            where=f"site {site.county.id}",
            field="cameras.url",
            problem=f"no camera's address leads to this machine's port {port}",
            remedy=f"use addresses like rtsp://127.0.0.1:{port}/CAMERA-ID/main, or give --port",
        )
    return found


def _points_here(url: str, hosts: frozenset[str], port: int) -> bool:
    try:
        parts = urlsplit(url)
        return parts.hostname in hosts and (parts.port or 554) == port
    except ValueError:
        return False


def _check_paths(camera: Camera) -> None:
    for field, url, stream in (("url", camera.url, "main"), ("sub_url", camera.sub_url, "sub")):
        if url is None:
            continue
        parts = urlsplit(url)
        if parts.scheme != "rtsp" or parts.path.strip("/") != f"{camera.id}/{stream}":
            raise UserError(
                where=f"camera {camera.id}",
                field=field,
                problem="its address is none that the simulator serves",
                remedy=f"end it with /{camera.id}/{stream} and begin it with rtsp://",
            )
