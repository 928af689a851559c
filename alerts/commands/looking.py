"""``menshen alerts explain``, ``try`` and ``check``: who was told, who would be, what is stuck."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from alerts.auditing.auditor import Auditor, unheard_homes
from alerts.database import open_database
from alerts.deciding.explain import Explanation, Reason, explain_event
from alerts.deciding.rehearsal import Rehearsed, rehearse, rehearse_on
from alerts.life.ladders import STEP_NAMES
from config.clock import SystemClock, local_text
from config.errors import UserError
from config.event import Event
from config.ids import uuid7
from config.secrets import Secrets, load_secrets
from config.settings import load_settings
from config.site import Site, load_site

app = typer.Typer(no_args_is_help=True)

SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
SecretsOption = Annotated[
    Path | None, typer.Option(help="Secrets file: shows by which ways each person is told.")
]
EXAMPLE_SITE = Path("config/example_county.toml")
_LIMIT_BYTES = 1_000_000


@app.callback()
def _app() -> None:
    """Look into alerts."""


@app.command(epilog="Example: menshen alerts explain 019b76da-a800-74bf-96d7-f50bb2c96ce9")
def explain(
    event_id: Annotated[str, typer.Argument(help="Id of an event.")],
    site: SiteOption = EXAMPLE_SITE,
    secrets: SecretsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what became of an event: its path, who was told, who is next, and why others are not."""
    county = load_site(site)
    engine = open_database(load_settings())
    try:
        found = explain_event(engine, county, event_id)
        ahead = rehearse_on(
            engine, county, event_id, SystemClock().now(), secrets=_secrets(secrets)
        )
    finally:
        engine.dispose()
    if as_json:
        body = found.model_dump(mode="json")
        body["ahead"] = [line.model_dump(mode="json") for line in ahead.told] if ahead else []
        typer.echo(json.dumps(body, ensure_ascii=False))
        return
    zone = ZoneInfo(county.county.zone)
    _print_found(found, zone)
    if ahead is not None:
        _print_told(ahead, "If nobody answers")


