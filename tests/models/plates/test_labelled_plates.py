"""On real, labelled pictures the networks do not fall behind what the model card promises."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.images import load_image
from models.plates.candidates import PlateDetection
from models.plates.pipeline import PlatePipeline

WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights"

pytestmark = pytest.mark.shared


def open_pipeline() -> PlatePipeline:
    return PlatePipeline.open(
        detector=WEIGHTS / "plate_detector.onnx", reader=WEIGHTS / "plate_reader.onnx"
    )


def test_cropped_plates_are_read(shared: Path) -> None:
    pipeline, right, count = open_pipeline(), 0, 0
    for path in sorted((shared / "eval" / "plate_crops").glob("*.jpg"))[::2]:
        image = load_image(path)
        height, width = image.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        (read,) = pipeline.reader.read(image, [PlateDetection(corners, 1.0, 1)])
        right, count = right + (read.text == path.stem), count + 1
    pipeline.close()
    assert right / count >= 0.95


@pytest.mark.parametrize(("folder", "least"), [("plate_scenes", 0.92), ("plate_street", 0.85)])
def test_plates_in_scenes_are_found_and_read(shared: Path, folder: str, least: float) -> None:
    pipeline, right, count = open_pipeline(), 0, 0
    lines = (shared / "eval" / folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[::2]:
        entry = json.loads(line)
        (found,) = pipeline.read([load_image(shared / "eval" / folder / entry["file"])])
        for label in entry["plates"]:
            wanted = label["text"].split(":")[-1]
            outline = cv2.convexHull(np.array(label["corners"], np.float32))
            near = [
                plate.read.text
                for plate in found
                if plate.read
                and cv2.pointPolygonTest(outline, plate.corners.mean(0).tolist(), False) > 0
            ]
            right, count = right + (wanted in near), count + 1
    pipeline.close()
    assert right / count >= least
