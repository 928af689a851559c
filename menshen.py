"""The one command line: names every command and imports its code only when it is run."""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from config.errors import UserError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo.cli:app", "Run a small county here, from cameras to answered alerts."),
    "edge": ("edge.cli:app", "Watch cameras; probe and find them."),
    "centre": ("alerts.cli:centre", "Run the centre: ingest, alerts and the web pages."),
    "alerts": ("alerts.cli:app", "Who is told, and why: explain, try, duty, silences, wartime."),
    "audit": ("alerts.cli:audit", "Check the audit log's hash chain."),
    "models": ("models.cli:app", "List, fetch and verify model files."),
    "config": ("config.cli:app", "Check, explain and import site descriptions."),
    "simulate": ("edge.simulator.cli:app", "Serve RTSP cameras from files or rendered scenes."),
    "retention": ("alerts.retention.cli:app", "Delete what is due, hold for a case, prove it."),
    "backup": ("ingest.backup.cli:backup", "Copy the running centre's database and evidence."),
    "restore": ("ingest.backup.cli:restoring", "Fill an empty database and store from a backup."),
    "deploy": ("ingest.deploy_cli:app", "Write the broker's configuration and certificates."),
    "bench": ("tests.bench.cli:app", "Measure speed and accuracy on this machine."),
}
"""Each value is ``module:attribute`` of a typer app, and the line that ``--help`` shows."""

OF_THE_CENTRE: dict[str, str] = {"config": "alerts.config_cli:app"}
"""Further sub-commands of a command, on machines where the centre's packages are installed."""


def build(asked: str | None) -> typer.Typer:
    """The whole command line, with only the command ``asked`` for imported.

    The others are listed by name: ``menshen --help`` stays quick, and a machine without the
    centre's packages can run the edge.

    Raises:
        UserError: the package that ``asked`` needs is not installed.
    """
    root = typer.Typer(
        name="menshen",
        help="Menshen (门神): a county's video events, delivered once, to someone who answers.",
        epilog="Try: menshen demo --headless --seconds 60 --json",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_options)
    for name, (place, text) in COMMANDS.items():
        app = _whole(name, place) if name == asked else typer.Typer()
        if name != asked:
            app.callback()(lambda: None)
        root.add_typer(app, name=name, help=_own_help(app) or text)
    return root


def _own_help(app: typer.Typer) -> str | None:
    """What a command that has no sub-commands to show examples says of itself."""
    text = app.registered_callback.help if app.registered_callback is not None else None
    return text if isinstance(text, str) else None


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"menshen {version('menshen')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None: ...


def _whole(command: str, place: str) -> typer.Typer:
    """The command with what the centre adds to it, where that is installed."""
    app = _load(command, place)
    if command in OF_THE_CENTRE:
        with contextlib.suppress(UserError):
            app.add_typer(_load(command, OF_THE_CENTRE[command]))
    return app


def _load(command: str, place: str) -> typer.Typer:
    module_name, attribute = place.split(":")
    try:
        app: typer.Typer = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise _missing_package(command, error) from None
    return app


def _missing_package(command: str, error: ModuleNotFoundError) -> UserError:
    if (error.name or "").split(".")[0] == "tests":
        return UserError(
            where=f"menshen {command}",
            problem="the benchmarks are not part of an installed package",
            remedy="run it inside a checkout of the source",
        )
    extra = "edge" if command in {"edge", "models", "simulate"} else "all"
    return UserError(
        where=f"menshen {command}",
        problem=f"needs the Python package {error.name!r}, which is not installed",
        remedy=f"run: pip install 'menshen[{extra}]'",
    )


def main() -> None:
    """Run the command line; an error a person can mend is printed in words, with exit code 2."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build(asked)()
    except UserError as error:
        Console(stderr=True, highlight=False).print(
            f"[bold red]menshen:[/] {escape(str(error))}", soft_wrap=True, markup=True
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
