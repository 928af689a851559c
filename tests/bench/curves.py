"""``menshen bench curves``: plate accuracy by height in pixels, by blur and by plate type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from models.catalogue import WEIGHTS
from models.plates.detector import PlateDetector
from models.plates.grammar import RULES, PlateKind, random_plate
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateReader
from models.plates.rectify import plate_height, rectify
from models.plates.render import render_plate
from models.types import Image
from tests.bench.chart import bar_chart, line_chart
from tests.bench.places import detector_file, reader_file
from tests.bench.plate_data import PlateLabel, PlateScene, scenes
from tests.bench.plate_score import match_plates
from tests.bench.plates import Weights
from tests.bench.report import JsonFlag, finish, one_thread, share, show

HEIGHTS: Final = (8, 10, 12, 14, 16, 20, 24, 32, 40)
BLURS: Final = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.14)
"""Standard deviation of the blur as a share of the plate's height."""
SMEARS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
"""Length of the motion blur as a share of the plate's height."""
BLUR_HEIGHT: Final = 32
TYPE_HEIGHT: Final = 24
PER_TYPE: Final = 100


def bench(
    data: Annotated[Path, typer.Option(help="Scenes with ordered, exact corners.")],
    weights: Weights = WEIGHTS,
    out: Annotated[Path | None, typer.Option(help="Folder to write the curves to, SVG.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Scenes used at most.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Scale, blur and smear real scenes until plates cannot be read; render every plate type."""
    one_thread()
    pipeline = PlatePipeline(
        PlateDetector.open(detector_file(weights), long_side=1280),
        PlateReader.open(reader_file(weights)),
    )
    pictures = [scene for scene, _ in zip(scenes(data), range(limit), strict=False)]
    heights = [_scores(pipeline, pictures, lambda s, h=h: scaled(s, h)) for h in HEIGHTS]  # type: ignore[misc]
    blurs = [_scores(pipeline, pictures, lambda s, b=b: blurred(s, b)) for b in BLURS]  # type: ignore[misc]
    smears = [_scores(pipeline, pictures, lambda s, b=b: smeared(s, b)) for b in SMEARS]  # type: ignore[misc]
    types = by_type(pipeline.reader)
    _table("By plate height in pixels", [str(h) for h in HEIGHTS], heights)
    _table(f"By blur, plates {BLUR_HEIGHT} px high", [f"{b:.0%}" for b in BLURS], blurs)
    _table(f"By motion, plates {BLUR_HEIGHT} px high", [f"{b:.0%}" for b in SMEARS], smears)
    show(
        f"Rendered plates {TYPE_HEIGHT} px high, {PER_TYPE} of each type, true corners",
        ("type", "exact"),
        [(kind, share(value)) for kind, value in types.items()],
    )
    if out is not None:
        _draw(out, heights, blurs, smears, types)
    finish(
        {
            "height": dict(zip(map(str, HEIGHTS), heights, strict=True)),
            "blur": dict(zip(map(str, BLURS), blurs, strict=True)),
            "motion": dict(zip(map(str, SMEARS), smears, strict=True)),
            "type": types,
            "n": len(pictures),
        },
        as_json=as_json,
    )


def scaled(scene: PlateScene, height: float) -> PlateScene:
    """The scene at the size at which its first plate is ``height`` pixels high."""
    factor = height / plate_height(scene.plates[0].corners.astype(np.float32))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(scene.image, None, fx=factor, fy=factor, interpolation=method)
    labels = tuple(
        PlateLabel((label.corners + 0.5) * factor - 0.5, label.text, label.colour)
        for label in scene.plates
    )
    return PlateScene(scene.name, np.asarray(image, np.uint8), labels)


def blurred(scene: PlateScene, amount: float) -> PlateScene:
    """The scene with plates of 32 px, out of focus by ``amount`` of the plate's height."""
    small = scaled(scene, BLUR_HEIGHT)
    if amount == 0.0:
        return small
    image = cv2.GaussianBlur(small.image, (0, 0), amount * BLUR_HEIGHT)
    return PlateScene(small.name, np.asarray(image, np.uint8), small.plates)


def smeared(scene: PlateScene, amount: float) -> PlateScene:
    """The scene with plates of 32 px, moving sideways by ``amount`` of the plate's height."""
    small, length = scaled(scene, BLUR_HEIGHT), round(amount * BLUR_HEIGHT)
    if length < 2:
        return small
    image = cv2.blur(small.image, (length, 1))
    return PlateScene(small.name, np.asarray(image, np.uint8), small.plates)


def by_type(reader: PlateReader) -> dict[str, float]:
    """Exact reads of rendered plates of every type, softened as a camera would."""
    rights = {}
    for kind in PlateKind:
        random = np.random.default_rng(20)
        reads = []
        for _ in range(PER_TYPE):
            plate = random_plate(random, kind)
            rows = RULES[kind].rows
            image = _as_filmed(render_plate(plate, height_px=TYPE_HEIGHT * 4), random)
            bottom, right = image.shape[0] - 9, image.shape[1] - 9
            corners = np.array([[[8, 8], [right, 8], [right, bottom], [8, bottom]]], np.float32)
            (read,) = reader.read_strips(rectify(image, corners, [rows]), [rows])
            reads.append(read.text == plate.text)
        rights[str(kind)] = round(float(np.mean(reads)), 4)
    return rights


def _as_filmed(plate: NDArray[np.uint8], random: np.random.Generator) -> Image:
    factor = TYPE_HEIGHT / plate.shape[0]
    small = cv2.resize(plate, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=(60, 60, 60))
    soft = cv2.GaussianBlur(framed, (0, 0), 0.7)
    noisy = np.clip(soft + random.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 70])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def _scores(
    pipeline: PlatePipeline,
    pictures: Sequence[PlateScene],
    change: Callable[[PlateScene], PlateScene],
) -> dict[str, float]:
    found, end_to_end, reads = [], [], []
    for picture in pictures:
        scene = change(picture)
        matches, _ = match_plates(scene.plates, pipeline.read([scene.image])[0])
        found += [match.found is not None for match in matches]
        end_to_end += [match.exact for match in matches]
        corners = np.stack([label.corners for label in scene.plates]).astype(np.float32)
        answers = pipeline.reader.read_strips(rectify(scene.image, corners, [1] * len(corners)))
        texts = zip(answers, scene.plates, strict=True)
        reads += [read.text == label.text for read, label in texts]
    return {
        "found": round(float(np.mean(found)), 4),
        "read": round(float(np.mean(reads)), 4),
        "end_to_end": round(float(np.mean(end_to_end)), 4),
    }


def _table(title: str, names: Sequence[str], scores: Sequence[dict[str, float]]) -> None:
    rows = [(name, *(share(v) for v in s.values())) for name, s in zip(names, scores, strict=True)]
    show(title, ("", "found at IoU 0.5", "read from true corners", "end to end"), rows)


def _draw(
    out: Path,
    heights: Sequence[dict[str, float]],
    blurs: Sequence[dict[str, float]],
    smears: Sequence[dict[str, float]],
    types: dict[str, float],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, title, x_title, ticks, scores in (
        ("height", "Plates by their height", "height in pixels", map(str, HEIGHTS), heights),
        ("blur", "Out of focus", "blur σ / plate height", (f"{b:.0%}" for b in BLURS), blurs),
        ("motion", "In motion", "smear / plate height", (f"{b:.0%}" for b in SMEARS), smears),
    ):
        curves: dict[str, list[float]] = {
            label: [score[key] for score in scores]
            for label, key in (
                ("found", "found"),
                ("read, true corners", "read"),
                ("end to end", "end_to_end"),
            )
        }
        _write(out / f"plates_by_{name}.svg", line_chart(title, x_title, list(ticks), curves))
    _write(out / "plates_by_type.svg", bar_chart("Rendered plates, exact reads", types))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {path}")
