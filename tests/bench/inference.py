"""``menshen bench inference``: time inside and outside the network, beside other ways to run it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import skimage.data
import typer
from rich.console import Console

from config.errors import UserError
from models.catalogue import WEIGHTS, Store, entry_named
from models.core import VisionCore
from models.faces import FaceDetector
from models.insightface_pack import InsightFaceDetector
from models.letterbox import Shrinker
from models.loading import checked_file
from models.planes import PlanarFrame
from models.plates.detector import PlateDetector
from models.plates.grammar import PlateKind, PlateText, random_plate
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateReader
from models.plates.rectify import rectify
from models.plates.render import render_plate
from models.session import Session, open_session
from models.types import Image
from tests.bench.places import (
    MirrorOption,
    faster_file,
    model_store,
)
from tests.bench.plain import plain_yunet
from tests.bench.report import JsonFlag, finish, one_thread, share, show
from tests.bench.stopwatch import TimedSession, Watches, clocked, timed

FRAME: Final = (1080, 1920)
_OVERLAP: Final = 0.45


@dataclass(frozen=True)
class Line:
    """One way to run one model: milliseconds per picture, in the network and in all."""

    model: str
    way: str
    size: str
    session_ms: float | None
    total_ms: float
    outside: float | None
    """Median share of a call outside session.run; None where the way does not tell."""


@dataclass(frozen=True)
class Contender:
    """A call to be timed; ``watch`` knows the time in the network, ``pictures`` what it covers."""

    model: str
    way: str
    size: str
    call: Callable[[], object]
    watch: TimedSession | Watches | None
    pictures: int = 1


def bench(
    weights: Annotated[Path, typer.Option(help="Folder with our own plate weights.")] = WEIGHTS,
    mirror: MirrorOption = None,
    threads: Annotated[int, typer.Option(min=1, max=64)] = 1,
    repeat: Annotated[int, typer.Option(min=3, max=1000, help="Rounds; medians are shown.")] = 30,
    as_json: JsonFlag = False,
) -> None:
    """Per model and size: session time, total time and the share outside session.run.

    All contenders take turns in every round, so that a busy machine is busy for all.
    """
    one_thread()
    store, frame, console = model_store(mirror), camera_frame(), Console(stderr=True)
    contenders: list[Contender] = []
    for collect in (_faces, _research, _plates, _core):
        try:
            contenders += collect(store, weights, frame, threads)
        except UserError as error:
            console.print(f"[yellow]left out:[/] {error}", soft_wrap=True)
    if not contenders:
        raise UserError(
            where="menshen bench inference",
            problem="no model is here to measure",
            remedy="run: menshen models pull",
        )
    lines = measure(contenders, repeat)
    show(
        f"One {FRAME[1]}x{FRAME[0]} frame to detections, {threads} thread(s), medians of {repeat}",
        ("model", "way", "input", "session ms", "total ms", "outside"),
        [_row(line) for line in lines],
    )
    finish(
        {"threads": threads, "models": [asdict(line) for line in lines]},
        as_json=as_json,
    )


def measure(contenders: Sequence[Contender], repeat: int) -> list[Line]:
    """Medians over ``repeat`` rounds in which the contenders take turns.

    A turn is one untimed call and two timed ones: a worker runs its own networks call after call
    and does not find its caches emptied by sixteen others.
    """
    totals: list[list[float]] = [[] for _ in contenders]
    insides: list[list[float]] = [[] for _ in contenders]
    for _ in range(repeat):
        for index, contender in enumerate(contenders):
            contender.call()
            for _ in range(2):
                if contender.watch is not None:
                    contender.watch.seconds = 0.0
                _, seconds = clocked(contender.call)
                totals[index].append(seconds)
                insides[index].append(contender.watch.seconds if contender.watch else 0.0)
    lines = []
    for contender, total, inside in zip(contenders, totals, insides, strict=True):
        scale = 1e3 / contender.pictures
        told = contender.watch is not None
        # Per call, because a busy machine runs at two speeds and medians would mix them.
        outside = float(np.median(1 - np.array(inside) / np.array(total)))
        lines.append(
            Line(
                contender.model,
                contender.way,
                contender.size,
                round(float(np.median(inside)) * scale, 3) if told else None,
                round(float(np.median(total)) * scale, 3),
                round(outside, 4) if told else None,
            )
        )
    return lines


def camera_frame() -> Image:
    """A frame with three faces, a portrait in the public domain, and one rendered plate."""
    portrait = np.ascontiguousarray(_portrait()[:, :, ::-1])
    tile = cv2.resize(portrait, (FRAME[1] // 3, FRAME[1] // 3), interpolation=cv2.INTER_LINEAR)
    row = np.concatenate([tile] * 3, axis=1)
    frame = np.concatenate([row, row], axis=0)[: FRAME[0]]
    frame = np.ascontiguousarray(frame, np.uint8)
    plate = render_plate(PlateText(PlateKind.BLUE, "浙A12345"), height_px=60)
    frame[900 : 900 + plate.shape[0], 300 : 300 + plate.shape[1]] = plate
    return frame


def as_planes(frame: Image) -> PlanarFrame:
    """The frame as a decoder would give it: YUV 4:2:0."""
    height, width = frame.shape[:2]
    stacked = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420), np.uint8)
    colour = stacked[height:].reshape(2, height // 2, width // 2)
    return PlanarFrame(stacked[:height], colour[0], colour[1])


def _portrait() -> Image:
    picture: Any = skimage.data
    return np.asarray(picture.astronaut(), np.uint8)


def _faces(store: Store, _weights: Path, frame: Image, threads: int) -> list[Contender]:
    entry = entry_named("yunet-n")
    path, limit = checked_file(store, "yunet-n"), entry.threshold or 0.6
    contenders = []
    for side in (320, 640, 1280):
        for batch in (1, 4) if side == 640 else (1,):
            session, watch = timed(open_session(path, threads=threads))
            detector = FaceDetector(session, long_side=side, threshold=limit, batch=batch)
            contenders.append(
                Contender(
                    "yunet-n",
                    "Menshen" if batch == 1 else f"Menshen, {batch} cameras at once",
                    _input_text(side),
                    lambda d=detector, n=batch: d.locate([frame] * n),  # type: ignore[misc]
                    watch,
                    pictures=batch,
                )
            )
    planes = as_planes(frame)
    for way, take in (
        ("Menshen, from decoder planes", lambda: planes),
        ("Menshen, planes converted first", planes.bgr),
    ):
        session, watch = timed(open_session(path, threads=threads))
        detector = FaceDetector(session, threshold=limit)
        contenders.append(
            Contender(
                "yunet-n",
                way,
                _input_text(640),
                lambda d=detector, f=take: d.locate([f()]),  # type: ignore[misc]
                watch,
            )
        )
    session, watch = timed(open_session(path, threads=threads))
    contenders.append(
        Contender(
            "yunet-n",
            "plain: one at a time, loops",
            _input_text(640),
            lambda: plain_yunet(session, frame, long_side=640, threshold=limit, overlap=_OVERLAP),
            watch,
        )
    )
    small = cv2.resize(frame, (640, 360))
    yunet = cv2.FaceDetectorYN.create(str(path), "", (640, 360), limit, _OVERLAP)
    contenders.append(
        Contender(
            "yunet-n",
            "cv2.FaceDetectorYN, shrunk before",
            "640x384",
            lambda: yunet.detect(small),
            None,
        )
    )
    return contenders


def _research(store: Store, _weights: Path, frame: Image, threads: int) -> list[Contender]:
    path = checked_file(store, "scrfd-500m")
    session, watch = timed(open_session(path, threads=threads))
    ours = FaceDetector(session, family="scrfd", long_side=640, threshold=0.5)
    contenders = [
        Contender(
            "scrfd-500m (research)",
            "Menshen",
            _input_text(640),
            lambda: ours.locate([frame]),
            watch,
        )
    ]
    if importlib.util.find_spec("insightface") is None:
        Console(stderr=True).print(
            "[yellow]insightface is not installed; its own call is left out[/]"
        )
        return contenders
    theirs = InsightFaceDetector.open(path, long_side=640, threads=threads)
    inner, inner_watch = timed_insightface(theirs)
    contenders.append(
        Contender(
            "scrfd-500m (research)",
            "insightface's detect",
            "640x640",
            lambda: inner.detect(frame),
            inner_watch,
        )
    )
    return contenders


def timed_insightface(detector: InsightFaceDetector) -> tuple[Any, TimedSession]:
    """The package's own model with its session timed."""
    model = detector._model

    class Watch(TimedSession):
        """onnxruntime's own call takes output names first."""

        def run(self, names: Any, feeds: Any = None) -> Any:  # type: ignore[override]
            outputs, seconds = clocked(lambda: self._session.run(names, feeds))  # type: ignore[call-arg]
            self.seconds += seconds
            return outputs

    watch = Watch(model.session)
    pool = model._current_resolution_session_pool()
    model.session = watch
    pool.session_for = lambda _size: watch
    model._session_for_input_size = lambda _size: watch
    return model, watch


