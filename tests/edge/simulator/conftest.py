"""Small cameras that are rendered once per test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.simulator.prepare import prepare_file, prepare_scenes
from edge.simulator.scene.spec import SceneSpec
from edge.simulator.source import CameraSource


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of this run."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture(scope="session")
def spec() -> SceneSpec:
    """A small scene with one car."""
    return SceneSpec(
        "gate",
        "东门",
        ("blue",),
        width=320,
        height=180,
        fps=10,
        sub_width=160,
        sub_height=90,
        sub_fps=5,
        seconds=4,
        gop_s=0.5,
    )


@pytest.fixture(scope="session")
def scene_camera(spec: SceneSpec, cache: Path) -> CameraSource:
    """The small scene, ready to be served."""
    return prepare_scenes([spec], cache=cache)[0]


@pytest.fixture(scope="session")
def clip(scene_camera: CameraSource, cache: Path) -> Path:
    """An MP4 file with H.264."""
    return next(path for path in sorted(cache.glob("*/main.mp4")))


@pytest.fixture(scope="session")
def file_camera(clip: Path, cache: Path) -> CameraSource:
    """A camera that loops the clip."""
    return prepare_file(clip, "clip", cache=cache)
