"""Faces without a download: our own network finds them, in one pass with the plates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import catalogue
from models.catalogue import entry_named
from models.core import VisionCore
from models.images import load_image
from models.plates.grammar import PlateKind, PlateText
from models.plates.render import render_plate
from models.session import Session
from models.types import FaceDetection, Image
from tests.bench.inference import as_planes

PEOPLE = Path(__file__).with_name("drawn_people.jpg")
"""Three people made up and drawn by ``models.training.faces``."""
BOXES = ((62, 91, 127, 171), (215, 98, 281, 177), (360, 68, 430, 151))
MARKS = (
    ((92, 120), (115, 122), (109, 127), (95, 142), (115, 144)),
    ((243, 129), (267, 131), (258, 141), (243, 158), (264, 158)),
    ((389, 107), (414, 110), (401, 132), (386, 138), (407, 141)),
)
BOTH = frozenset({"plates", "faces"})


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each network is run, by the name of its file."""
    counted: Counter[str] = Counter()
    run = Session.run

    def counting(self: Session, feeds: Any) -> Any:
        counted[self.path.name.removesuffix(".onnx").removesuffix("_int8")] += 1
        return run(self, feeds)

    monkeypatch.setattr(Session, "run", counting)
    return counted


@pytest.fixture(scope="module")
def people() -> Image:
    return load_image(PEOPLE)


def shares(faces: tuple[FaceDetection, ...]) -> list[float]:
    """The best intersection over union that each of ``BOXES`` has with a face."""
    best = []
    for left, top, right, bottom in BOXES:
        own = [0.0]
        for face in faces:
            x, y, w, h = face.box.tolist()
            wide, high = min(right, x + w) - max(left, x), min(bottom, y + h) - max(top, y)
            shared = max(wide, 0) * max(high, 0)
            own.append(shared / (w * h + (right - left) * (bottom - top) - shared))
        best.append(max(own))
    return best


@pytest.mark.parametrize("planar", [False, True], ids=["pixels", "planes"])
def test_where_nothing_was_pulled_faces_are_found_in_the_pass_that_finds_plates(
    tmp_path: Path, people: Image, runs: Counter[str], planar: bool
) -> None:
    with VisionCore.open(models_dir=tmp_path) as core:
        assert core.missing == ()
        runs.clear()
        (found,) = core.analyse([as_planes(people) if planar else people])
    # What looks a little like a plate is read to be sure that it is none.
    assert runs["face_plate_detector"] == 1
    assert set(runs) <= {"face_plate_detector", "plate_reader"}
    assert min(shares(found.faces)) > 0.5
    assert len(found.faces) == 3
    assert found.plates == ()


def test_landmarks_are_where_they_belong_and_quality_is_told(tmp_path: Path, people: Image) -> None:
    with VisionCore.open(models_dir=tmp_path, want=frozenset({"faces"})) as core:
        (found,) = core.analyse([people])
    by_place = sorted(found.faces, key=lambda face: float(face.box[0]))
    for face, marks in zip(by_place, MARKS, strict=True):
        error = np.linalg.norm(face.landmarks - np.array(marks), axis=1) / face.box[3]
        assert error.mean() < 0.2
        right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
        assert right_eye[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
        assert 0 < face.quality <= 1


def with_a_plate(people: Image) -> tuple[Image, str]:
    """People, and a plate large enough to be read."""
    text = "云A12345"
    plate = render_plate(PlateText(PlateKind.BLUE, text), height_px=60)
    canvas = np.full((540, 960, 3), 90, np.uint8)
    canvas[:270, :480] = people
    canvas[380 : 380 + plate.shape[0], 600 : 600 + plate.shape[1]] = plate
    return canvas, text


def test_plates_are_read_as_without_faces(
    tmp_path: Path, people: Image, runs: Counter[str]
) -> None:
    image, text = with_a_plate(people)
    read = {}
    for want in (frozenset({"plates"}), BOTH):
        with VisionCore.open(models_dir=tmp_path, want=want) as core:
            runs.clear()
            (found,) = core.analyse([image])
            used = set(runs)
        (plate,) = found.plates
        assert plate.read is not None
        assert ("face_plate_detector" in used) is ("faces" in want), "alone the smaller one serves"
        read[want] = plate
    alone, together = read.values()
    assert alone.read.text == together.read.text == text
    assert np.abs(alone.corners - together.corners).max() < 1.5
    assert len(found.faces) == 3


def test_several_cameras_in_one_batch_are_kept_apart(tmp_path: Path, people: Image) -> None:
    empty = np.full_like(people, 120)
    with VisionCore.open(models_dir=tmp_path) as core:
        found = core.analyse([empty, people, empty[:100, :300], people])
    assert [len(one.faces) for one in found] == [0, 3, 0, 3]


def test_tiles_are_for_plates_and_faces_are_still_found(tmp_path: Path, people: Image) -> None:
    with VisionCore.open(models_dir=tmp_path, tile=300) as core:
        assert core.missing == ()
        (found,) = core.analyse([people])
    assert len(found.faces) == 3


def test_a_spoilt_pulled_model_is_told_and_our_own_takes_over(
    tmp_path: Path, people: Image
) -> None:
    (tmp_path / entry_named("yunet-n").file).write_bytes(b"half a file")
    with VisionCore.open(models_dir=tmp_path) as core:
        (missing,) = core.missing
        assert missing.name == "yunet-n"
        assert "delete it" in missing.remedy
        assert len(core.analyse([people])[0].faces) == 3


def test_without_its_weights_plates_are_read_by_the_detector_alone(
    tmp_path: Path, people: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for path in catalogue.WEIGHTS.glob("plate_*.onnx"):
        (weights / path.name).symlink_to(path)
    monkeypatch.setattr(catalogue, "WEIGHTS", weights)
    image, text = with_a_plate(people)
    with VisionCore.open(models_dir=tmp_path) as core:
        (missing,) = core.missing
        assert missing.name == "face-plate-detector"
        assert "restore models/weights" in missing.remedy
        (found,) = core.analyse([image])
    assert [plate.read.text for plate in found.plates if plate.read] == [text]
    assert found.faces == ()
