"""``menshen bench faces``: average precision and speed of a face detector on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from models.catalogue import Store, entry_named
from models.faces import FaceDetector
from models.loading import FACE_DETECTOR, checked_file
from models.session import open_session
from models.types import Image
from tests.bench.face_data import FacePicture, Geometry, read_faces, with_geometry
from tests.bench.places import MirrorOption, model_store
from tests.bench.report import JsonFlag, finish, one_thread, share, show
from tests.bench.stopwatch import TimedSession, clocked, timed
from tests.bench.wider import LEVELS, Picture, average_precision

LOWEST_SCORE: Final = 0.02
"""Average precision needs the unsure answers too."""
OVERLAP: Final = 0.45
_Answer = tuple[NDArray[np.float64], NDArray[np.float64]]
_Locate = Callable[[Image], _Answer]


def bench(
    data: Annotated[Path, typer.Option(help="Folder with pictures and labels.jsonl.")],
    model: Annotated[str, typer.Option(help="A face detector of the catalogue.")] = FACE_DETECTOR,
    width: Annotated[int, typer.Option(min=64, max=4096, help="Pictures are made so wide.")] = 640,
    geometry: Annotated[
        Geometry,
        typer.Option(help="Whether labels lie on the pictures as given, or squashing is undone."),
    ] = Geometry.AUTO,
    mirror: MirrorOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Average precision (WIDER FACE rules) beside OpenCV's own detector on the same weights."""
    one_thread()
    store = model_store(mirror)
    entry = entry_named(model)
    path = checked_file(store, model)
    session, watch = timed(open_session(path, sha256=entry.sha256))
    family = entry.family or "yunet"

    def detector(threshold: float) -> FaceDetector:
        return FaceDetector(
            session, family=family, long_side=4096, threshold=threshold, overlap=OVERLAP
        )

    usual = entry.threshold or 0.6
    unsure, sure = detector(LOWEST_SCORE), detector(usual)
    given = read_faces(data)
    judge = _judge(store, unsure)
    pictures, restored = with_geometry(given, geometry, lambda image: _sure(judge, image))
    wide = [_to_width(picture, width) for picture in pictures]
    ours = _measure(wide, lambda image: _ours(unsure, image))
    ours["ms"], inside = _speed(wide, lambda image: _ours(sure, image), watch)
    rows = [_row(f"{model} (Menshen)", ours)]
    if family == "yunet":
        theirs = _measure(wide, _opencv(path, LOWEST_SCORE))
        theirs["ms"], _ = _speed(wide, _opencv(path, usual))
        rows.append(_row(f"{model} (cv2.FaceDetectorYN)", theirs))
    show(
        f"Faces: {len(wide)} pictures, {width} wide, one thread, timed at score {usual}; "
        f"{inside:.2f} ms of ours inside session.run",
        ("detector", *LEVELS, "ms"),
        rows,
    )
    if restored:
        Console(stderr=True).print(
            "[yellow]The labels of this set were drawn on pictures that were squashed to a square "
            "afterwards; each picture was stretched back to the height at which its labels meet "
            f"the faces that {FACE_DETECTOR} finds. All detectors profit from that alike. "
            "--geometry given turns it off."
        )
    finish({**ours, "n": len(wide)}, as_json=as_json)


def _judge(store: Store, other: FaceDetector) -> FaceDetector:
    """Who finds the faces by which squashed pictures are stretched back: the same for all."""
    entry = entry_named(FACE_DETECTOR)
    path = store.find(entry)
    if path is None:
        return other
    return FaceDetector(
        open_session(path, sha256=entry.sha256),
        long_side=4096,
        threshold=LOWEST_SCORE,
        overlap=OVERLAP,
    )


def _measure(pictures: list[FacePicture], locate: _Locate) -> dict[str, float]:
    results = [
        Picture(picture.boxes, picture.levels, *locate(picture.image)) for picture in pictures
    ]
    return {level: round(average_precision(results, level), 4) for level in LEVELS}


def _speed(
    pictures: list[FacePicture], locate: _Locate, watch: TimedSession | None = None
) -> tuple[float, float]:
    """Mean milliseconds per picture, all of it and inside session.run."""
    for picture in pictures:
        locate(picture.image)
    if watch is not None:
        watch.seconds = 0.0
    _, seconds = clocked(lambda: [locate(picture.image) for picture in pictures])
    inside = watch.seconds if watch is not None else 0.0
    count = max(len(pictures), 1)
    return round(seconds / count * 1e3, 3), inside / count * 1e3


def _ours(detector: FaceDetector, image: Image) -> _Answer:
    (found,) = detector.locate([image])
    return found.boxes.astype(np.float64), found.scores.astype(np.float64)


def _sure(detector: FaceDetector, image: Image) -> NDArray[np.float64]:
    boxes, scores = _ours(detector, image)
    return boxes[scores >= 0.5]


def _opencv(path: Path, threshold: float) -> _Locate:
    yunet = cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold, OVERLAP, 5000)

    def locate(image: Image) -> _Answer:
        yunet.setInputSize((image.shape[1], image.shape[0]))
        _, faces = yunet.detect(image)
        rows = np.zeros((0, 15)) if faces is None else np.asarray(faces, np.float64)
        return rows[:, :4], rows[:, 14]

    return locate


def _to_width(picture: FacePicture, width: int) -> FacePicture:
    height, old = picture.image.shape[:2]
    factor = width / old
    size = (width, max(2, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(picture.image, size, interpolation=method), np.uint8)
    # Labels lie in the frame whose width the pictures keep, so one factor serves both sides.
    return FacePicture(picture.name, image, picture.boxes * factor, picture.levels)


def _row(name: str, measured: dict[str, float]) -> tuple[str, ...]:
    return (name, *(share(measured[level]) for level in LEVELS), f"{measured['ms']:.2f}")
