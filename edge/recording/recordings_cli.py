"""``menshen edge recordings``: what this node has recorded, how large it is, and from when."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from config.clock import COUNTY_ZONE
from config.errors import UserError
from config.settings import load_settings
from edge.recording.kept import Kept, kept
from edge.recording.shelf import folder_of

_DAY_S = 86_400.0


def recordings_command(
    node: Annotated[str | None, typer.Option(help="Only this node; absent: all here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List what is recorded in this machine's data folder, by node and camera."""
    root = load_settings().data_dir / "edge"
    nodes = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    if node is not None and node not in nodes:
        raise UserError(
            where="--node",
            problem=f"nothing of {node!r} lies in {root}",
            remedy="give the name of a node that ran here, or set MENSHEN_DATA_DIR",
        )
    found = {name: kept(folder_of(root / name)) for name in ([node] if node else nodes)}
    if as_json:
        typer.echo(
            json.dumps({name: [asdict(one) for one in rows] for name, rows in found.items()})
        )
        return
    _show(root, {name: rows for name, rows in found.items() if rows})


def _show(root: Path, found: dict[str, list[Kept]]) -> None:
    console = Console(markup=False, highlight=False)
    if not found:
        console.print(f"Nothing is recorded in {root}.", soft_wrap=True)
        return
    table = Table(title=f"Recorded in {root}", title_justify="left")
    for column in ("node", "camera", "from", "to", "days", "of", "files", "GB"):
        table.add_column(column, justify="right" if column in {"days", "files", "GB"} else "left")
    for name, rows in found.items():
        for one in rows:
            days = f"{(one.newest_s - one.oldest_s) / _DAY_S:.1f}"
            of = "?" if one.keep_days is None else str(one.keep_days)
            times = _moment(one.oldest_s), _moment(one.newest_s)
            size = f"{one.bytes / 1e9:.2f}"
            table.add_row(name, one.camera, *times, days, of, str(one.segments), size)
    console.print(table)
    console.print(
        "Times are China Standard Time (UTC+08:00), the begin of the first and last file."
    )


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, COUNTY_ZONE).strftime("%Y-%m-%d %H:%M")
