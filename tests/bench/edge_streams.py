"""Makes a clip into what a 1080p camera sends: a big and a small stream, moving and still."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit, EncodedLoop
from edge.simulator.prepare import default_cache
from edge.simulator.source import CameraSource
from edge.simulator.video import load_loop, repeat_parameter_sets

Picture = NDArray[np.uint8]

GOP_S: Final = 2
PIECE_S: Final = 8
STILL_S: Final = 12
_VERSION: Final = "2"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of a camera's two streams."""

    name: str
    width: int
    height: int
    fps: int
    bit_rate: int


MAIN: Final = Kind("main", 1920, 1080, 25, 4_000_000)
SUB: Final = Kind("sub", 640, 360, 10, 512_000)


@dataclass(frozen=True, slots=True)
class Footage:
    """Encoded stretches that can be put one after another: still ones and pieces of the clip."""

    still: dict[str, EncodedLoop]
    pieces: tuple[dict[str, EncodedLoop], ...]


def footage(clip: Path, *, cache: Path | None = None, pieces: int = 4) -> Footage:
    """Encode ``clip`` (kept in the cache): its empty scene, and up to ``pieces`` of 8 s.

    Raises:
        UserError: the clip cannot be read, or is shorter than 3 s.
    """
    version = _VERSION if pieces == 4 else f"{_VERSION} {pieces}"
    digest = hashlib.sha256(_bytes(clip) + version.encode()).hexdigest()[:20]
    folder = (cache or default_cache()) / f"bench-{digest}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _encode_all(clip, folder, pieces)
        (folder / "done").touch()
    names = sorted(path.name[: -len("-main.mp4")] for path in folder.glob("piece*-main.mp4"))
    return Footage(
        still=_pair(folder, "still"), pieces=tuple(_pair(folder, name) for name in names[:pieces])
    )


def _bytes(clip: Path) -> bytes:
    try:
        return clip.read_bytes()
    except OSError as error:
        raise UserError(
            where=str(clip),
            problem=f"cannot be read ({error.strerror})",
            remedy="give a video file, such as an MP4 with H.264",
        ) from None


def _pair(folder: Path, name: str) -> dict[str, EncodedLoop]:
    pair = {}
    for kind in (MAIN, SUB):
        loop = load_loop(folder / f"{name}-{kind.name}.mp4")
        assert loop is not None
        pair[kind.name] = repeat_parameter_sets(loop)
    return pair


def camera(
    name: str, found: Footage, number: int, *, activity: float, cameras: int
) -> CameraSource:
    """A camera of a loop in which the share ``activity`` of the time shows a piece of the clip.

    Cameras show different pieces at different times, so that not all are busy at once.
    """
    if activity <= 0:
        return CameraSource(name, found.still["main"], found.still["sub"])
    piece = found.pieces[number % len(found.pieces)]
    stills, before = _stills(piece, number, activity=activity, cameras=cameras)
    order = [found.still] * before + [piece] + [found.still] * (stills - before)
    return CameraSource(name, chain(order, "main"), chain(order, "sub"))


def piece_begins_s(found: Footage, number: int, *, activity: float, cameras: int) -> float:
    """Seconds from the beginning of the loop of :func:`camera` to its piece."""
    piece = found.pieces[number % len(found.pieces)]
    return float(STILL_S * _stills(piece, number, activity=activity, cameras=cameras)[1])


def _stills(
    piece: dict[str, EncodedLoop], number: int, *, activity: float, cameras: int
) -> tuple[int, int]:
    """How many still stretches a loop has, and how many of them come before its piece."""
    stills = max(1, round(piece["main"].seconds * (1 / activity - 1) / STILL_S))
    return stills, 1 + (stills - 1) * number // max(1, cameras)


def whole(name: str, found: Footage) -> CameraSource:
    """A camera that shows all of the clip, the empty scene between its pieces."""
    order = [part for piece in found.pieces for part in (found.still, piece)] + [found.still]
    return CameraSource(name, chain(order, "main"), chain(order, "sub"))


