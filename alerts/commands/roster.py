"""``menshen alerts roster``: who is on duty, its holes, import from a list, and calendar files."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alerts.commands.looking import EXAMPLE_SITE, SiteOption
from alerts.commands.roster_overrides import override
from alerts.database import open_database
from alerts.rosters.arranged import load_arrangements
from alerts.rosters.csv_import import DutyList, as_toml, read_duty
from alerts.rosters.duty import NOTHING_ARRANGED, Arrangements, gaps, turns
from alerts.rosters.ical import duty_calendar
from config.clock import SystemClock, local_text
from config.errors import UserError
from config.settings import load_settings
from config.site import Grid, Site, load_site
from ingest.engine import reading

roster = typer.Typer(no_args_is_help=True)
roster.add_typer(override, name="override")
Days = Annotated[int, typer.Option(min=1, max=400, help="How many days ahead.")]
AtOption = Annotated[datetime | None, typer.Option(help="From then on, local time.")]
LiveOption = Annotated[bool, typer.Option(help="Count in the centre's stand-ins, swaps and leave.")]


@roster.callback()
def _roster() -> None:
    """Who is on duty, when nobody is, and duty lists in and out."""


@roster.command(epilog="Example: menshen alerts roster show --grid east-gate --days 3 --live")
def show(
    site: SiteOption = EXAMPLE_SITE,
    grid: Annotated[str | None, typer.Option(help="Only this grid.")] = None,
    days: Days = 7,
    live: LiveOption = False,
    at: AtOption = None,
) -> None:
    """Print the turns of duty."""
    county = load_site(site)
    start = _start(county, at)
    arranged = _arranged(start, live=live)
    table = Table("grid", "from", "to", "first", "with")
    for one in _grids(county, grid):
        for turn in turns(county, one.id, start, start + timedelta(days=days), arranged):
            names = [county.name_of(name) for name in turn.people]
            span = [local_text(moment, county.duty.zone) for moment in (turn.start, turn.end)]
            table.add_row(one.name, *span, names[0], "、".join(names[1:]))
    Console(highlight=False).print(table)


@roster.command("gaps", epilog="Example: menshen alerts roster gaps --days 30 --live")
def show_gaps(
    site: SiteOption = EXAMPLE_SITE,
    days: Days = 7,
    live: LiveOption = False,
    at: AtOption = None,
) -> None:
    """Print when nobody is on duty; exit code 1 if that is ever so."""
    county = load_site(site)
    start = _start(county, at)
    arranged = _arranged(start, live=live)
    count = _print_gaps(county, county.grids, start, days, arranged)
    if count:
        raise typer.Exit(1)
    typer.echo(f"Somebody is on duty in every grid for {days} days.")


@roster.command(
    "import",
    epilog="Example: menshen alerts roster import 值班表.csv --site county.toml >> county.toml",
)
def import_list(
    path: Annotated[Path, typer.Argument(help="CSV list, UTF-8 or GBK (GB 18030).")],
    site: SiteOption = EXAMPLE_SITE,
    days: Days = 7,
) -> None:
    """Print a duty list as tables for the site file, and the holes it leaves on standard error.

    Columns: 网格, 日期 or 星期, 开始, 结束, 值班人; also 轮换 and 备注.
    """
    county = load_site(site)
    duty = read_duty(path, county)
    typer.echo(as_toml(duty))
    shifts = sum(len(one.shifts) for one in duty.rosters)
    typer.echo(f"{shifts} weekly shifts and {len(duty.overrides)} dated turns.", err=True)
    merged = _with(county, duty)
    named = {one.grid for one in duty.rosters} | {one.grid for one in duty.overrides}
    grids = tuple(one for one in county.grids if one.id in named)
    _print_gaps(merged, grids, SystemClock().now(), days, NOTHING_ARRANGED, is_error=True)


@roster.command(epilog="Example: menshen alerts roster ical liu-yang --days 60 --out liu-yang.ics")
def ical(
    person: Annotated[str, typer.Argument(help="Id of the person whose turns are wanted.")],
    site: SiteOption = EXAMPLE_SITE,
    days: Days = 60,
    live: LiveOption = False,
    out: Annotated[
        Path | None, typer.Option(help="File to write; standard output if none.")
    ] = None,
    at: AtOption = None,
) -> None:
    """Write a person's turns as a calendar file (iCalendar, RFC 5545)."""
    county = load_site(site)
    if county.person(person) is None:
        raise UserError(
            where="PERSON", problem=f"the site lists no {person!r}", remedy="give a person's id"
        )
    start = _start(county, at)
    arranged = _arranged(start, live=live)
    end = start + timedelta(days=days)
    data = duty_calendar(county, person, start, end, now=start, arranged=arranged)
    if out is not None:
        out.write_bytes(data)
    else:
        sys.stdout.buffer.write(data)


def _with(site: Site, duty: DutyList) -> Site:
    """The site as it would be with the list in it; a grid's weekly shifts are replaced."""
    named = {one.grid for one in duty.rosters}
    kept = tuple(one for one in site.rosters if one.grid not in named)
    overrides = (*duty.overrides, *site.overrides)
    return site.model_copy(update={"rosters": (*kept, *duty.rosters), "overrides": overrides})


def _print_gaps(
    site: Site,
    grids: tuple[Grid, ...],
    start: datetime,
    days: int,
    arranged: Arrangements,
    *,
    is_error: bool = False,
) -> int:
    count = 0
    for grid in grids:
        for begin, end in gaps(site, grid.id, start, start + timedelta(days=days), arranged):
            count += 1
            span = " to ".join(local_text(moment, site.duty.zone) for moment in (begin, end))
            typer.echo(f"{grid.name} ({grid.id}): nobody from {span}", err=is_error)
    return count


def _start(site: Site, at: datetime | None) -> datetime:
    if at is None:
        return SystemClock().now()
    return at if at.tzinfo is not None else at.replace(tzinfo=site.duty.zone)


def _arranged(now: datetime, *, live: bool) -> Arrangements:
    if not live:
        return NOTHING_ARRANGED
    engine = open_database(load_settings())
    try:
        with reading(engine) as connection:
            return load_arrangements(connection, now)
    finally:
        engine.dispose()


def _grids(site: Site, grid_id: str | None) -> tuple[Grid, ...]:
    if grid_id is None:
        return site.grids
    grid = site.grid(grid_id)
    if grid is None:
        raise UserError(
            where="--grid", problem=f"the site lists no {grid_id!r}", remedy="give a grid's id"
        )
    return (grid,)
