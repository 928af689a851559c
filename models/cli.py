"""``menshen models``: list, fetch and verify model files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from config.errors import UserError
from config.settings import load_settings
from models.catalogue import (
    CATALOGUE,
    WEIGHTS,
    Entry,
    State,
    Store,
    entry_named,
    load_catalogue,
    sha256_of,
)
from models.fetch import pull as fetch
from models.loading import INTEGER_TWINS, integer_is_of

app = typer.Typer(no_args_is_help=True)

Mirror = Annotated[
    Path | None,
    typer.Option(
        "--mirror",
        help="Folder that holds model files, for machines without internet.",
        envvar="MENSHEN_MODELS_MIRROR",
        file_okay=False,
        exists=True,
    ),
]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names as `models list` shows them.", metavar="[NAME]...")
]
_STYLE = {State.GOOD: "green", State.MISSING: "yellow", State.WRONG: "bold red"}


@app.command("list", epilog="Example: menshen models list --mirror /media/usb/models")
def list_models(mirror: Mirror = None) -> None:
    """Show every known model: what it is for, its licence, and whether it is here."""
    store = _store(mirror)
    table = Table(title=f"Models (folder {escape(str(store.models_dir))})", title_justify="left")
    for column in ("name", "licence", "default", "state"):
        table.add_column(column, no_wrap=column in {"name", "state"})
    table.add_column("what it is")
    for entry in load_catalogue().values():
        state, _ = store.state(entry)
        table.add_row(
            entry.name,
            f"[red]{entry.licence}[/]" if entry.research_only else entry.licence,
            "yes" if entry.default else "",
            f"[{_STYLE[state]}]{state}[/]",
            entry.title,
        )
    Console().print(table)


@app.command(
    epilog="Examples: menshen models pull | menshen models pull sface --mirror /media/usb/models"
)
def pull(names: Names = None, mirror: Mirror = None) -> None:
    """Fetch models; without names, the defaults. Resumes what broke off, checks every hash."""
    store = _store(mirror)
    console = Console()
    for entry in _chosen(names, only_defaults=True):
        if entry.bundled:
            _require_bundled(entry)
            console.print(f"{entry.name}: part of Menshen ({entry.licence})")
            continue
        if entry.research_only:
            _warn_research_only(entry)
        path = _pull_with_bar(entry, store)
        console.print(f"{entry.name}: {escape(str(path))} ({entry.licence})", soft_wrap=True)


@app.command(epilog="Example: menshen models verify yunet-n")
def verify(names: Names = None, mirror: Mirror = None) -> None:
    """Compare hashes; exit code 1 when a file is wrong, or a default or a named one is missing."""
    store = _store(mirror)
    failed = False
    console = Console()
    for entry in _chosen(names, only_defaults=False):
        state, path = store.state(entry)
        needed = bool(names) or entry.default
        failed |= state is State.WRONG or (state is State.MISSING and needed)
        place = escape(str(path)) if path else f"run: menshen models pull {entry.name}"
        console.print(f"[{_STYLE[state]}]{state:>10}[/] {entry.name}  {place}", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command(hidden=True, epilog="Example: menshen models pin")
def pin() -> None:
    """For maintainers: write the hashes and sizes of models/weights into the catalogue.

    Exit code 1 when an integer network was made from another float one than that here.
    """
    text = CATALOGUE.read_text(encoding="utf-8")
    for entry in load_catalogue().values():
        path = WEIGHTS / entry.file
        if entry.bundled and path.is_file():
            text = _pinned(text, entry.file, sha256_of(path), path.stat().st_size)
            typer.echo(f"{entry.name}: {entry.file} pinned")
    CATALOGUE.write_text(text, encoding="utf-8")
    for float_name, integer_name in INTEGER_TWINS.items():
        plain, integer = (WEIGHTS / entry_named(n).file for n in (float_name, integer_name))
        if not integer_is_of(integer, plain):
            raise UserError(
                where=str(integer),
                problem=f"was made from another {plain.name} and will not be used",
                remedy=f"run: python -m models.training.quantise {plain} {integer} --shared DIR, "
                "compare both with menshen bench plates --precision, and pin again",
            )


def _pinned(text: str, file: str, sha256: str, size: int) -> str:
    head, block, tail = text.partition(f'file = "{file}"')
    end = tail.find("[[model]]")
    body, rest = (tail, "") if end < 0 else (tail[:end], tail[end:])
    body = re.sub(r'sha256 = "[0-9a-f]*"', f'sha256 = "{sha256}"', body)
    body = re.sub(r"size_bytes = \d+", f"size_bytes = {size}", body)
    return head + block + body + rest


def _store(mirror: Path | None) -> Store:
    settings = load_settings()
    return Store(settings.models_dir, mirror or settings.models_mirror)


def _chosen(names: list[str] | None, *, only_defaults: bool) -> list[Entry]:
    if names:
        return [entry_named(name) for name in names]
    return [entry for entry in load_catalogue().values() if entry.default or not only_defaults]


def _require_bundled(entry: Entry) -> None:
    if not (WEIGHTS / entry.file).is_file():
        raise UserError(
            where=str(WEIGHTS / entry.file),
            problem="is missing from this installation",
            remedy="reinstall menshen, or restore models/weights from the repository",
        )


def _warn_research_only(entry: Entry) -> None:
    Console(stderr=True).print(
        f"[bold red]{entry.name}: {entry.licence}.[/] These weights may not be used in a running "
        "system, only compared with. Menshen never uses them unless they are asked for by name."
    )


def _pull_with_bar(entry: Entry, store: Store) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(entry.name, total=entry.size_bytes)
        return fetch(
            entry,
            models_dir=store.models_dir,
            mirror=store.mirror,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
