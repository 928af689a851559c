"""``menshen retention``: what is deleted when, what is held, and the proof of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from alerts.database import open_database
from alerts.retention.desk import HoldDesk
from alerts.retention.job import RetentionJob, verify
from config.clock import Clock, SystemClock, local_text
from config.errors import UserError
from config.logs import configure_logs
from config.settings import Settings, load_settings
from config.site import LegalClass, Site, load_site
from ingest.media.opening import open_media
from ingest.retention import proof
from ingest.retention.holds import Scope
from ingest.retention.rules import erasure
from ingest.retention.swept import Swept

app = typer.Typer(no_args_is_help=True)
SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
ByOption = Annotated[str, typer.Option("--by", help="Who asks: the id of a person of the site.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in words; kept for good.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_EXAMPLE_SITE = Path("config/example_county.toml")


@dataclass(frozen=True, slots=True)
class _Centre:
    settings: Settings
    site: Site
    engine: Engine
    clock: Clock

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.county.zone)

    def job(self) -> RetentionJob:
        return RetentionJob(self.engine, self.site, self.clock, open_media(self.settings))

    def desk(self) -> HoldDesk:
        return HoldDesk(self.engine, self.site, self.clock)


@app.callback()
def _retention() -> None:
    """Delete what is due, hold what a case needs, prove both."""


@app.command(epilog="Example: menshen retention status --site county.toml")
def status(site: SiteOption = _EXAMPLE_SITE, as_json: JsonFlag = False) -> None:
    """Show what each legal class keeps, what is due, and what is held."""
    with _opened(site) as centre:
        found = centre.desk().status()
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    console, table = Console(highlight=False), Table("class", "kept at least", "at most", "cameras")
    for legal_class in LegalClass:
        bounds = centre.site.retention.of(legal_class)
        cameras = sum(camera.legal_class is legal_class for camera in centre.site.cameras)
        days = f"{bounds.min_days} d", f"{bounds.max_days} d"
        table.add_row(legal_class.value, *days, str(cameras))
    console.print(table)
    console.print(f"Events: {found.events}, of which {found.due} are due")
    console.print(f"and {found.held_beyond} are kept beyond their time by a hold.")
    console.print(f"Files: {found.files}; {found.waiting_files} are ordered to go.")
    letters = found.letters
    console.print(f"Dead letters: {letters.kept}; dropped as too many: {letters.dropped}.")
    console.print(f"Proof: {found.chain.rows} rows, end {found.chain.hash}", soft_wrap=True)


@app.command(epilog="Example: menshen retention run --site county.toml")
def run(site: SiteOption = _EXAMPLE_SITE, as_json: JsonFlag = False) -> None:
    """Delete what is due now; the centre does the same every 15 minutes."""
    with _opened(site) as centre:
        _told(centre.job().sweep(), as_json=as_json)


@app.command(
    epilog="Example: menshen retention erase --camera home-li-qiang --before 2026-11-20 "
    "--by li-qiang"
)
def erase(
    camera: Annotated[str, typer.Option(help="Whose events go.")],
    before: Annotated[str, typer.Option(help="Day (local); what was captured before it goes.")],
    by: ByOption,
    site: SiteOption = _EXAMPLE_SITE,
    as_json: JsonFlag = False,
) -> None:
    """Delete earlier than usual, but never within the minimum of the camera's legal class."""
    with _opened(site) as centre:
        known = centre.site.camera(camera)
        if known is not None:
            centre.desk().may_erase(by, known)
        moment = _day(before, "--before", centre.zone)
        rule = erasure(centre.site, camera, moment, centre.clock.now(), by)
        _told(centre.job().erase(rule, by), as_json=as_json)


