"""``menshen edge discover``: lists the cameras that answer on this machine's network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.discovery import DiscoveryReport
from config.errors import UserError
from config.secrets import load_secrets
from edge.tools.discover import discover
from edge.tools.discovery_report import send


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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find ONVIF cameras on this network (WS-Discovery); nothing is changed on them."""
    report = DiscoveryReport(cameras=tuple(discover(seconds=seconds, interface=interface)))
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


def _show(report: DiscoveryReport) -> None:
    table = Table(title=f"{len(report.cameras)} cameras answered", title_justify="left")
    for column in ("address", "name", "hardware", "RTSP", "ONVIF service"):
        table.add_column(column)
    for camera in report.cameras:
        rtsp = {True: "yes", False: "no", None: "not asked"}[camera.rtsp]
        service = camera.services[0] if camera.services else ""
        table.add_row(camera.address, camera.name, camera.hardware, rtsp, service)
    Console(markup=False).print(table)
