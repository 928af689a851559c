"""``menshen alerts silence``: add, end and list silences from the centre's own machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from alerts.commands.open_book import opened, person_of
from alerts.silences.book import SilenceBook
from alerts.silences.matching import Matchers
from alerts.store.applying import AlertStore
from config.clock import SystemClock, local_text
from config.errors import UserError
from config.event import EventKind, Severity

app = typer.Typer(no_args_is_help=True)
SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
_EXAMPLE_SITE = Path("config/example_county.toml")
OwnerOption = Annotated[str, typer.Option("--as", help="Person who answers for it.")]


@app.callback()
def _app() -> None:
    """Do not tell of planned work for a while; nothing critical and no home is ever silenced."""


@app.command(
    epilog="Example: menshen alerts silence add --as wang-fang --grid east-gate --hours 3 "
    "--reason 停电检修"
)
def add(
    owner: OwnerOption,
    reason: Annotated[str, typer.Option(help="Why; stands in every explanation.")],
    hours: Annotated[float, typer.Option(min=0.1, max=168, help="How long.")] = 2.0,
    delay_hours: Annotated[float, typer.Option(min=0, help="Begin this much later.")] = 0.0,
    grid: Annotated[list[str] | None, typer.Option(help="A grid; may be repeated.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="A camera or node.")] = None,
    kind: Annotated[list[EventKind] | None, typer.Option(help="A kind of event.")] = None,
    most: Annotated[Severity, typer.Option(help="Loudest severity hidden.")] = Severity.WARNING,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """Silence what fits every matcher given; prints the id of the silence."""
    try:
        matchers = Matchers.model_validate(
            {"cameras": camera or (), "grids": grid or (), "kinds": kind or (), "most": most}
        )
    except ValidationError as error:
        problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UserError(
            where="silence", problem=problem, remedy="give --grid, --camera or --kind"
        ) from None
    with opened(site) as (engine, county):
        clock = SystemClock()
        book = SilenceBook(engine, county, clock, store=AlertStore(engine, county, clock))
        start = clock.now() + timedelta(hours=delay_hours)
        made = book.add(
            person_of(county, owner),
            matchers,
            reason=reason,
            starts_at=start,
            ends_at=start + timedelta(hours=hours),
        )
    typer.echo(made.id)


@app.command(epilog="Example: menshen alerts silence end 019b76da-… --as wang-fang")
def end(
    silence_id: Annotated[str, typer.Argument(help="Id, as `list` prints it.")],
    owner: OwnerOption,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """End a silence now; what it hides opens."""
    with opened(site) as (engine, county):
        clock = SystemClock()
        book = SilenceBook(engine, county, clock, store=AlertStore(engine, county, clock))
        book.end(person_of(county, owner), silence_id)
    typer.echo(f"Silence {silence_id} has ended.")


@app.command("list", epilog="Example: menshen alerts silence list --site county.toml")
def list_all(site: SiteOption = _EXAMPLE_SITE) -> None:
    """Silences in force first, then planned and past ones."""
    with opened(site) as (engine, county):
        clock = SystemClock()
        book = SilenceBook(engine, county, clock, store=AlertStore(engine, county, clock))
        kept = book.kept()
    if not kept:
        typer.echo("Nothing is silenced, and nothing was.")
        return
    table = Table("id", "state", "owner", "until", "hides", "about", "reason")
    for item in kept:
        silence = item.silence
        matchers = silence.matchers
        about = ", ".join((*matchers.grids, *matchers.cameras, *matchers.kinds))
        until = local_text(silence.ends_at)
        row = (silence.id, item.state, silence.owner, until, str(item.hides), about, silence.reason)
        table.add_row(*row)
    Console(highlight=False).print(table)
