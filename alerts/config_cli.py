"""``menshen config roll-out`` and ``status``: what each node shall run, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from alerts.database import open_database
from config.clock import COUNTY_ZONE, SystemClock, local_text
from config.errors import UserError
from config.settings import load_settings
from config.site import Site, load_site
from ingest.configs import ConfigState, ConfigStore

app = typer.Typer(no_args_is_help=True)

_STATES = {
    None: "not heard of yet",
    "trying": "on trial: not confirmed yet",
    "applied": "applied",
    "refused": "refused",
    "rolled_back": "taken back by the node",
}


@app.command(
    "roll-out", epilog="Example: menshen config roll-out --site county.toml --node node-east"
)
def roll_out(
    site: Annotated[Path, typer.Option(help="Site description, TOML.")],
    node: Annotated[
        list[str] | None, typer.Option(help="Only this node; repeatable. Default: all.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(help="Also where it is wanted already: who took it back tries again."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let nodes run the cameras of a site description, as their next revision.

    The running centre (part `ingest`) publishes it within a second, signed with each node's token.
    A node that cannot run it, or loses the centre over it, goes back by itself.
    """
    known = load_site(site)
    names = _chosen(known, node or [])
    with _store() as store:
        made = {name: _want(store, known, name, again=again) for name in names}
    if as_json:
        typer.echo(json.dumps(made))
        return
    for name, revision in made.items():
        typer.echo(f"{name}: revision {revision}" if revision else f"{name}: nothing has changed")
    typer.echo("How far they are: menshen config status")


@app.command(epilog="Example: menshen config status --site county.toml")
def status(
    site: Annotated[
        Path | None, typer.Option(help="Site description; for times in its zone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what each node shall run, what it runs, and why it does not run what it shall."""
    with _store() as store:
        states = store.states()
    if as_json:
        lines = [asdict(state) for state in states]
        typer.echo(json.dumps({"nodes": lines}, ensure_ascii=False, default=str))
        return
    _show(states, ZoneInfo(load_site(site).county.zone) if site else COUNTY_ZONE)


def _chosen(site: Site, nodes: Sequence[str]) -> list[str]:
    known = [node.id for node in site.nodes]
    for name in nodes:
        if name not in known:
            raise UserError(
                where="--node",
                problem=f"there is no node {name!r}",
                remedy=f"use one of: {', '.join(known)}",
            )
    return list(nodes) or known


def _want(store: ConfigStore, site: Site, node: str, *, again: bool) -> int | None:
    """The new revision; None when the node shall run exactly this already."""
    cameras = site.cameras_of(node)
    last = next((one for one in store.wanted() if one.node == node), None)
    if last is not None and last.cameras == tuple(cameras) and not again:
        return None
    return store.want(node, cameras).revision


@contextmanager
def _store() -> Iterator[ConfigStore]:
    engine = open_database(load_settings())
    try:
        yield ConfigStore(engine, SystemClock())
    finally:
        engine.dispose()


def _show(states: Sequence[ConfigState], zone: ZoneInfo) -> None:
    table = Table(title="Configuration of the nodes", title_justify="left")
    for column in ("node", "shall run", "runs", "state", "heard at", "why"):
        table.add_column(column)
    for state in states:
        heard = state.reported_at
        table.add_row(
            state.node,
            str(state.wanted),
            "–" if state.running is None else str(state.running or "site file"),
            _STATES.get(state.state, str(state.state)),
            "–" if heard is None else local_text(heard, zone),
            state.problem,
        )
    Console().print(table)