@app.command(
    epilog="Example: menshen retention hold --camera east-gate-in --from 2026-11-01 "
    "--to 2026-11-03 --by police-desk --case A-2026-17 --reason theft --until 2027-02-01"
)
def hold(
    by: ByOption,
    case: Annotated[str, typer.Option(help="Case number.")],
    reason: ReasonOption,
    until: Annotated[str, typer.Option(help="Day on which it ends by itself; at most 180 days.")],
    camera: Annotated[str | None, typer.Option(help="Hold the events of this camera,")] = None,
    first: Annotated[str | None, typer.Option("--from", help="from this day on,")] = None,
    last: Annotated[str | None, typer.Option("--to", help="and before this day.")] = None,
    alert: Annotated[str | None, typer.Option(help="Or: hold the events of this alert.")] = None,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """Keep something beyond its time. It works at once; within 72 h a second person confirms."""
    with _opened(site) as centre:
        zone = centre.zone
        try:
            scope = Scope(
                camera=camera,
                first_at=_day(first, "--from", zone) if first is not None else None,
                last_at=_day(last, "--to", zone) if last is not None else None,
                alert_id=alert,
            )
        except ValueError as error:
            raise UserError(
                where="retention hold", problem=str(error), remedy="see --help for an example"
            ) from None
        ends_at = _day(until, "--until", zone)
        asked = centre.desk().ask(scope, by=by, case_number=case, reason=reason, ends_at=ends_at)
    typer.echo(f"Held as {asked.id} until {local_text(asked.ends_at)}.")
    typer.echo(f"Within 72 h somebody else: menshen retention confirm {asked.id} --by PERSON")


@app.command(epilog="Example: menshen retention confirm 019b76da-a800-74bf-… --by admin-gao")
def confirm(
    hold_id: Annotated[str, typer.Argument(help="Id of the hold.")],
    by: ByOption,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """Confirm somebody else's hold."""
    with _opened(site) as centre:
        centre.desk().confirm(hold_id, by=by)
    typer.echo("Confirmed.")


@app.command(
    epilog="Example: menshen retention release 019b76da-a800-74bf-… --by police-desk "
    '--reason "case closed"'
)
def release(
    hold_id: Annotated[str, typer.Argument(help="Id of the hold.")],
    by: ByOption,
    reason: ReasonOption,
    site: SiteOption = _EXAMPLE_SITE,
) -> None:
    """End a hold before its time; what is past its time goes at the next sweep."""
    with _opened(site) as centre:
        centre.desk().release(hold_id, by=by, reason=reason)
    typer.echo("Released.")


@app.command(epilog="Example: menshen retention holds --site county.toml")
def holds(site: SiteOption = _EXAMPLE_SITE) -> None:
    """List every hold, newest first."""
    with _opened(site) as centre:
        found, now = centre.desk().holds.all(), centre.clock.now()
    for one in found:
        what = f"alert {one.scope.alert_id}" if one.scope.alert_id else f"camera {one.scope.camera}"
        typer.echo(f"{one.id}  {one.state(now)}, case {one.case_number}, {what}")
        people = f"asked by {one.owner}, confirmed by {one.confirmed_by or 'nobody'}"
        typer.echo(f"  {people}, until {local_text(one.ends_at)}: {one.reason}")
    if not found:
        typer.echo("Nothing is held.")


@app.command("proof", epilog="Example: menshen retention proof 019b76da-a800-74bf-…")
def prove(
    name: Annotated[str, typer.Argument(help="Id of an event or alert, or sha256 of a file.")],
    site: SiteOption = _EXAMPLE_SITE,
    as_json: JsonFlag = False,
) -> None:
    """Show when and by which rule something was deleted; exit code 1 when it never was."""
    with _opened(site) as centre:
        found = proof.find(centre.engine, name)
    for row in found:
        digest = dict(row.items)[name]
        if as_json:
            told = {"seq": row.seq, "at": row.at.isoformat(), "kind": row.kind, "rule": row.rule}
            typer.echo(json.dumps({**told, "name": name, "sha256": digest, "row_hash": row.hash}))
        else:
            typer.echo(f"{row.kind} {name} was deleted on {local_text(row.at)}")
            typer.echo(f"  rule: {row.rule}\n  sha256 of its content: {digest}")
            typer.echo(f"  row {row.seq} of the chain: {row.hash}")
    if not found:
        typer.echo(f"No proof names {name}.")
        raise typer.Exit(1)


@app.command("verify", epilog="Example: menshen retention verify --checkpoint 4711:9f86d0…")
def check(
    site: SiteOption = _EXAMPLE_SITE,
    checkpoint: Annotated[
        str | None, typer.Option(help="ROWS:HASH, as `menshen retention status` once told it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Walk the chain of proof and look for all that it says is gone; exit code 1 on any doubt."""
    known = _parse_checkpoint(checkpoint) if checkpoint is not None else None
    with _opened(site) as centre:
        found = verify(centre.engine, open_media(centre.settings), known)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    elif found.problem is None:
        typer.echo(f"{found.rows} rows prove {found.items} deletions; none of it exists any more.")
        typer.echo(f"Keep elsewhere: {found.head.rows}:{found.head.hash}")
    else:
        typer.echo(f"Row {found.seq} {found.problem}.")
    if found.problem is not None:
        raise typer.Exit(1)


@contextmanager
def _opened(site: Path) -> Iterator[_Centre]:
    settings = load_settings()
    configure_logs(style=settings.log_style, level="warning")
    engine = open_database(settings)
    try:
        yield _Centre(settings, load_site(site), engine, SystemClock())
    finally:
        engine.dispose()


def _told(swept: Swept, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(swept)))
        return
    typer.echo(f"Deleted: {swept.events} events, {swept.files} files, {swept.letters} dead letters")
    typer.echo(f"and {swept.others} records and photos of alerts.")
    for name in swept.days_dropped:
        typer.echo(f"Dropped whole: {name}")


def _day(text: str, option: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError:
        raise UserError(
            where=option, problem=f"{text!r} is not a day", remedy="write it as 2026-11-20"
        ) from None


def _parse_checkpoint(text: str) -> proof.Head:
    rows, _, digest = text.strip().partition(":")
    if not rows.isdecimal() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UserError(
            where="--checkpoint",
            problem="is not ROWS:HASH",
            remedy="give a line that `menshen retention verify` printed",
        )
    return proof.Head(int(rows), digest)