def _plates(_store: Store, weights: Path, frame: Image, threads: int) -> list[Contender]:
    contenders = []
    for side in (320, 640, 1280):
        for path in (weights / "plate_detector.onnx", weights / "plate_detector_int8.onnx"):
            if not path.is_file():
                continue
            session, watch = timed(_open(path, threads))
            detector = PlateDetector(session, long_side=side)
            contenders.append(
                Contender(
                    path.stem.replace("_", "-"),
                    "Menshen",
                    _input_text(side),
                    lambda d=detector: d.detect([frame]),  # type: ignore[misc]
                    watch,
                )
            )
    strips = np.stack([_strip(seed) for seed in range(8)])
    for path in (weights / "plate_reader.onnx", weights / "plate_reader_int8.onnx"):
        if path.is_file():
            session, watch = timed(_open(path, threads))
            reader = PlateReader(session)
            contenders.append(
                Contender(
                    path.stem.replace("_", "-"),
                    "Menshen, 8 strips at once",
                    "160x48",
                    lambda r=reader: r.read_strips(strips),  # type: ignore[misc]
                    watch,
                    pictures=8,
                )
            )
    return contenders


def _strip(seed: int) -> Image:
    plate = random_plate(np.random.default_rng(seed), PlateKind.BLUE)
    image = render_plate(plate, height_px=48)
    bottom, right = image.shape[0] - 1, image.shape[1] - 1
    corners = np.array([[[0, 0], [right, 0], [right, bottom], [0, bottom]]], np.float32)
    return np.asarray(rectify(image, corners, [1])[0], np.uint8)


