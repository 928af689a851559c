"""Real networks on real pictures: faces are where they are, alone or in a batch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import UserError
from models.core import VisionCore
from models.faces import FaceDetector
from models.insightface_pack import InsightFaceDetector
from models.session import open_session
from models.types import FaceDetection, Image
from tests.bench.inference import as_planes
from tests.bench.plain import plain_yunet
from tests.models.tiny_onnx import identity

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def group(shared: Path) -> Image:
    """A real picture with three large faces."""
    image = cv2.imread(str(shared / "eval/faces/6_Funeral_Funeral_6_627.jpg"))
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.fixture(scope="module")
def yunet(shared: Path) -> FaceDetector:
    return FaceDetector.open(shared / "models/yunet_n_dynamic.onnx", batch=4)


def centres(faces: tuple[FaceDetection, ...]) -> list[tuple[int, int]]:
    return sorted((round(f.box[0] + f.box[2] / 2), round(f.box[1] + f.box[3] / 2)) for f in faces)


def test_landmarks_lie_in_the_box_in_their_order(yunet: FaceDetector, group: Image) -> None:
    (faces,) = yunet.detect([group])
    assert len(faces) == 3
    for face in faces:
        left, top, width, height = face.box
        assert (
            (face.landmarks >= (left, top)) & (face.landmarks <= (left + width, top + height))
        ).all()
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert 0.6 <= face.score <= 1.0
        assert face.quality > 0.5


def test_a_batch_of_several_cameras_finds_what_each_alone_finds(
    yunet: FaceDetector, group: Image
) -> None:
    wide = np.zeros((416, 900, 3), np.uint8)
    wide[:, 200:616] = group
    images = [group, wide, group[:, ::-1].copy(), np.zeros((90, 120, 3), np.uint8)]
    together = yunet.detect(images)
    assert [len(faces) for faces in together] == [3, 3, 3, 0]
    for image, faces in zip(images, together, strict=True):
        assert centres(yunet.detect([image])[0]) == centres(faces)


def test_yunet_s_and_scrfd_agree_with_yunet_n(
    shared: Path, yunet: FaceDetector, group: Image
) -> None:
    expected = np.array(centres(yunet.detect([group])[0]))
    for file, family in (
        ("face_detection_yunet_2023mar.onnx", "yunet"),
        ("scrfd_500m_research_only.onnx", "scrfd"),
    ):
        other = FaceDetector.open(shared / "models" / file, family=family, threshold=0.5)
        found = np.array(centres(other.detect([group])[0]))
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 12


def test_another_network_in_its_place_is_refused(shared: Path, tmp_path: Path) -> None:
    models = shared / "models"
    with pytest.raises(UserError, match="face_reid_0095"):
        FaceDetector.open(models / "face_reid_0095.onnx")
    with pytest.raises(UserError, match="not an SCRFD"):
        FaceDetector.open(models / "yunet_n_dynamic.onnx", family="scrfd")
    other = tmp_path / "other.onnx"
    other.write_bytes(identity((1, 3, 32, 32)))
    with pytest.raises(UserError, match="outputs"):
        FaceDetector.open(other)


def test_the_core_finds_faces_without_any_plate_model(
    shared: Path, tmp_path: Path, group: Image
) -> None:
    with VisionCore.open(
        models_dir=tmp_path, mirror=shared / "models", want=frozenset({"faces"})
    ) as core:
        assert core.missing == ()
        first, second = core.analyse([group, np.zeros((50, 60, 3), np.uint8)])
    assert len(first.faces) == 3
    assert first.plates == second.plates == second.faces == ()


def test_the_plain_way_finds_the_same_faces(shared: Path, group: Image) -> None:
    path = shared / "models/yunet_n_dynamic.onnx"
    with open_session(path) as session:
        plain = plain_yunet(session, group, long_side=640, threshold=0.6, overlap=0.45)
    (ours,) = FaceDetector.open(path).detect([group])
    np.testing.assert_allclose(
        [row[:4] for row in plain], np.stack([face.box for face in ours]), atol=0.5
    )


def test_the_opt_in_package_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="det_"):
        InsightFaceDetector.open(tmp_path)


def test_the_opt_in_package_finds_the_same_faces_and_tells_its_licence(
    shared: Path, group: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("insightface", reason="opt-in: pip install 'menshen[insightface]'")
    path = shared / "models/scrfd_500m_research_only.onnx"
    theirs = InsightFaceDetector.open(path).detect([group])[0]
    out = capsys.readouterr()
    assert "non-commercial research only" in out.out + out.err
    ours = FaceDetector.open(path, family="scrfd", threshold=0.5).detect([group])[0]
    assert np.abs(np.array(centres(theirs)) - np.array(centres(ours))).max() < 8


def test_faces_in_a_large_frame_are_placed_in_its_own_pixels(shared: Path, group: Image) -> None:
    large = cv2.resize(group, (1664, 1664))
    options = {"models_dir": shared / "models", "want": frozenset({"faces"})}
    with VisionCore.open(**options) as core:
        (from_large,) = core.analyse([large])
        (from_planes,) = core.analyse([as_planes(np.asarray(large, np.uint8))])
        (from_small,) = core.analyse([group])
    expected = np.array(centres(from_small.faces)) * 4
    for found in (from_large, from_planes):
        assert np.abs(np.array(centres(found.faces)) - expected).max() < 40
