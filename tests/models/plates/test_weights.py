"""The networks in the repository find and read plates of every kind, and survive odd pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from config.errors import UserError
from models.plates.candidates import PlateDetection
from models.plates.detector import PlateDetector
from models.plates.grammar import RULES, PlateColour, PlateKind, random_plate
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateReader
from models.plates.rectify import moved_corners
from models.plates.render import render_plate

WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights"
DETECTOR, READER = WEIGHTS / "plate_detector.onnx", WEIGHTS / "plate_reader.onnx"
LARGEST_BYTES = 3_000_000


@pytest.fixture(scope="module", params=["", "_int8"], ids=["float", "int8"])
def pipeline(request: pytest.FixtureRequest) -> Iterator[PlatePipeline]:
    detector, reader = (path.with_stem(path.stem + request.param) for path in (DETECTOR, READER))
    opened = PlatePipeline.open(detector=detector, reader=reader)
    yield opened
    opened.close()


def street(flat: NDArray[np.uint8], *, width: int, seed: int) -> NDArray[np.uint8]:
    """A 640x384 picture of a dark car on a road, the plate ``width`` px wide and a little askew."""
    rng = np.random.default_rng(seed)
    picture = np.full((384, 640, 3), (150, 155, 150), np.uint8)
    cv2.rectangle(picture, (150, 60), (490, 330), (60, 50, 45), -1)
    cv2.rectangle(picture, (190, 80), (450, 170), (30, 28, 26), -1)
    height = width * flat.shape[0] / flat.shape[1]
    quad = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    quad += np.array([320 - width / 2, 250 - height / 2], np.float32)
    quad += rng.uniform(-0.02, 0.02, (4, 2)).astype(np.float32) * width
    h, w = flat.shape[:2]
    own = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32) - 0.5
    transform = cv2.getPerspectiveTransform(own, quad)
    seen = cv2.warpPerspective(flat, transform, (640, 384), flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full((h, w), 255, np.uint8), transform, (640, 384))
    picture[cover > 127] = seen[cover > 127]
    soft = cv2.GaussianBlur(picture, (0, 0), 0.6).astype(np.float32)
    return np.asarray(np.clip(soft + rng.normal(0, 3, soft.shape), 0, 255), dtype=np.uint8)


@pytest.mark.parametrize("kind", PlateKind)
def test_plates_of_every_kind_are_found_and_read(pipeline: PlatePipeline, kind: PlateKind) -> None:
    right = 0
    for seed in range(6):
        plate = random_plate(np.random.default_rng(seed), kind)
        # The smallest kinds are drawn at a size at which a person reads them without effort.
        flat = render_plate(plate, height_px=200)
        (found,) = pipeline.read([street(flat, width=170, seed=seed)])
        assert len(found) == 1, f"{plate.text}: {[f.read and f.read.text for f in found]}"
        read = found[0].read
        assert read is not None
        assert found[0].rows == RULES[kind].rows
        right += read.text == plate.text
    assert right >= 5


def test_colours_are_told_apart(pipeline: PlatePipeline) -> None:
    kinds = {RULES[kind].colour: kind for kind in reversed(PlateKind) if RULES[kind].rows == 1}
    for colour in PlateColour:
        plate = random_plate(np.random.default_rng(3), kinds[colour])
        (found,) = pipeline.read([street(render_plate(plate, height_px=200), width=170, seed=1)])
        assert found[0].read is not None
        assert found[0].read.colour is colour


def test_corners_come_out_in_order_and_in_place(pipeline: PlatePipeline) -> None:
    plate = random_plate(np.random.default_rng(0), PlateKind.BLUE)
    picture = street(render_plate(plate, height_px=200), width=170, seed=0)
    enlarged = cv2.resize(picture, None, fx=2.5, fy=2.5)
    (small,), (large,) = pipeline.read([picture, np.asarray(enlarged, dtype=np.uint8)])
    left_top, right_top, right_bottom, left_bottom = small.corners
    assert left_top[0] < right_top[0]
    assert left_bottom[0] < right_bottom[0]
    assert left_top[1] < left_bottom[1]
    assert right_top[1] < right_bottom[1]
    assert large.corners == pytest.approx(small.corners * 2.5, abs=10)


@pytest.mark.parametrize("shift", [(0.07, 0.0), (-0.07, 0.0), (0.0, 0.15), (0.05, -0.15)])
def test_corners_a_little_off_are_put_right(
    pipeline: PlatePipeline, shift: tuple[float, float]
) -> None:
    right = 0
    for seed in range(8):
        plate = random_plate(np.random.default_rng(seed), PlateKind.BLUE)
        picture = street(render_plate(plate, height_px=200), width=170, seed=seed)
        (found,) = pipeline.detector.detect([picture])
        moved = moved_corners(found[0].corners[None], np.full((1, 4, 2), shift, np.float32))[0]
        (read,) = pipeline.reader.read(picture, [PlateDetection(moved, 0.9, 1)])
        right += read.text == plate.text
    assert right >= 6


def test_several_pictures_give_the_answers_of_each_alone(pipeline: PlatePipeline) -> None:
    pictures = [
        street(render_plate(random_plate(np.random.default_rng(i)), height_px=200), width=w, seed=i)
        for i, w in enumerate((120, 170, 230))
    ]
    together = pipeline.read(pictures)
    alone = [pipeline.read([picture])[0] for picture in pictures]
    assert [[p.read.text for p in found if p.read] for found in together] == [
        [p.read.text for p in found if p.read] for found in alone
    ]


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((2, 2, 3), np.uint8),
        np.full((2, 3000, 3), 255, np.uint8),
        np.full((3000, 2, 3), 90, np.uint8),
        np.zeros((384, 640, 3), np.uint8),
        np.full((384, 640, 3), 255, np.uint8),
        np.random.default_rng(1).integers(0, 256, (400, 401, 3)).astype(np.uint8),
        np.full((4320, 7680, 3), 100, np.uint8),
    ],
    ids=["2x2", "line", "column", "black", "white", "noise", "8K"],
)
def test_pictures_without_plates_give_none(
    pipeline: PlatePipeline, picture: NDArray[np.uint8]
) -> None:
    assert pipeline.read([picture]) == [[]]


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((384, 640), np.uint8),
        np.zeros((384, 640, 4), np.uint8),
        np.zeros((384, 640, 3), np.uint16),
    ],
    ids=["1x1", "grey", "alpha", "16-bit"],
)
def test_what_is_no_picture_is_named(pipeline: PlatePipeline, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(UserError, match="picture 1 of 2"):
        pipeline.read([np.zeros((64, 64, 3), np.uint8), picture])


def test_no_pictures_and_no_plates_are_no_error(pipeline: PlatePipeline) -> None:
    assert pipeline.read([]) == []
    assert pipeline.reader.read(np.zeros((9, 9, 3), np.uint8), []) == []


def test_views_and_read_only_pictures_are_taken_too(pipeline: PlatePipeline) -> None:
    plate = random_plate(np.random.default_rng(2), PlateKind.BLUE)
    picture = street(render_plate(plate, height_px=200), width=170, seed=2)
    wide = np.repeat(picture, 2, axis=1)
    view = wide[:, ::2]
    view.flags.writeable = False
    (found,) = pipeline.read([view])
    assert found[0].read is not None
    assert found[0].read.text == plate.text


def test_a_crop_is_read_as_a_whole_with_one_row_or_two(pipeline: PlatePipeline) -> None:
    plates = [
        random_plate(np.random.default_rng(4), kind)
        for kind in (PlateKind.BLUE, PlateKind.YELLOW_DOUBLE)
    ]
    reads = pipeline.reader.read_crops([render_plate(p, height_px=60) for p in plates])
    assert [(read.text, read.rows) for read in reads] == [(plates[0].text, 1), (plates[1].text, 2)]
    assert pipeline.reader.read_crops([]) == []


def test_one_network_is_not_taken_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        PlateReader.open(DETECTOR)
    with pytest.raises(UserError):
        PlateDetector.open(READER)
    truncated = tmp_path / "plate_reader.onnx"
    truncated.write_bytes(READER.read_bytes()[:1000])
    with pytest.raises(UserError, match="truncated"):
        PlateReader.open(truncated)


def test_the_files_are_small_and_say_what_they_are() -> None:
    reader, detector = PlateReader.open(READER), PlateDetector.open(DETECTOR)
    for path, session in ((READER, reader.session), (DETECTOR, detector.session)):
        assert path.stat().st_size <= LARGEST_BYTES
        assert session.metadata["licence"] == "Apache-2.0"
        assert session.metadata["version"]
    reader.close()
    detector.close()


def test_a_double_plate_found_without_the_top_of_its_upper_row_is_read_whole(
    pipeline: PlatePipeline,
) -> None:
    right = 0
    for seed in range(6):
        plate = random_plate(np.random.default_rng(seed), PlateKind.YELLOW_DOUBLE)
        picture = street(render_plate(plate, height_px=200), width=120, seed=seed)
        height = 120 / 2
        low, high = np.array([260, 250 - height / 2 + 0.28 * height]), np.array([380, 280])
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
        (read,) = pipeline.reader.read(picture, [PlateDetection(corners, 0.8, 1)])
        right += read.text == plate.text
    assert right >= 5
