"""What is missing is told with its remedy; what is wrong with a picture is told by its index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from config.errors import UserError
from models.catalogue import entry_named
from models.core import VisionCore
from models.planes import PlanarFrame


def test_a_missing_face_model_stops_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    core = VisionCore.open(models_dir=tmp_path, want=frozenset({"faces"}), face_model="yunet-n")
    (missing,) = core.missing
    assert missing.name == "yunet-n"
    assert "menshen models pull yunet-n" in missing.remedy
    assert core.analyse([np.zeros((40, 50, 3), np.uint8)])[0].faces == ()
    core.close()


def test_a_spoilt_face_model_is_missing_too(tmp_path: Path) -> None:
    (tmp_path / entry_named("yunet-n").file).write_bytes(b"half a file")
    core = VisionCore.open(models_dir=tmp_path, want=frozenset({"faces"}))
    assert "delete it" in core.missing[0].remedy


@pytest.mark.parametrize(
    "options", [{"want": frozenset({"cars"})}, {"face_model": "sface"}, {"face_model": "nobody"}]
)
def test_what_is_asked_for_wrongly_is_an_error(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UserError):
        VisionCore.open(models_dir=tmp_path, **options)  # type: ignore[arg-type]


def test_a_closed_core_does_not_pass_for_one_that_sees_nothing(tmp_path: Path) -> None:
    core = VisionCore.open(models_dir=tmp_path, want=frozenset({"plates"}))
    core.close()
    with pytest.raises(RuntimeError, match="closed"):
        core.analyse([np.zeros((40, 50, 3), np.uint8)])


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((40, 50), np.uint8),
        np.zeros((40, 50, 4), np.uint8),
        np.zeros((40, 50, 3), np.uint16),
        np.zeros((40, 50, 3), np.float32),
        np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (10_000, 10_000, 3), (0, 0, 0)),
    ],
    ids=["zero", "one", "grey", "alpha", "16-bit", "float", "100 megapixels"],
)
def test_a_picture_that_cannot_be_looked_at_is_named(tmp_path: Path, bad: np.ndarray) -> None:
    core = VisionCore.open(models_dir=tmp_path, want=frozenset())
    with pytest.raises(UserError, match="picture 1 of 2"):
        core.analyse([np.zeros((40, 50, 3), np.uint8), bad])


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 640), (10_000, 10_000)])
def test_planes_of_no_use_or_of_no_camera_are_named_too(
    tmp_path: Path, height: int, width: int
) -> None:
    luma, colour = (
        np.zeros((height, width), np.uint8),
        np.zeros((height // 2, width // 2), np.uint8),
    )
    with (
        VisionCore.open(models_dir=tmp_path, want=frozenset({"plates"})) as core,
        pytest.raises(UserError, match="picture 0 of 1"),
    ):
        core.analyse([PlanarFrame(luma, colour, colour)])
