"""`menshen simulate`: RTSP cameras from a file or rendered scenes; or nodes without pictures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from config.clock import SystemClock
from config.errors import UserError
from config.logs import configure_logs
from config.site import load_site
from edge.simulator import nodes_cli
from edge.simulator.auth import Credentials
from edge.simulator.prepare import prepare_file, prepare_scenes
from edge.simulator.server import RtspServer
from edge.simulator.site_cameras import scenes_of
from edge.simulator.source import CameraSource
from edge.simulator.truth import TruthLog

app = typer.Typer(help="Serve RTSP cameras from files or rendered scenes.")
app.command("nodes", help=nodes_cli.HELP)(nodes_cli.nodes)
_console = Console(stderr=True, highlight=False)

_HELP = """Serve RTSP cameras from a video file, or rendered ones for the cameras of a site file.

Every camera has /NAME/main and /NAME/sub. Scenes are rendered once and kept in a cache.

Examples:

  menshen simulate --site config/example_county.toml --truth truth.jsonl

  menshen simulate --file clip.mp4 --name cam1 --port 9554

  MENSHEN_SIMULATOR_LOGIN=viewer:secret menshen simulate --file clip.mp4

  menshen simulate nodes --nodes 151 --cameras 2403 --rate 18    (events only, no pictures)

  ffplay -rtsp_transport tcp rtsp://127.0.0.1:8554/cam1/main
"""


@app.callback(invoke_without_command=True, help=_HELP)
def simulate(
    context: typer.Context,
    site: Annotated[
        Path | None, typer.Option(help="Site file; its cameras that point here are rendered.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Video file to loop.")] = None,
    name: Annotated[str, typer.Option(help="Name of the camera that shows --file.")] = "cam1",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free port.")] = 8554,
    truth: Annotated[
        Path | None, typer.Option(help="Append what scenes showed, as JSON lines.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scenes.")] = 1,
    login: Annotated[
        str | None,
        typer.Option(
            envvar="MENSHEN_SIMULATOR_LOGIN",
            help="user:password asked of clients; better given in the environment.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of prepared loops; default: the user's cache.")
    ] = None,
) -> None:
    """Prepare the cameras, serve them, and end on Ctrl-C or SIGTERM."""
    configure_logs()
    if context.invoked_subcommand is not None:
        return
    credentials = _credentials(login)
    sources = _sources(site, file, name, host=host, port=port, seed=seed, cache=cache)
    clock = SystemClock()
    log = None if truth is None else TruthLog(truth, clock=clock)
    with RtspServer(host, port, sources, credentials, truth=log, clock=clock) as server:
        for source in sources:
            for stream in source.streams():
                typer.echo(server.url(source.name, stream))
        _console.print("Serving; end with Ctrl-C.")
        _wait_for_the_end()


def _credentials(login: str | None) -> Credentials | None:
    if login is None:
        return None
    try:
        return Credentials.parse(login)
    except ValueError:
        raise UserError(
            where="menshen simulate",
            field="--login",
            problem="it is not user:password",
            remedy="give a user, a colon and a password",
        ) from None


def _sources(
    site: Path | None,
    file: Path | None,
    name: str,
    *,
    host: str,
    port: int,
    seed: int,
    cache: Path | None,
) -> list[CameraSource]:
    if (site is None) == (file is None):
        raise UserError(
            where="menshen simulate",
            problem="needs either --site or --file" if site is None else "got --site and --file",
            remedy="give one of them; `menshen simulate --help` has examples",
        )
    with _progress() as tell:
        if file is not None:
            return [prepare_file(file, name, cache=cache, progress=tell)]
        specs = scenes_of(load_site(site or Path()), hosts=frozenset({host}), port=port, seed=seed)
        return prepare_scenes(specs, cache=cache, progress=tell)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    lock = threading.Lock()
    with Progress(*columns, console=_console, transient=True) as bars:

        def tell(camera: str, done: int, total: int) -> None:
            with lock:
                if camera not in tasks:
                    tasks[camera] = bars.add_task(camera, total=total or None)
            bars.update(tasks[camera], completed=done)

        yield tell


def _wait_for_the_end() -> None:
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not ended.wait(1.0):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
