"""``menshen alerts wartime``: ask, confirm, end and list orders from the centre's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alerts.commands.open_book import opened, person_of
from alerts.wartime.orders import WartimeOrders
from config.clock import SystemClock, local_text

app = typer.Typer(no_args_is_help=True)
SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
_EXAMPLE_SITE = Path("config/example_county.toml")
PersonOption = Annotated[str, typer.Option("--as", help="Person who does it.")]
OrderArgument = Annotated[str, typer.Argument(help="Id, as `list` prints it.")]


@app.callback()
def _app() -> None:
    """Wartime (战时): other rosters, half the time, more people; two switch it on, 72 h at most."""


@app.command(
    epilog="Example: menshen alerts wartime ask --as police-desk --township 李巷乡 --reason 汛情"
)
def ask(
    person: PersonOption,
    reason: Annotated[str, typer.Option(help="Why.")],
    township: Annotated[list[str] | None, typer.Option(help="Where; none: whole county.")] = None,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """Ask for it; nothing changes before somebody else confirms within the hour."""
    with opened(site) as (engine, county):
        orders = WartimeOrders(engine, county, SystemClock())
        asked = orders.ask(person_of(county, person), reason=reason, townships=township or ())
    typer.echo(asked.id)


@app.command(epilog="Example: menshen alerts wartime confirm 019b76da-… --as admin-gao")
def confirm(
    order_id: OrderArgument, person: PersonOption, site: SiteOption = _EXAMPLE_SITE
) -> None:
    """Switch it on for 72 hours; not by whoever asked."""
    with opened(site) as (engine, county):
        orders = WartimeOrders(engine, county, SystemClock())
        order = orders.confirm(person_of(county, person), order_id)
    typer.echo(f"Wartime holds until {local_text(order.ends_at)}.")


@app.command(epilog="Example: menshen alerts wartime end 019b76da-… --as police-desk")
def end(order_id: OrderArgument, person: PersonOption, site: SiteOption = _EXAMPLE_SITE) -> None:
    """Switch it off, or withdraw a request: one person is enough."""
    with opened(site) as (engine, county):
        WartimeOrders(engine, county, SystemClock()).end(person_of(county, person), order_id)
    typer.echo("It is over.")


@app.command("list", epilog="Example: menshen alerts wartime list --site county.toml")
def list_all(site: SiteOption = _EXAMPLE_SITE) -> None:
    """Orders and requests, newest first."""
    with opened(site) as (engine, county):
        clock = SystemClock()
        found, now = WartimeOrders(engine, county, clock).recent(), clock.now()
    if not found:
        typer.echo("Peace: nobody has ordered or asked for wartime.")
        return
    table = Table("id", "state", "where", "asked by", "confirmed by", "until", "reason")
    for order in found:
        where = "、".join(sorted(order.townships)) or "全县"
        names = (order.asked_by, order.confirmed_by or "")
        until = local_text(order.ends_at)
        table.add_row(order.id, order.state(now), where, *names, until, order.reason)
    Console(highlight=False).print(table)
