"""``menshen deploy``: files for the servers around the centre."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.clock import SystemClock
from config.site import load_site
from ingest.broker_setup import CENTRE, write_broker_files

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _deploy() -> None:
    """Write what other servers need."""


@app.command(
    epilog="Example: menshen deploy mosquitto --site county.toml --host broker.county.example "
    "--out /etc/menshen/broker"
)
def mosquitto(
    site: Annotated[Path, typer.Option(help="Site description, TOML.")],
    host: Annotated[
        list[str], typer.Option(help="Name or address nodes reach the broker by; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for keys, certificates, configuration.")],
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the broker.")] = 8883,
) -> None:
    """Write mosquitto.conf with TLS, a certificate per node, and per-node topic rights.

    Run it again after adding nodes: certificates that are there are kept. Give each node only
    its own .crt and .key, and ca.crt; keep ca.key away from the broker.
    """
    known = load_site(site)
    files = write_broker_files(
        out,
        county=known.county.id,
        nodes=[node.id for node in known.nodes],
        hosts=tuple(host),
        port=port,
        now=SystemClock().now(),
    )
    typer.echo(f"Start the broker with: mosquitto -c {files.configuration}")
    typer.echo(f"The centre's certificate: {files.authority.with_name(CENTRE + '.crt')}")
