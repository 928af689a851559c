"""Small plates in large pictures: everything is seen, everything is counted once."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import WEIGHTS
from models.plates.candidates import PlateDetection
from models.plates.detector import PlateDetector
from models.plates.grammar import PlateKind, PlateText
from models.plates.pipeline import PlatePipeline
from models.plates.reader import PlateReader
from models.plates.render import render_plate
from models.tiles import TiledPlateDetector, merge, tiles


@given(
    height=st.integers(2, 4000),
    width=st.integers(2, 4000),
    side=st.integers(64, 2000),
    overlap=st.sampled_from([0.0, 0.1, 0.2, 0.4]),
)
@settings(max_examples=150)
def test_tiles_cover_every_pixel_and_share_their_borders(
    height: int, width: int, side: int, overlap: float
) -> None:
    pieces = list(tiles(height, width, side, overlap))
    for axis, length in (("top", height), ("left", width)):
        size = pieces[0].height if axis == "top" else pieces[0].width
        starts = sorted({getattr(piece, axis) for piece in pieces})
        assert size <= side
        assert starts[0] == 0
        assert starts[-1] + size == length
        for one, other in itertools.pairwise(starts):
            assert one + size - other >= overlap * size - 2


def test_a_picture_that_fits_is_one_tile_and_1080p_is_a_few() -> None:
    assert len(list(tiles(360, 640, 640))) == 1
    assert len(list(tiles(1080, 1920, 1100))) == 2
    assert len(list(tiles(1080, 1920, 640))) == 8


@pytest.mark.parametrize("options", [(100, 100, 16), (100, 100, 64, 1.0), (100, 100, 64, -0.1)])
def test_impossible_tiles_are_refused(options: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not possible"):
        list(tiles(*options))  # type: ignore[arg-type]


def plate(left: float, top: float, width: float, height: float, score: float) -> PlateDetection:
    corners = np.array(
        [
            [left, top],
            [left + width, top],
            [left + width, top + height],
            [left, top + height],
        ],
        np.float32,
    )
    return PlateDetection(corners, score, 1)


def test_a_plate_seen_in_two_tiles_and_whole_is_one_plate() -> None:
    whole = plate(100, 100, 90, 30, 0.8)
    again = plate(101, 101, 90, 30, 0.75)
    half = plate(100, 100, 45, 30, 0.95)
    other = plate(300, 100, 90, 30, 0.6)
    found = merge([half, again, other, whole])
    assert [round(one.score, 2) for one in found] == [0.8, 0.6]


def test_a_plate_too_small_in_the_whole_picture_is_found_in_its_tile() -> None:
    text = PlateText(PlateKind.BLUE, "浙A12345")
    flat = cv2.resize(render_plate(text, height_px=200), (60, 19), interpolation=cv2.INTER_AREA)
    picture = np.full((2160, 3840, 3), (150, 155, 150), np.uint8)
    picture[1200:1500, 2500:2900] = (60, 50, 45)
    picture[1380 : 1380 + 19, 2640 : 2640 + 60] = flat
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), np.uint8)
    detector = PlateDetector.open(WEIGHTS / "plate_detector.onnx", long_side=320)
    reader = PlateReader.open(WEIGHTS / "plate_reader.onnx")
    tiled = TiledPlateDetector(detector.session, tile=640)
    texts = [
        [
            plate.read.text
            for plate in PlatePipeline(searcher, reader).read([picture])[0]
            if plate.read
        ]
        for searcher in (detector, tiled)
    ]
    detector.close()
    reader.close()
    assert text.text not in texts[0]
    assert texts[1] == [text.text]


def test_two_plates_side_by_side_stay_two() -> None:
    assert len(merge([plate(0, 0, 90, 30, 0.9), plate(92, 0, 90, 30, 0.9)])) == 2
    assert merge([]) == []
