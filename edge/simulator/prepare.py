"""Makes cameras ready to be served: renders or converts once, and keeps the result in a cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from config.errors import UserError
from edge.simulator.loop import TICKS_PER_SECOND, EncodedLoop
from edge.simulator.scene.render import Scene
from edge.simulator.scene.spec import SceneSpec
from edge.simulator.source import CameraSource
from edge.simulator.truth import Appearance
from edge.simulator.video import (
    Encoding,
    VideoWriter,
    load_loop,
    read_pictures,
    repeat_parameter_sets,
)

Progress = Callable[[str, int, int], None]
"""Told a camera's name, how many of its pictures are done, and how many there are (0: unknown)."""
SUB_WIDTH, SUB_FPS = 640, 8.0
MAX_FILE_WIDTH = 1920
_PLATES = "../../models/plates"
_CODE = (
    "scene",
    "video.py",
    "prepare.py",
    f"{_PLATES}/render.py",
    f"{_PLATES}/grammar.py",
    f"{_PLATES}/alphabet.py",
)


def default_cache() -> Path:
    """``menshen/simulator`` in the user's cache folder (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "menshen" / "simulator"


def prepare_scenes(
    specs: Sequence[SceneSpec],
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    workers: int = 2,
) -> list[CameraSource]:
    """A camera per scene, rendered and encoded unless the cache holds it already.

    Args:
        cache: folder to keep the loops in; None is :func:`default_cache`.
        workers: scenes rendered at the same time, each on a thread.

    Raises:
        UserError: the cache folder cannot be written.
    """
    folder = cache or default_cache()
    tell = progress or (lambda _name, _done, _all: None)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return list(pool.map(lambda spec: _scene_camera(spec, folder, tell), specs))


def _scene_camera(spec: SceneSpec, cache: Path, progress: Progress) -> CameraSource:
    scene = Scene(spec)
    place = cache / _key(repr(spec))
    _once(place, lambda folder: _render(scene, folder, progress))
    progress(spec.camera, scene.pictures, scene.pictures)
    length = round(scene.seconds * TICKS_PER_SECOND)
    truth = json.loads((place / "truth.json").read_text(encoding="utf-8"))
    return CameraSource(
        spec.camera,
        _loop(place / "main.mp4", length),
        _loop(place / "sub.mp4", length),
        tuple(Appearance(**(item | {"box": tuple(item["box"])})) for item in truth),
    )


def _render(scene: Scene, folder: Path, progress: Progress) -> None:
    spec = scene.spec
    main = Encoding(spec.width, spec.height, spec.fps, spec.codec, spec.gop_s, crf=23)
    sub = Encoding(spec.sub_width, spec.sub_height, spec.sub_fps, spec.codec, spec.gop_s, crf=26)
    with (
        VideoWriter(folder / "main.mp4", main) as big,
        VideoWriter(folder / "sub.mp4", sub) as small,
    ):
        due = 0.0
        for index, picture in enumerate(scene.render()):
            big.add(picture, scene.ticks(index))
            if index / spec.fps >= due - 1e-6:
                due += 1 / spec.sub_fps
                size = (spec.sub_width, spec.sub_height)
                reduced = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                small.add(np.asarray(reduced, dtype=np.uint8), scene.ticks(index))
            if index % 8 == 0:
                progress(spec.camera, index, scene.pictures)
    truth = [asdict(item) for item in scene.truth()]
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False), encoding="utf-8")


def prepare_file(
    path: Path, name: str, *, cache: Path | None = None, progress: Progress | None = None
) -> CameraSource:
    """A camera that loops a video file.

    The main stream is the file's own H.264 or H.265 untouched, or a re-encoding of anything else.
    The sub stream is at most 640 pixels wide and has at most 8 pictures per second.

    Raises:
        UserError: the file cannot be read or decoded, is longer than ten minutes, or the cache
            folder cannot be written.
    """
    tell = progress or (lambda _name, _done, _all: None)
    main = load_loop(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    place = (cache or default_cache()) / _key(digest)
    _once(place, lambda folder: _convert(path, name, folder, main is None, tell))
    if main is None:
        main = _loop(place / "main.mp4", None)
    # The sub stream repeats with the main stream, or the two would drift apart.
    sub = _loop(place / "sub.mp4", main.length, cut=True)
    return CameraSource(name, repeat_parameter_sets(main), sub)


def _convert(path: Path, name: str, folder: Path, whole: bool, progress: Progress) -> None:
    _transcode(path, folder / "sub.mp4", width=SUB_WIDTH, fps=SUB_FPS, tell=(name, progress))
    if whole:
        _transcode(path, folder / "main.mp4", width=MAX_FILE_WIDTH, fps=25.0, tell=(name, progress))


def _transcode(
    path: Path, target: Path, *, width: int, fps: float, tell: tuple[str, Progress]
) -> None:
    writer: VideoWriter | None = None
    due, last, done = 0.0, -1, 0
    try:
        for ticks, picture in read_pictures(path, width=width):
            if ticks <= last or ticks < due - 1:
                continue
            if writer is None:
                encoding = Encoding(picture.shape[1], picture.shape[0], fps)
                writer = VideoWriter(target, encoding).__enter__()
            writer.add(picture, ticks)
            due, last, done = max(due + TICKS_PER_SECOND / fps, ticks), ticks, done + 1
            tell[1](tell[0], done, 0)
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)
    if writer is None:
        raise UserError(
            where=str(path),
            problem="not one picture of it can be decoded",
            remedy="give a video file that a player shows",
        )


def _loop(path: Path, length: int | None, *, cut: bool = False) -> EncodedLoop:
    loop = load_loop(path)
    if loop is None:
        raise UserError(
            where=str(path),
            problem="the cached video is not what was written",
            remedy="delete this folder and start again",
        )
    units = tuple(unit for unit in loop.units if not cut or length is None or unit.send < length)
    whole = loop.length if length is None else length
    return repeat_parameter_sets(
        EncodedLoop(loop.codec, loop.width, loop.height, whole, loop.parameter_sets, units)
    )


def _key(parameters: str) -> str:
    """Changes with the parameters and with every line of the code that draws and encodes."""
    digest = hashlib.sha256(parameters.encode())
    here = Path(__file__).parent
    for name in _CODE:
        place = (here / name).resolve()
        for file in [place] if place.is_file() else sorted(place.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _once(place: Path, fill: Callable[[Path], None]) -> None:
    """Fill the folder ``place`` unless it exists; a half-filled one is never seen."""
    if place.is_dir():
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    except OSError as error:
        raise UserError(
            where=str(place.parent),
            problem=f"the cache folder cannot be written ({error.strerror})",
            remedy="choose another with --cache",
        ) from None
    try:
        fill(folder)
        try:
            folder.rename(place)
        except OSError:
            # Another process was first with the same content.
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