def _core(store: Store, weights: Path, frame: Image, threads: int) -> list[Contender]:
    """Plates and faces of one frame, as an edge worker asks for them."""
    contenders = []
    planes = as_planes(frame)
    empty = as_planes(np.asarray(cv2.GaussianBlur(frame, (0, 0), 60), np.uint8))
    ways = (
        ("Menshen, plates and faces", 1, frame),
        ("Menshen, plates and faces, 4 cameras", 4, frame),
        ("Menshen, plates and faces, from planes", 1, planes),
        ("Menshen, from planes, nothing to be seen", 1, empty),
    )
    yunet = checked_file(store, "yunet-n")
    for name, faces in (("vision core", yunet), ("vision core, one pass", None)):
        for way, cameras, picture in ways:
            core, watches = _vision(weights, faces, threads)
            contenders.append(
                Contender(
                    name,
                    way,
                    _input_text(640),
                    lambda core=core, batch=[picture] * cameras: core.analyse(batch),  # type: ignore[misc]
                    watches,
                    pictures=cameras,
                )
            )
    return contenders


def _vision(weights: Path, yunet: Path | None, threads: int) -> tuple[VisionCore, Watches]:
    """A core with YuNet, or with our own network for faces and plates at once."""
    names = "plate_detector" if yunet else "face_plate_detector", "plate_reader"
    files = [faster_file(weights / f"{name}.onnx", threads) for name in names]
    (find, a), (read, b) = (timed(_open(path, threads)) for path in files)
    face, c = timed(_open(yunet, threads)) if yunet else (find, None)
    core = VisionCore(
        plates=PlatePipeline(PlateDetector(find), PlateReader(read)),
        faces=FaceDetector(face, family="yunet" if yunet else "menshen"),
        shrinker=Shrinker(640),
    )
    return core, Watches(a, b) if c is None else Watches(a, b, c)


def _open(path: Path, threads: int) -> Session:
    return open_session(path, threads=threads)


def _input_text(side: int) -> str:
    height = -(-round(side * FRAME[0] / FRAME[1]) // 32) * 32
    return f"{side}x{height}"


def _row(line: Line) -> tuple[str, ...]:
    inside = "–" if line.session_ms is None else f"{line.session_ms:.2f}"
    return (line.model, line.way, line.size, inside, f"{line.total_ms:.2f}", share(line.outside))
