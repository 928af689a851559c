"""``menshen edge``: watch one camera or a node's cameras, and probe a stream."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import cv2
import typer
from rich.console import Console
from rich.table import Table

from config.clock import SystemClock
from config.errors import UserError, told_of_disk
from config.event import Event
from config.logs import configure_logs
from config.secrets import load_secrets
from config.settings import Settings, load_settings
from config.site import FacePolicy, Gate, load_site
from edge.events.event_text import event_json, event_line
from edge.metrics import MetricsServer
from edge.node import EdgeNode, open_evidence, watched_cameras
from edge.recording.recordings_cli import recordings_command
from edge.streams.stream import public_url
from edge.tools.discover_cli import discover_command
from edge.tools.probe import probe as look_at
from edge.tools.replay import Replayed, contact_sheet, recordings, write_annotated
from edge.tools.replay import replay as replay_file
from edge.watching.camera import CameraSpec
from edge.watching.group import GroupLimits
from edge.worker import WatchedCamera, Worker
from models.core import VisionCore
from models.loading import FACE_DETECTOR, OWN_FACE_DETECTOR

app = typer.Typer(no_args_is_help=True)

_OUT = Console(highlight=False, soft_wrap=True)
_ERR = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command(
    epilog="Examples: menshen edge run --camera rtsp://user:pass@10.0.0.5/stream1 --seconds 30  ·  "
    "menshen edge run --site site.toml --node node-east --secrets secrets.toml"
)
def run(
    camera: Annotated[
        str | None, typer.Option(help="Address of one camera; needs no centre.")
    ] = None,
    sub: Annotated[str | None, typer.Option(help="Its sub-stream, to watch for motion.")] = None,
    gate: Annotated[Gate | None, typer.Option(help="When to decode; absent: chosen.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="Keep its pictures in this folder.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site description, with --node.")] = None,
    node: Annotated[str | None, typer.Option(help="Which node of the site this is.")] = None,
    secrets: Annotated[Path | None, typer.Option(help="Secrets file of the site.")] = None,
    centre: Annotated[
        str | None, typer.Option(help="http(s)://host:port that takes the pictures.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after this long.")] = None,
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for receipts when stopping.")
    ] = 10.0,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Serve Prometheus metrics here.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Events as JSON lines; the last line is the summary.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write the summary to this file.")] = None,
) -> None:
    """Watch a camera, or all cameras of a node, until Ctrl-C or --seconds; print each event."""
    settings = load_settings()
    configure_logs(style=settings.log_style, level=settings.log_level)
    show = _printer(as_json)
    if camera is not None and site is None and node is None:
        spec = _spec(camera, sub, gate)
        summary = _run_camera(spec, settings, evidence, seconds, show, metrics_port)
    elif site is not None and node is not None and camera is None:
        summary = _run_node(
            site, node, secrets, centre, settings, seconds, drain, show, metrics_port
        )
    else:
        raise UserError(
            where="menshen edge run",
            problem="needs either one camera or a site and a node",
            remedy="give --camera rtsp://… , or --site FILE --node ID",
        )
    if report is not None:
        _write(report, summary)
    _show_summary(summary, as_json)
    if summary["frames_decoded"] == 0:
        raise typer.Exit(1)


def _spec(url: str, sub: str | None, gate: Gate | None) -> CameraSpec:
    for name, address in (("--camera", url), ("--sub", sub)):
        if address is not None and not address.startswith(("rtsp://", "rtsps://")):
            raise UserError(
                where="menshen edge run",
                field=name,
                problem=f"{public_url(address)!r} is not an RTSP address",
                remedy="give it as rtsp://user:password@host:554/path",
            )
    return CameraSpec(id="camera", url=url, sub_url=sub, gate=gate)


def _run_camera(
    spec: CameraSpec,
    settings: Settings,
    folder: Path | None,
    seconds: float | None,
    show: Callable[[Event], None],
    metrics_port: int | None,
) -> dict[str, Any]:
    store = None if folder is None else open_evidence(folder, settings, SystemClock())
    with _vision(settings, faces=True) as vision:
        worker = Worker(
            node="local",
            cameras=[WatchedCamera(spec)],
            vision=vision,
            emit=show,
            evidence=store,
            clock=SystemClock(),
            limits=_limits(settings),
        )
        _stop_on_signal(worker.stop)
        with _metrics(worker.report, metrics_port):
            worker.run(seconds=seconds)
    return worker.report()


def _run_node(
    site_file: Path,
    node: str,
    secrets_file: Path | None,
    centre: str | None,
    settings: Settings,
    seconds: float | None,
    drain: float,
    show: Callable[[Event], None],
    metrics_port: int | None,
) -> dict[str, Any]:
    site, secrets = load_site(site_file), load_secrets(secrets_file)
    cameras = watched_cameras(site, node, secrets)
    faces = any(camera.face is not FacePolicy.OFF for camera in cameras)
    with _vision(settings, faces=faces) as vision:
        edge = EdgeNode(
            site=site,
            node=node,
            secrets=secrets,
            settings=settings,
            vision=vision,
            clock=SystemClock(),
            centre_url=centre,
            seen=show,
            limits=_limits(settings),
            sees_faces=faces,
            # The thresholds of who is who were measured on its landmarks and no other's.
            compares_faces=vision.face_model == FACE_DETECTOR,
        )
        _stop_on_signal(edge.stop)
        with _metrics(edge.report, metrics_port):
            return edge.run(seconds=seconds, drain_s=drain)


def _vision(settings: Settings, *, faces: bool) -> VisionCore:
    # OpenCV's own threads, one a core, cost more than they save on pictures this small.
    cv2.setNumThreads(1)
    vision = VisionCore.open(
        models_dir=settings.models_dir,
        mirror=settings.models_mirror,
        want=frozenset({"plates", "faces"} if faces else {"plates"}),
        threads=settings.inference_threads,
        providers=[name.strip() for name in settings.inference_providers.split(",")],
        long_side=settings.inference_long_side,
        tile=settings.inference_tile,
        face_model=settings.inference_face_model,
        precision=settings.inference_precision,
    )
    for missing in vision.missing:
        Console(stderr=True, highlight=False).print(
            f"[yellow]Without {missing.name}:[/] {missing.remedy}", soft_wrap=True
        )
    if vision.face_model == OWN_FACE_DETECTOR:
        Console(stderr=True, highlight=False).print(
            "[dim]Faces are found by Menshen's own detector, which needs no download. yunet-n "
            "(menshen models pull yunet-n) finds more, and only with it members of a household "
            "are recognised.[/]",
            soft_wrap=True,
        )
    return vision


@contextmanager
def _metrics(report: Callable[[], dict[str, Any]], port: int | None) -> Iterator[None]:
    if port is None:
        yield
        return
    server = MetricsServer(report, port=port)
    _ERR.print(f"Metrics at http://127.0.0.1:{server.port}/metrics")
    try:
        yield
    finally:
        server.stop()


def _limits(settings: Settings) -> GroupLimits:
    return GroupLimits(log_style=settings.log_style, log_level=settings.log_level)


def _stop_on_signal(stop: Callable[[], None]) -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


def _printer(as_json: bool) -> Callable[[Event], None]:
    def show(event: Event) -> None:
        typer.echo(event_json(event) if as_json else event_line(event))

    return show


def _write(file: Path, summary: dict[str, Any]) -> None:
    _write_bytes(file, json.dumps(summary, ensure_ascii=False, indent=2).encode())


def _write_bytes(file: Path, data: bytes) -> None:
    remedy = "give a path in a folder that can be written"
    with told_of_disk(file, problem="it cannot be written", remedy=remedy):
        file.write_bytes(data)


def _show_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    table = Table(title="Per camera", title_justify="left")
    for column in ("camera", "decoded", "analysed", "dropped", "damaged", "events"):
        table.add_column(column, justify="left" if column in {"camera", "events"} else "right")
    for name, item in summary["cameras"].items():
        events = ", ".join(f"{count} {kind}" for kind, count in item["events"].items())
        table.add_row(
            name,
            str(item["frames_decoded"]),
            str(item["frames_analysed"]),
            str(item["frames_dropped"]),
            str(item["packets_damaged"]),
            events or "none",
        )
    _OUT.print(table)


@app.command(epilog="Example: menshen edge replay recordings/ --sheet sheet.jpg --json")
def replay(
    place: Annotated[Path, typer.Argument(help="A video file, or a folder of them.")],
    sheet: Annotated[
        Path | None, typer.Option(help="Write the best shots as one JPEG here.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Folder for each recording with what was found drawn in, as MP4."),
    ] = None,
    gate: Annotated[Gate, typer.Option(help="When to decode.")] = Gate.ALWAYS,
    faces: Annotated[bool, typer.Option(help="Look for faces too.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on the last line.")
    ] = False,
) -> None:
    """Run the pipeline over recordings at full speed; the same file gives the same events."""
    settings = load_settings()
    configure_logs(style=settings.log_style, level=settings.log_level)
    if video is not None:
        remedy = "give a folder, or a path at which one can be made"
        with told_of_disk(video, problem="it cannot be made a folder", remedy=remedy):
            video.mkdir(parents=True, exist_ok=True)
    found: list[Replayed] = []
    face = FacePolicy.DETECT if faces else FacePolicy.OFF
    with _vision(settings, faces=faces) as vision:
        for file in recordings(place):
            found.append(replay_file(file, vision=vision, face=face, gate=gate))
            for event in found[-1].events if not as_json else ():
                _OUT.print(f"{file.name}  {event_line(event)}", markup=False)
            if video is not None:
                write_annotated(found[-1], video / f"{file.stem}-found.mp4")
    if sheet is not None and (picture := contact_sheet(found)) is not None:
        _write_bytes(sheet, picture)
    if as_json:
        typer.echo(json.dumps({"files": [item.as_json() for item in found]}, ensure_ascii=False))


@app.command(epilog="Example: menshen edge probe rtsp://user:pass@10.0.0.5/stream1")
def probe(
    url: Annotated[str, typer.Argument(help="rtsp://user:password@host/path")],
    seconds: Annotated[float, typer.Option(min=1, max=120, help="How long to look.")] = 12.0,
    scene_m: Annotated[
        float | None,
        typer.Option("--scene-width", min=0.1, help="Metres across, where plates are to be read."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a stream sends (codec, size, rate, key frames) and what to change on the camera."""
    found = look_at(url, seconds=seconds, scene_m=scene_m)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))
        return
    _OUT.print(public_url(url), style="bold", markup=False)
    _OUT.print(f"{found.codec} {found.profile}, {found.width}x{found.height}")
    _OUT.print(f"{found.frame_rate or '?'} pictures/s, {found.bitrate_kbit_s or '?'} kbit/s")
    _OUT.print(f"a key frame every {found.gop_s or '?'} s, B-frames: {_yes(found.reordered)}")
    _OUT.print(f"sub-stream: {found.sub_stream or 'none found; give it as sub_url'}")
    skew = found.clock_skew_s
    _OUT.print("clock: not told" if skew is None else f"clock: {skew:+.1f} s against ours")
    _OUT.print(f"plates are read where the picture shows {found.widest_for_plates_m} m or less")
    if (sizes := found.pixels) is not None:
        _OUT.print(f"expected: plate {sizes.plate_px} px wide, face {sizes.face_px} px high")
    for line in found.advice:
        _OUT.print(f"[yellow]change:[/] {line}")
    if not found.advice:
        _OUT.print("[green]nothing to change[/]")


app.command(
    "discover",
    epilog="Examples: menshen edge discover --interface 192.168.1.10 --login admin  ·  "
    "menshen edge discover --centre https://centre:8080 --node node-east --secrets secrets.toml",
)(discover_command)


app.command(
    "recordings",
    epilog="Example: menshen edge recordings --node node-east",
)(recordings_command)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
