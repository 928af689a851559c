"""``menshen alerts channels``: which ways there are, and a test message over them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from alerts.channels.base import Attempt, Channel, Notification
from alerts.channels.contacts import Contacts
from alerts.channels.opening import open_channels
from alerts.channels.push import new_private_key
from alerts.database import open_database
from alerts.life.state import State
from config.clock import SystemClock
from config.errors import UserError
from config.event import EventKind, Severity
from config.ids import uuid7
from config.secrets import load_secrets
from config.settings import load_settings
from config.site import Site, load_site
from ingest.engine import reading

app = typer.Typer(no_args_is_help=True, help="Ways of telling people: list them, try them.")

SiteOption = Annotated[Path, typer.Option("--site", help="Site description, TOML.")]
SecretsOption = Annotated[
    Path, typer.Option("--secrets", help="Phones, keys and mail server; mode 600.")
]


@app.command("list", epilog="Example: menshen alerts channels list --site s.toml --secrets k.toml")
def list_ways(site: SiteOption, secrets: SecretsOption) -> None:
    """Show by which ways each person can be told, and who can be told by none but the pages."""
    described, known = load_site(site), load_secrets(secrets)
    with ExitStack() as stack:
        engine = _database(stack)
        channels = _channels(stack, engine, described, secrets)
        names = {channel.name for channel in channels} - {"webhook"}
        people = [person.id for person in described.people]
        with reading(engine) as connection:
            ways = Contacts(described, known, names).load(connection, people)
    table = Table("person", "role", "ways in order")
    for person in described.people:
        own = [name for name in ways[person.id].order if name in ways[person.id].has]
        table.add_row(person.name, str(person.role), ", ".join(own) or "pages only")
    Console(highlight=False).print(table)


@app.command(
    "test",
    epilog="Examples: menshen alerts channels test --site s.toml --secrets k.toml --person "
    "wang-fang; … --person wang-fang --channel sms; … --webhook group",
)
def try_ways(
    site: SiteOption,
    secrets: SecretsOption,
    person: Annotated[str | None, typer.Option(help="Id of whom to send it to.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Id of a webhook or group bot.")] = None,
    channel: Annotated[
        str | None, typer.Option(help="Only this way: webpush, email or a gateway's id.")
    ] = None,
    base_url: Annotated[str, typer.Option(help="Address of the pages.")] = "http://127.0.0.1:8080",
) -> None:
    """Send one message marked as a test over each way, at once; exit code 1 if any failed."""
    described = load_site(site)
    target = _target(described, person, webhook)
    with ExitStack() as stack:
        channels = _channels(stack, _database(stack), described, secrets)
        wanted = _wanted(described, channels, person=person, only=channel)
        note = _note(described, target, base_url)
        attempts = {item.name: _timed(item, note) for item in wanted}
    table = Table("channel", "answer", "why", "ms")
    for name, (attempt, took) in attempts.items():
        table.add_row(name, attempt.result, attempt.problem, f"{took * 1000:.0f}")
    Console(highlight=False).print(table)
    if any(attempt.result != "accepted" for attempt, _ in attempts.values()):
        raise typer.Exit(1)


@app.command("new-push-key", epilog="Example: menshen alerts channels new-push-key >> secrets.toml")
def new_push_key() -> None:
    """Print a fresh identity towards push services, as lines for the secrets file.

    Browsers subscribe to one key: with another they must subscribe again.
    """
    typer.echo(f'[push]\nprivate_key = "{new_private_key()}"\ncontact = "mailto:you@example.org"')


def _database(stack: ExitStack) -> Engine:
    engine = open_database(load_settings())
    stack.callback(engine.dispose)
    return engine


def _channels(stack: ExitStack, engine: Engine, site: Site, secrets: Path) -> list[Channel]:
    channels = open_channels(engine, site, load_secrets(secrets), SystemClock())
    for channel in channels:
        stack.callback(channel.close)
    return channels


def _target(site: Site, person: str | None, webhook: str | None) -> str:
    if (person is None) == (webhook is None):
        raise UserError(
            where="channels test",
            problem="needs exactly one of --person and --webhook",
            remedy="give the id of a person or of a webhook of the site file",
        )
    known = [item.id for item in (site.people if person is not None else site.webhooks)]
    target = person if person is not None else webhook
    if target is None or target not in known:
        raise UserError(
            where=f"--{'person' if person is not None else 'webhook'}",
            problem=f"there is no {target!r} in the site file",
            remedy=f"choose from: {', '.join(known[:8]) or 'none is listed'}",
        )
    return target


def _wanted(
    site: Site, channels: Sequence[Channel], *, person: str | None, only: str | None
) -> list[Channel]:
    by_name = {item.name: item for item in channels}
    names = ["webhook"] if person is None else list(site.ways(person))
    wanted = [by_name[name] for name in names if name in by_name and only in (None, name)]
    if not wanted:
        raise UserError(
            where="--channel" if only else "channels",
            problem=f"there is no way {only!r} for them" if only else "none is set up for them",
            remedy=f"choose from: {', '.join(by_name)}"
            if by_name
            else "docs/channels.md says how; until then they are told on the pages alone",
        )
    return wanted


def _note(site: Site, target: str, base_url: str) -> Notification:
    now = SystemClock().now()
    own = uuid7(now)
    return Notification(
        key=f"test:{own}:{target}",
        reference=own,
        target=target,
        alert_id=own,
        version=0,
        state=State.NEW,
        step=0,
        kind=EventKind.HEALTH,
        severity=Severity.INFO,
        title_zh="测试",
        title_en="test",
        camera="test",
        camera_name=site.county.name,
        grid=None,
        opened_at=now,
        changed_at=now,
        acked_by=None,
        link=base_url.rstrip("/") + "/",
        is_test=True,
    )


def _timed(channel: Channel, note: Notification) -> tuple[Attempt, float]:
    begun = time.monotonic()
    return channel.send(note), time.monotonic() - begun