@app.command("try", epilog="Example: menshen alerts try --event car.json --at 2026-10-01T03:00")
def try_event(
    event: Annotated[
        Path, typer.Option(help="Event as JSON; ids and times that are missing are made up.")
    ],
    at: Annotated[
        datetime | None, typer.Option(help="When it comes in, local time; now if absent.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            help="Heed the centre's swaps, leave, arming, silences, quiet hours and wartime."
        ),
    ] = False,
    person: Annotated[
        str | None, typer.Option(help="Tell above all why this person is told, or is not.")
    ] = None,
    site: SiteOption = EXAMPLE_SITE,
    secrets: SecretsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rehearse an event on the site file: its path, who would be told when, and why others not.

    Nothing is sent and no centre needs to run.
    """
    county = load_site(site)
    zone = ZoneInfo(county.county.zone)
    now = at.replace(tzinfo=at.tzinfo or zone) if at is not None else SystemClock().now()
    if person is not None and county.person(person) is None:
        raise UserError(
            where="--person", problem=f"the site lists no {person!r}", remedy="give a person's id"
        )
    tried = read_event(event, now)
    engine = open_database(load_settings()) if live else None
    try:
        found = rehearse(county, tried, now, live=engine, secrets=_secrets(secrets))
    finally:
        if engine is not None:
            engine.dispose()
    if as_json:
        typer.echo(found.model_dump_json())
        return
    _print_rehearsed(found, county, zone)
    if person is not None:
        typer.echo(why(found, county, person))


@app.command(epilog="Example: menshen alerts check --site county.toml")
def check(site: SiteOption = EXAMPLE_SITE) -> None:
    """Look for open alerts without a next step, stuck work and empty duties; exit code 1 if any."""
    engine = open_database(load_settings())
    try:
        clock = SystemClock()
        found = Auditor(engine, load_site(site), clock).run()
        unheard = unheard_homes(engine, clock.now())
    finally:
        engine.dispose()
    for silence in found:
        typer.echo(f"{silence.about}: {silence.problem}")
    if unheard:
        typer.echo(
            f"{unheard} alerts of homes unanswered for an hour: only the home and the worker on "
            "duty are reminded, for the owner has agreed to nobody else being told"
        )
    if found:
        raise typer.Exit(1)
    typer.echo("No silence: every open alert has its next step.")


def _secrets(path: Path | None) -> Secrets | None:
    return load_secrets(path) if path is not None else None


def read_event(path: Path, now: datetime) -> Event:
    """An event from a JSON file; ``id``, ``visit``, ``node`` and times may be missing.

    Of a plate its ``text`` is enough.

    Raises:
        UserError: the file cannot be read, is no JSON object, or a field is wrong (named).
    """
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise UserError(
                where=str(path), problem="is larger than 1 MB", remedy="give one event as JSON"
            )
        body = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read as JSON ({type(error).__name__})",
            remedy="give a file with one event as a JSON object",
        ) from None
    if not isinstance(body, dict):
        raise UserError(
            where=str(path), problem="is no JSON object", remedy='write {"camera": …, "kind": …}'
        )
    own = uuid7(now)
    moment = now.isoformat()
    given: dict[str, Any] = {"id": own, "visit": own, "node": "rehearsal"}
    given |= {"started_at": moment, "captured_at": moment, **body}
    if isinstance(given.get("plate"), dict):
        given["plate"] = _whole_plate(given["plate"])
    try:
        return Event.model_validate_json(json.dumps(given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UserError(
            where=str(path),
            field=".".join(str(part) for part in first["loc"]) or None,
            problem=str(first["msg"]).removeprefix("Value error, "),
            remedy="correct it; docs/delivery.md explains events",
        ) from None


def _whole_plate(given: dict[str, Any]) -> dict[str, Any]:
    """A plate of which ``text`` is enough, as if it had been read beyond doubt."""
    sure: dict[str, Any] = {"raw": given.get("text"), "confidence": 1.0, "characters": []}
    return {**sure, "colour": "blue", "plate_kind": "blue", **given}


def why(found: Rehearsed, site: Site, person_id: str) -> str:
    """One sentence on why a person of the site is told, or is not."""
    person = site.person(person_id)
    name = person.name if person is not None else person_id
    told = [line for line in found.told if line.person_id == person_id]
    if told:
        return f"{name} is told: {told[0].reason_zh} / {told[0].reason_en}"
    about = [one for one in found.decisions if one.person_name == name]
    if about:
        return f"{name} is not told: {about[0].reason_zh} / {about[0].reason_en}"
    if found.explanation.alert_id is None:
        return f"{name} is not told: nobody is, for the event raises no alert"
    role = person.role if person is not None else "unknown"
    return f"{name} is not told: a {role} who stands on no step of this alert's ladder"


def _print_rehearsed(found: Rehearsed, site: Site, zone: ZoneInfo) -> None:
    console = Console(highlight=False)
    event = found.explanation
    console.print(
        f"{event.kind} at camera {event.camera}, {local_text(found.started_at, zone)}: "
        + ("alert" if event.alert_id is not None else "no alert")
        + (f", {event.severity}" if event.severity is not None else ""),
        soft_wrap=True,
    )
    if site.camera(event.camera) is None:
        console.print(
            f"The site lists no camera {event.camera!r}: its events have neither grid nor home, "
            "so they begin at the township.", soft_wrap=True,
        )  # fmt: skip
    _print_decisions(console, event.decisions, "Path and reasons", zone)
    if found.told:
        _print_told(found, "Told, if nobody answers")
    reached = {line.person_id for line in found.told}
    console.print(
        f"{len(reached - {None})} of {len(site.people)} people are told; "
        "--person ID tells why somebody is not.",
        soft_wrap=True,
    )


def _print_found(found: Explanation, zone: ZoneInfo) -> None:
    console = Console(highlight=False)
    console.print(f"Event {found.event_id}: {found.kind} at camera {found.camera}")
    console.print(f"  seen {local_text(found.captured_at, zone)}")
    console.print(f"  stored {local_text(found.received_at, zone)}")
    if found.is_waiting:
        console.print("No router has decided about it yet.")
    if found.alert_id is not None:
        console.print(f"Alert {found.alert_id} ({found.relation}): {found.state}, {found.severity}")
    if found.told:
        table = _table("Told", "step", "told", "channel", "state", "why")
        for line in found.told:
            reason = f"{line.reason_zh} / {line.reason_en}"
            table.add_row(str(line.step), line.person_name, line.channel, line.state, reason)
        console.print(table)
    _print_decisions(console, found.decisions, "Decisions", zone)
    for past in found.history:
        console.print(f"{local_text(past.at, zone)}  {past.actor}  {past.action}  {past.detail}")


def _print_decisions(
    console: Console, decisions: tuple[Reason, ...], title: str, zone: ZoneInfo
) -> None:
    if not decisions:
        return
    table = _table(title, "at", "stage", "decision", "whom", "why")
    for item in decisions:
        reason = f"{item.reason_zh} / {item.reason_en}"
        at = f"{item.at.astimezone(zone):%H:%M:%S}"
        table.add_row(at, item.stage, item.verdict, item.person_name, reason)
    console.print(table)


def _print_told(found: Rehearsed, title: str) -> None:
    """One row per moment, person and reason; the channels in their order."""
    channels: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for line in found.told:
        reason = f"{line.reason_zh} / {line.reason_en}"
        key = (line.at, line.step, line.person_name, reason)
        channels[key].append(line.channel)
    table = _table(title, "after", "step", "told", "channels", "why")
    for (at, step, name, reason), ways in channels.items():
        zh, en = STEP_NAMES[min(step, len(STEP_NAMES) - 1)]
        after = str(at - found.started_at).split(".")[0]
        table.add_row(after, f"{step} {zh} / {en}", name, ", ".join(ways), reason)
    Console(highlight=False).print(table)


def _table(title: str, *columns: str) -> Table:
    """A table that breaks long words instead of cutting them off: a reason is never lost."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
