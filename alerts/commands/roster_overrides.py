"""``menshen alerts roster override``: who stands in for a grid, entered, listed and ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alerts.commands.looking import EXAMPLE_SITE, SiteOption
from alerts.commands.open_book import opened, person_of
from alerts.rosters.notes import notes_about
from alerts.rosters.overrides import DutyOverrides
from config.clock import SystemClock, local_text
from config.errors import UserError
from config.site import Site

override = typer.Typer(no_args_is_help=True)
ByOption = Annotated[str, typer.Option("--as", help="Person who enters it.")]


@override.callback()
def _override() -> None:
    """Who has a grid's duty for a while; in force at once, told to them, over by itself."""


@override.command(
    epilog="Example: menshen alerts roster override add --as wang-fang --grid east-gate "
    "--from 2026-02-16T20:00 --to 2026-02-17T08:00 --person liu-yang --reason 除夕"
)
def add(
    by: ByOption,
    grid: Annotated[str, typer.Option(help="Whose duty.")],
    start: Annotated[
        datetime, typer.Option("--from", help="From then on, local time: 2026-02-16T20:00.")
    ],
    end: Annotated[
        datetime, typer.Option("--to", help="Until then, local time: 2026-02-17T08:00.")
    ],
    person: Annotated[
        list[str], typer.Option(help="Who stands in; repeat it, who is told first comes first.")
    ],
    reason: Annotated[str, typer.Option(help="Why; stands in the audit log.")] = "",
    site: SiteOption = EXAMPLE_SITE,
) -> None:
    """Enter who stands in, and tell them; prints the id."""
    with opened(site) as (engine, county):
        made = DutyOverrides(engine, county, SystemClock()).add(
            person_of(county, by),
            grid=grid,
            start=_local(county, start),
            end=_local(county, end),
            people=person,
            reason=reason,
        )
    typer.echo(made.id)


@override.command(epilog="Example: menshen alerts roster override end 019b76da-… --as wang-fang")
def end(
    override_id: Annotated[str, typer.Argument(help="Id, as `list` prints it.")],
    by: ByOption,
    site: SiteOption = EXAMPLE_SITE,
) -> None:
    """End it now, or call off what has not begun; those who stood in are told."""
    with opened(site) as (engine, county):
        ended = DutyOverrides(engine, county, SystemClock()).end(person_of(county, by), override_id)
        names = "、".join(county.name_of(name) for name in ended.people)
    typer.echo(f"{names}: no longer on duty by override {override_id}.")


@override.command("list", epilog="Example: menshen alerts roster override list --past")
def list_all(
    past: Annotated[bool, typer.Option(help="Also those that are over.")] = False,
    grid: Annotated[str | None, typer.Option(help="Only of this grid.")] = None,
    site: SiteOption = EXAMPLE_SITE,
) -> None:
    """Stand-ins that hold or will, who was told of them, and how that went."""
    with opened(site) as (engine, county):
        if grid is not None and county.grid(grid) is None:
            raise UserError(
                where="--grid", problem=f"the site lists no {grid!r}", remedy="give a grid's id"
            )
        clock = SystemClock()
        found = DutyOverrides(engine, county, clock).find(
            is_over=past, grids=(grid,) if grid is not None else ()
        )
        told = notes_about(engine, [one.about for one in found])
    if not found:
        typer.echo("No stand-in is entered" + ("." if past else " that holds or will."))
        return
    table = Table("id", "state", "grid", "from", "to", "who, told how", "by", "reason")
    for one in found:
        newest = {note.person: note for note in reversed(told) if note.about == one.about}
        who = [
            f"{county.name_of(name)}: {_fate(newest[name].state, newest[name].channel)}"
            if name in newest
            else county.name_of(name)
            for name in one.people
        ]
        span = [local_text(moment, county.duty.zone) for moment in (one.starts_at, one.ends_at)]
        state = one.state(clock.now())
        table.add_row(
            one.id, state, one.grid, *span, "\n".join(who), county.name_of(one.made_by), one.reason
        )
    Console(highlight=False).print(table)


def _fate(state: str, channel: str | None) -> str:
    return f"{state} ({channel})" if channel is not None else state


def _local(site: Site, moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=site.duty.zone)