def chain(parts: list[dict[str, EncodedLoop]], stream: str) -> EncodedLoop:
    """Stretches one after another as one loop; ``stream`` is ``main`` or ``sub``."""
    loops = [part[stream] for part in parts]
    units: list[AccessUnit] = []
    offset = 0
    for loop in loops:
        units += [
            AccessUnit(unit.send + offset, unit.show + offset, unit.nals, unit.key)
            for unit in loop.units
        ]
        offset += loop.length
    first = loops[0]
    return EncodedLoop(
        first.codec, first.width, first.height, offset, first.parameter_sets, tuple(units)
    )


def _encode_all(clip: Path, folder: Path, pieces: int) -> None:
    total = sum(1 for _ in _frames(clip, seconds=pieces * PIECE_S))
    count = total // (PIECE_S * MAIN.fps)
    if count == 0 and total >= 3 * MAIN.fps:
        count = 1
    if count == 0:
        raise UserError(
            where=str(clip),
            problem="is shorter than 3 s",
            remedy="give a longer clip; 8 s or more show whole visits",
        )
    frames = _frames(clip, seconds=pieces * PIECE_S)
    still = _empty_scene(islice(frames, 0, None, max(1, total // 31)))
    noise = _noise()
    _encode(folder / "still", repeat(still, STILL_S * MAIN.fps), noise)
    frames = _frames(clip, seconds=pieces * PIECE_S)
    for number in range(count):
        _encode(folder / f"piece{number:03}", islice(frames, PIECE_S * MAIN.fps), noise)


def _frames(clip: Path, *, seconds: float) -> Iterator[Picture]:
    """The clip's pictures at 25 a second, as they are."""
    due = 0.0
    try:
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                at = float(frame.time or 0.0)
                picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                while at >= due - 1e-6 and due < seconds:
                    yield picture
                    due += 1 / MAIN.fps
                if due >= seconds:
                    return
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(
            where=str(clip),
            problem=f"cannot be read as video ({error})",
            remedy="give a video file, such as an MP4 with H.264",
        ) from None


def _empty_scene(chosen: Iterable[Picture]) -> Picture:
    """What is in the same place in most pictures: the scene without what moves through it."""
    return np.asarray(np.median(np.stack(list(chosen)), axis=0), np.uint8)


def _noise() -> list[NDArray[np.int8]]:
    random = np.random.default_rng(1)
    shape = (MAIN.height, MAIN.width, 1)
    return [random.normal(0, 2.0, shape).astype(np.int8) for _ in range(6)]


def _encode(target: Path, frames: Iterable[Picture], noise: list[NDArray[np.int8]]) -> None:
    """Both streams of a stretch, with a sensor's noise on the big picture."""
    with (
        _Writer(target.with_name(target.name + "-main.mp4"), MAIN) as main,
        _Writer(target.with_name(target.name + "-sub.mp4"), SUB) as sub,
    ):
        due = 0.0
        for number, frame in enumerate(frames):
            big = cv2.resize(frame, (MAIN.width, MAIN.height), interpolation=cv2.INTER_LINEAR)
            grain = np.broadcast_to(noise[number % len(noise)], big.shape)
            picture = np.asarray(cv2.add(big, grain.astype(np.int16), dtype=cv2.CV_8U), np.uint8)
            main.add(picture, number / MAIN.fps)
            if number / MAIN.fps >= due - 1e-6:
                due += 1 / SUB.fps
                small = cv2.resize(picture, (SUB.width, SUB.height), interpolation=cv2.INTER_AREA)
                sub.add(np.asarray(small, np.uint8), number / MAIN.fps)


class _Writer:
    """H.264 as cameras make it: constant bit rate, no B-frames, a key frame every 2 s."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self._container = av.open(str(path), "w")
        stream: Any = self._container.add_stream("libx264", rate=kind.fps)
        stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, "yuv420p"
        stream.bit_rate = kind.bit_rate
        gop = kind.fps * GOP_S
        rate = kind.bit_rate // 1000
        stream.options = {
            "preset": "veryfast",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:threads=1"
            f":vbv-maxrate={rate}:vbv-bufsize={rate}:nal-hrd=cbr:sync-lookahead=0:rc-lookahead=10",
        }
        stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
        self._stream = stream

    def add(self, picture: Picture, at_s: float) -> None:
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        frame.pts, frame.time_base = (
            round(at_s * TICKS_PER_SECOND),
            Fraction(1, TICKS_PER_SECOND),
        )
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
