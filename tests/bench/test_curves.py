"""Charts are well-formed, and scenes change as their axis says."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from models.plates.rectify import plate_height
from tests.bench.chart import bar_chart, line_chart
from tests.bench.curves import BLUR_HEIGHT, blurred, scaled, smeared
from tests.bench.plate_data import PlateLabel, PlateScene


@pytest.fixture
def scene() -> PlateScene:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    corners = np.array([[100, 100], [280, 110], [280, 170], [100, 160]], float)
    return PlateScene("x", image, (PlateLabel(corners, "浙A12345", ""),))


@pytest.mark.parametrize("height", [8, 32, 120])
def test_a_scaled_scene_has_plates_of_that_height(scene: PlateScene, height: int) -> None:
    small = scaled(scene, height)
    assert plate_height(small.plates[0].corners.astype(np.float32)) == pytest.approx(height)
    assert small.image.shape[1] == pytest.approx(400 * height / 60, abs=1)


def test_blur_and_smear_take_detail_away(scene: PlateScene) -> None:
    sharp = scaled(scene, BLUR_HEIGHT).image
    for change in (blurred, smeared):
        np.testing.assert_array_equal(change(scene, 0.0).image, sharp)
        spreads = [change(scene, amount).image.std() for amount in (0.1, 0.3)]
        assert sharp.std() > spreads[0] > spreads[1]


def test_charts_are_xml_that_names_everything() -> None:
    line = line_chart("A < B", "height", ["8", "16"], {"found": [0.1, 1.0], "read & more": [0, 1]})
    bars = bar_chart("Types", {"blue": 0.5, "green": 1.0})
    for text, words in ((line, ("A < B", "read & more", "16")), (bars, ("blue", "50.0 %"))):
        written = [node.text for node in ElementTree.fromstring(text).iter() if node.text]
        assert set(words) <= set(written)
