"""``menshen edge discover``: lists the cameras that answer on this machine's network."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from config.discovery import (
    DiscoveryReport,
    FoundCamera,
    FoundDevice,
    main_and_sub,
    sources_of,
)
from config.errors import UserError
from config.secrets import CameraSecret, load_secrets
from edge.tools.discover import discover
from edge.tools.discovery_report import send
from edge.tools.trial import streams_of

PASSWORD_VARIABLE = "MENSHEN_CAMERA_PASSWORD"  # noqa: S105 - the name of a variable
_AT_A_TIME = 4


def discover_command(
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="How long to listen.")] = 3.0,
    interface: Annotated[
        str | None, typer.Option(help="Own IP address in the cameras' network.")
    ] = None,
    centre: Annotated[
        str | None, typer.Option(help="http(s)://host:port: tell it, for the installer's page.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="Which node this is, with --centre.")] = None,
    secrets: Annotated[Path | None, typer.Option(help="Secrets file with its token.")] = None,
    login: Annotated[
        str | None,
        typer.Option(
            help="User name at the cameras: log in and show their streams. The password is asked"
            f" for, or read from ${PASSWORD_VARIABLE}; it is never sent as it is, nor printed."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find ONVIF cameras on this network (WS-Discovery); nothing is changed on them."""
    secret = None if login is None else _secret(login)
    cameras = discover(seconds=seconds, interface=interface)
    if secret is not None and cameras:
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="discover-login") as pool:
            cameras = list(pool.map(lambda camera: streams_of(camera, secret), cameras))
    report = DiscoveryReport(cameras=tuple(cameras))
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _show(report)
    if centre is not None:
        token = load_secrets(secrets).nodes.get(node) if node is not None else None
        if node is None or token is None:
            raise UserError(
                where="--centre",
                problem="needs the name of this node and its token",
                remedy="give --node and --secrets with that node under [nodes]",
            )
        send(report, centre_url=centre, node=node, token=token)


def _secret(user: str) -> CameraSecret:
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        password = typer.prompt("Password at the cameras", hide_input=True, err=True)
    return CameraSecret(user=user, password=SecretStr(password))


def _show(report: DiscoveryReport) -> None:
    table = Table(title=f"{len(report.cameras)} cameras answered", title_justify="left")
    for column in ("address", "name", "hardware", "RTSP", "ONVIF service"):
        table.add_column(column)
    for camera in report.cameras:
        rtsp = {True: "yes", False: "no", None: "not asked"}[camera.rtsp]
        service = camera.services[0] if camera.services else ""
        table.add_row(camera.address, camera.name, camera.hardware, rtsp, service)
    console = Console(markup=False)
    console.print(table)
    asked = [camera for camera in report.cameras if camera.device is not None or camera.problem]
    if asked:
        _show_streams(console, asked)


def _show_streams(console: Console, cameras: list[FoundCamera]) -> None:
    """One line per stream, unbroken, so that an address can be copied."""
    for camera in cameras:
        device = camera.device or FoundDevice()
        console.print(f"\n{camera.address}  {device.maker} {device.model}".rstrip())
        picked = [main_and_sub(camera.streams, source) for source in sources_of(camera.streams)]
        uses = {main: "url" for main, _ in picked} | {sub: "sub_url" for _, sub in picked}
        for stream in camera.streams:
            size = f"{stream.width}x{stream.height}" if stream.width else "?"
            fps = "?" if stream.fps is None else f"{stream.fps:g} fps"
            use, codec = uses.get(stream, "-"), stream.codec
            words = f"  {use:<8}{codec:<7}{size:<11}{fps:<8}{stream.url}"
            console.print(
                words + (f"  ({stream.source})" if len(picked) > 1 else ""), soft_wrap=True
            )
        if camera.problem:
            console.print(f"  {camera.problem}", soft_wrap=True)
