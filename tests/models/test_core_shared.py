"""The core with every model: plates and faces of pixels, planes and tiles, in one call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import catalogue
from models.core import VisionCore
from models.images import load_image
from models.planes import Picture
from models.types import Image
from tests.bench.inference import as_planes
from tests.bench.plate_data import PlateLabel
from tests.bench.plate_score import match_plates

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def scene(shared: Path) -> tuple[Image, PlateLabel]:
    """A real street scene with one plate, and its label."""
    folder = shared / "eval/plate_scenes"
    entry = json.loads((folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()[3])
    plate = entry["plates"][0]
    label = PlateLabel(np.array(plate["corners"], float), plate["text"], "")
    return load_image(folder / entry["file"]), label


@pytest.mark.parametrize(
    ("options", "planar"), [({}, False), ({}, True), ({"tile": 700}, False), ({"tile": 700}, True)]
)
def test_a_plate_is_found_where_it_is(
    shared: Path,
    tmp_path: Path,
    scene: tuple[Image, PlateLabel],
    options: dict[str, Any],
    planar: bool,
) -> None:
    image, label = scene
    picture: Picture = as_planes(image) if planar else image
    with VisionCore.open(
        models_dir=tmp_path, mirror=shared / "models", want=frozenset({"plates"}), **options
    ) as core:
        assert core.missing == ()
        (found,) = core.analyse([picture])
    (match,), _ = match_plates([label], found.plates)
    assert match.found is not None
    assert match.found.read is not None
    assert found.faces == ()


def test_several_cameras_at_once_are_kept_apart(
    shared: Path, tmp_path: Path, scene: tuple[Image, PlateLabel]
) -> None:
    image, label = scene
    group = load_image(shared / "eval/faces/6_Funeral_Funeral_6_627.jpg")
    with VisionCore.open(models_dir=tmp_path, mirror=shared / "models") as core:
        together = core.analyse([group, image, np.zeros((300, 400, 3), np.uint8), image])
    assert [len(one.faces) for one in together[:3]] == [3, len(together[1].faces), 0]
    assert together[0].plates == together[2].plates == ()
    for one in (together[1], together[3]):
        (match,), _ = match_plates([label], one.plates)
        assert match.found is not None


def test_research_weights_are_used_only_by_name_and_say_so(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    want = frozenset({"faces"})
    for model, told in (("yunet-n", False), ("scrfd-500m", True)):
        VisionCore.open(
            models_dir=tmp_path, mirror=shared / "models", want=want, face_model=model
        ).close()
        out = capsys.readouterr()
        assert ("research only" in out.out + out.err) is told


@pytest.mark.parametrize(("pinned", "told"), [(True, "of another float one"), (False, "not the")])
def test_an_integer_reader_of_another_float_one_or_spoilt_is_not_used(
    tmp_path: Path,
    scene: tuple[Image, PlateLabel],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pinned: bool,
    told: str,
) -> None:
    stale = tmp_path / "plate_reader_int8.onnx"
    for name in ("plate_detector.onnx", "plate_detector_int8.onnx", "plate_reader.onnx"):
        shutil.copy(catalogue.WEIGHTS / name, tmp_path)
    shutil.copy(catalogue.WEIGHTS / "plate_reader.onnx", stale)
    entries = dict(catalogue.load_catalogue())
    if pinned:
        entries["plate-reader-int8"] = entries["plate-reader-int8"].model_copy(
            update={"sha256": catalogue.sha256_of(stale)}
        )
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    monkeypatch.setattr(catalogue, "load_catalogue", lambda: entries)
    with VisionCore.open(models_dir=tmp_path, want=frozenset({"plates"})) as core:
        (found,) = core.analyse([scene[0]])
    out = capsys.readouterr()
    assert f"integer network is {told}" in out.out + out.err
    assert found.plates


def test_without_the_wanted_device_the_integer_networks_are_used(tmp_path: Path) -> None:
    with VisionCore.open(
        models_dir=tmp_path,
        want=frozenset({"plates"}),
        providers=("coreml", "cpu"),
        precision="int8",
    ) as core:
        assert core._plates is not None
        files = [part.session.path.name for part in (core._plates.detector, core._plates.reader)]
    assert files == ["plate_detector_int8.onnx", "plate_reader_int8.onnx"]
