"""``menshen bench plates``: are plates found and read, on crops and in scenes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from config.errors import UserError
from models.catalogue import WEIGHTS
from models.plates.detector import PlateDetector
from models.plates.grammar import PlateKind, choose_kind
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateRead, PlateReader
from models.session import open_session
from models.tiles import TiledPlateDetector
from models.types import Image
from tests.bench.places import Precision, PrecisionOption, detector_file, reader_file
from tests.bench.plate_data import PlateScene, read_crops, scenes
from tests.bench.plate_score import Match, characters_right, corner_error, match_plates, upright
from tests.bench.report import JsonFlag, finish, one_thread, share, show
from tests.bench.stopwatch import clocked, timed

BATCH: Final = 8
"""Crops read at once, as the busiest pictures have plates."""
_HEIGHTS: Final = (12, 16, 20, 24, 32, 48, 64, 10_000)
Weights = Annotated[Path, typer.Option(help="Folder with plate_detector.onnx, plate_reader.onnx.")]


def bench(
    crops: Annotated[Path | None, typer.Option(help="Folder of crops named by text.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Folder with labels.jsonl.")] = None,
    width: Annotated[int, typer.Option(min=320, max=1920, help="Longer side searched at.")] = 640,
    weights: Weights = WEIGHTS,
    tile: Annotated[
        int | None, typer.Option(min=160, help="Search in tiles of so many pixels too.")
    ] = None,
    precision: PrecisionOption = Precision.INT8,
    by: Annotated[bool, typer.Option(help="Also by plate height in pixels.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Exact reads, characters and speed on crops; recall, corners and end to end in scenes."""
    one_thread()
    if (crops is None) == (scenes is None):
        raise UserError(
            where="menshen bench plates",
            problem="needs --crops DIR or --scenes DIR, one of them",
            remedy="try: menshen bench plates --crops ../shared/eval/plate_crops",
        )
    if crops is not None:
        result = _bench_crops(crops, reader_file(weights, precision))
    elif scenes is not None:
        result = _bench_scenes(
            scenes,
            (detector_file(weights, precision), reader_file(weights, precision)),
            width,
            tile=tile,
            by=by,
        )
    finish(result, as_json=as_json)


def _bench_crops(folder: Path, reader_path: Path) -> dict[str, Any]:
    session, watch = timed(open_session(reader_path))
    reader = PlateReader(session)
    data = read_crops(folder)
    reader.read_crops([image for _, image in data[:BATCH]])
    watch.seconds, seconds = 0.0, 0.0
    answers: list[PlateRead] = []
    for start in range(0, len(data), BATCH):
        images = [image for _, image in data[start : start + BATCH]]
        reads, taken = clocked(lambda images=images: reader.read_crops(images))  # type: ignore[misc]
        seconds += taken
        answers += reads
    truths, texts = [text for text, _ in data], [read.text for read in answers]
    exact = [read == truth for read, truth in zip(texts, truths, strict=True)]
    result = {
        "exact": round(float(np.mean(exact)), 4),
        "per_character": round(float(np.mean(list(map(characters_right, texts, truths)))), 4),
        "ms": round(seconds / len(data) * 1e3, 3),
        "n": len(data),
    }
    kinds: dict[PlateKind | None, list[bool]] = defaultdict(list)
    for truth, right, read in zip(truths, exact, answers, strict=True):
        kinds[choose_kind(truth, read.colour, read.rows)].append(right)
    rows = [_crop_row("all", exact, f"{share(result['per_character'])}", f"{result['ms']:.2f}")]
    rows += [_crop_row(kind or "no legal kind", rights, "", "") for kind, rights in kinds.items()]
    inside = watch.seconds / len(data) * 1e3
    show(
        f"Plate crops, {reader_path.name}, batches of {BATCH}, one thread; "
        f"{inside:.2f} ms inside session.run",
        ("crops", "n", "exact", "characters", "ms"),
        rows,
    )
    return result


def _crop_row(name: str, exact: list[bool], characters: str, ms: str) -> tuple[str, ...]:
    return (name, str(len(exact)), share(float(np.mean(exact))), characters, ms)


def _bench_scenes(
    folder: Path, networks: tuple[Path, Path], width: int, *, tile: int | None, by: bool
) -> dict[str, Any]:
    session, watch = timed(open_session(networks[0]))
    reader_session, reader_watch = timed(open_session(networks[1]))
    detector = (
        PlateDetector(session, long_side=width)
        if tile is None
        else TiledPlateDetector(session, tile=tile, long_side=width)
    )
    pipeline = PlatePipeline(detector, PlateReader(reader_session))
    matches, false, seconds, n = _run(scenes(folder), pipeline.read, (watch, reader_watch))
    found = [match for match in matches if match.found is not None]
    errors = [corner_error(m.label.corners, m.found.corners) for m in found if m.found is not None]
    result = {
        "recall": _mean([match.found is not None for match in matches]),
        "exact": _mean([match.exact for match in matches]),
        "corner_error": round(float(np.mean(errors)), 2) if errors else None,
        "false_per_image": round(false / max(n, 1), 4),
        "ms": round(seconds / max(n, 1) * 1e3, 3),
        "n": n,
    }
    inside = [clock.seconds / max(n, 1) * 1e3 for clock in (watch, reader_watch)]
    show(
        f"Plate scenes: {n} pictures, {len(matches)} plates, longer side {width}, one thread; "
        f"{inside[0]:.2f} ms in the detector's and {inside[1]:.2f} ms in the reader's session.run",
        ("scenes", "recall at IoU 0.5", "exact", "corner error px", "false per picture", "ms"),
        [
            (
                folder.name,
                share(result["recall"]),
                share(result["exact"]),
                "–" if result["corner_error"] is None else f"{result['corner_error']:.2f}",
                f"{result['false_per_image']:.3f}",
                f"{result['ms']:.2f}",
            )
        ],
    )
    if by:
        _by_height(matches)
    return result


def _run(
    pictures: Iterable[PlateScene],
    read: Callable[[list[Image]], Any],
    watches: Iterable[Any],
) -> tuple[list[Match], int, float, int]:
    matches: list[Match] = []
    false, seconds, count = 0, 0.0, 0
    for scene in pictures:
        if count == 0:
            read([scene.image])
            for watch in watches:
                watch.seconds = 0.0
        sightings, taken = clocked(lambda image=scene.image: read([image])[0])  # type: ignore[misc]
        paired, left = match_plates(scene.plates, sightings)
        matches += paired
        false, seconds, count = false + left, seconds + taken, count + 1
    return matches, false, seconds, count


def _mean(values: list[bool]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _by_height(matches: list[Match]) -> None:
    rows, low = [], 0
    for high in _HEIGHTS:
        group = [m for m in matches if low <= upright(m.label.corners)[3] < high]
        if group:
            name = f"{low} and more" if high == _HEIGHTS[-1] else f"{low} to {high}"
            seen = _mean([match.found is not None for match in group])
            exact = _mean([match.exact for match in group])
            rows.append((name, str(len(group)), share(seen), share(exact)))
        low = high
    show("By height of the label in pixels", ("height", "plates", "recall", "exact"), rows)
