"""``menshen bench tracks``: what voting over a track gains over its single frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer

from models.catalogue import WEIGHTS
from models.plates.detector import PlateDetector
from models.plates.fuse import fuse_reads
from models.plates.grammar import RULES, PlateKind, random_plate
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateReader
from models.plates.reading import PlateRead
from models.plates.render import render_plate
from models.types import Image
from tests.bench.curves import scaled
from tests.bench.places import Precision, PrecisionOption, detector_file, reader_file
from tests.bench.plate_data import PlateLabel, PlateScene, scenes
from tests.bench.plate_score import match_plates
from tests.bench.plates import Weights
from tests.bench.report import JsonFlag, finish, one_thread, share, show

FIRST_HEIGHT: Final = 11.0
LAST_HEIGHT: Final = 20.0
"""A vehicle that drives up: plate heights in pixels of the first and the last frame."""
LONGEST_SMEAR: Final = 0.3
"""Motion blur of a frame, as a share of the plate's height, is drawn from 0 to this."""


def bench(
    data: Annotated[Path | None, typer.Option(help="Scenes with ordered, exact corners.")] = None,
    drawn: Annotated[int, typer.Option(min=1, help="Drawn scenes used without --data.")] = 120,
    frames: Annotated[int, typer.Option(min=1, max=50, help="Frames per track.")] = 7,
    weights: Weights = WEIGHTS,
    precision: PrecisionOption = Precision.INT8,
    limit: Annotated[int, typer.Option(min=1, help="Scenes used at most.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Scenes as short, shaky, smeared approaches: single reads beside the voted one."""
    one_thread()
    pipeline = PlatePipeline(
        PlateDetector.open(detector_file(weights, precision)),
        PlateReader.open(reader_file(weights, precision)),
    )
    singles, best, voted, tracks = [], [], [], 0
    pictures = scenes(data) if data is not None else map(drawn_scene, range(drawn))
    for scene, _ in zip(pictures, range(limit), strict=False):
        truth = scene.plates[0].text
        reads = _track(pipeline, scene, frames, seed=tracks)
        singles += [read is not None and read.text == truth for read in reads]
        seen = [read for read in reads if read is not None]
        surest = max(seen, key=lambda read: read.confidence, default=None)
        best.append(surest is not None and surest.text == truth)
        voted.append(bool(seen) and fuse_reads(seen).text == truth)
        tracks += 1
    result = {
        "single": round(float(np.mean(singles)), 4),
        "surest": round(float(np.mean(best)), 4),
        "voted": round(float(np.mean(voted)), 4),
        "frames": frames,
        "n": tracks,
    }
    show(
        f"{tracks} tracks of {frames} frames, plates {FIRST_HEIGHT:.0f} to {LAST_HEIGHT:.0f} px",
        ("exact", "share"),
        [
            ("a single frame (missed ones count as wrong)", share(result["single"])),
            ("the frame the reader is surest of", share(result["surest"])),
            ("all frames, voted per character", share(result["voted"])),
        ],
    )
    finish(result, as_json=as_json)


def drawn_scene(seed: int) -> PlateScene:
    """A grey road, the rear of a car and a rendered plate of any one-row kind, 60 px high."""
    random = np.random.default_rng(seed)
    kinds = [kind for kind in PlateKind if RULES[kind].rows == 1]
    plate = random_plate(random, kinds[int(random.integers(len(kinds)))])
    flat = render_plate(plate, height_px=120)
    picture = np.full((480, 640, 3), random.integers(90, 180, 3), np.uint8)
    body = [int(v) for v in random.integers(15, 230, 3)]
    cv2.rectangle(picture, (110, 60), (530, 420), body, -1)
    cv2.rectangle(picture, (150, 80), (490, 200), (35, 32, 30), -1)
    height, width = flat.shape[:2]
    half = np.array([60 * width / height, 60.0]) / 2
    quad = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + random.normal(0, 2, (4, 2))
    corners = (quad + [320, 320]).astype(np.float32)
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    place = cv2.getPerspectiveTransform(own, corners)
    size = (picture.shape[1], picture.shape[0])
    seen = cv2.warpPerspective(flat, place, size, flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), place, size)
    picture[cover > 127] = seen[cover > 127]
    label = PlateLabel(corners.astype(np.float64), plate.text, "")
    return PlateScene(f"drawn {seed}", picture, (label,))


def _track(
    pipeline: PlatePipeline, scene: PlateScene, frames: int, *, seed: int
) -> list[PlateRead | None]:
    random = np.random.default_rng(seed)
    return [
        _read(pipeline, film(scene, height, random))
        for height in np.linspace(FIRST_HEIGHT, LAST_HEIGHT, frames)
    ]


def film(scene: PlateScene, height: float, random: np.random.Generator) -> PlateScene:
    """One frame of an approach: scaled, shifted by parts of a pixel, smeared, noisy, JPEG."""
    small = scaled(scene, height * random.uniform(0.97, 1.03))
    shift = random.uniform(-2, 2, 2)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = (small.image.shape[1], small.image.shape[0])
    image = cv2.warpAffine(small.image, move, size, borderMode=cv2.BORDER_REPLICATE)
    length = round(random.uniform(0, LONGEST_SMEAR) * height)
    if length > 1:
        image = cv2.blur(image, (length, 1))
    noisy = image * random.uniform(0.6, 1.1) + random.normal(0, 5, image.shape)
    _, jpeg = cv2.imencode(
        ".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60]
    )
    decoded: Image = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    labels = tuple(
        type(label)(label.corners + shift, label.text, label.colour) for label in small.plates
    )
    return PlateScene(small.name, decoded, labels)


def _read(pipeline: PlatePipeline, frame: PlateScene) -> PlateRead | None:
    (match, *_), _ = match_plates(frame.plates, pipeline.read([frame.image])[0])
    return match.found.read if match.found is not None else None
