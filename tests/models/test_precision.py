"""The faster of two networks that answer alike is used, and a tie changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from config.errors import UserError
from models import loading, precision
from models.catalogue import Store
from models.core import VisionCore
from models.loading import Loader
from models.precision import Precision, float_is_faster
from models.session import Session, open_session

PLATES = frozenset({"plates"})


class Paced:
    """A network that takes as many seconds a run as it is told, of a clock of its own."""

    now = 0.0

    def __init__(self, sha256: str, *seconds: float) -> None:
        self.sha256, self.seconds, self.runs = sha256, list(seconds), 0
        self.input_shapes = {"images": (None, None, None, 3)}

    def run(self, feeds: Any) -> None:
        assert feeds["images"].shape == (1, 384, 640, 3)
        Paced.now += self.seconds[min(self.runs, len(self.seconds) - 1)]
        self.runs += 1


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_known", {})


def asked(integer: Paced, plain: Paced, threads: int = 1) -> bool:
    return float_is_faster(
        cast("Session", integer),
        cast("Session", plain),
        threads=threads,
        clock=lambda: Paced.now,
    )


@pytest.mark.parametrize(
    ("integer", "plain", "floats"),
    [(5.0, 7.0, False), (7.0, 5.0, True), (5.0, 5.0, False), (5.0, 4.9, False), (5.0, 4.8, True)],
    ids=["8-bit faster", "float faster", "tie", "hardly faster", "faster enough"],
)
def test_the_float_network_must_be_clearly_faster(
    integer: float, plain: float, floats: bool
) -> None:
    assert asked(Paced("i", integer), Paced("f", plain)) is floats


def test_a_slow_first_run_and_a_busy_moment_do_not_count() -> None:
    assert not asked(Paced("i", 90, 5, 5, 60, 5), Paced("f", 1, 7))
    assert asked(Paced("j", 1, 7), Paced("g", 90, 70, 70, 70, 5))


def test_a_process_measures_once_for_each_pair_and_thread_count() -> None:
    first, again = Paced("i", 5), Paced("i", 50)
    assert not asked(first, Paced("f", 7))
    assert not asked(again, Paced("f", 7))
    assert again.runs == 0
    assert asked(again, Paced("f", 7), threads=2)


@pytest.mark.parametrize(
    ("asked_for", "floats", "names"),
    [
        ("float", False, ("plate_detector.onnx", "plate_reader.onnx")),
        ("int8", True, ("plate_detector_int8.onnx", "plate_reader_int8.onnx")),
        ("auto", True, ("plate_detector.onnx", "plate_reader.onnx")),
        ("auto", False, ("plate_detector_int8.onnx", "plate_reader_int8.onnx")),
    ],
)
def test_what_is_asked_for_or_faster_is_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked_for: Precision,
    floats: bool,
    names: tuple[str, str],
) -> None:
    given: list[dict[str, Any]] = []

    def told(_integer: Session, _plain: Session, **options: Any) -> bool:
        given.append(options)
        return floats

    monkeypatch.setattr("models.loading.float_is_faster", told)
    with VisionCore.open(models_dir=tmp_path, want=PLATES, precision=asked_for) as core:
        assert core._plates is not None
        parts = (core._plates.detector, core._plates.reader)
        assert tuple(part.session.path.name for part in parts) == names
    assert given == ([{"long_side": 640, "threads": 1}] * 2 if asked_for == "auto" else [])


@pytest.mark.parametrize("long_side", [320, 1920])
def test_both_kinds_of_network_can_be_measured_at_any_size(tmp_path: Path, long_side: int) -> None:
    pipeline = Loader(Store(tmp_path, None), long_side=long_side).plates()
    assert pipeline.detector.session.path.stem in {"plate_detector", "plate_detector_int8"}
    assert len(precision._known) == 2
    pipeline.close()


@pytest.mark.parametrize("wanted", ["auto", "int8"])
def test_where_integers_cannot_be_run_plates_are_found_in_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Precision
) -> None:
    opened: list[str] = []

    def open_here(path: Path, **options: Any) -> Session:
        if path.stem.endswith("int8"):
            raise UserError(where=str(path), problem="no such operator", remedy="use another")
        opened.append(path.stem)
        return open_session(path, **options)

    monkeypatch.setattr(loading, "open_session", open_here)
    with VisionCore.open(models_dir=tmp_path, want=PLATES, precision=wanted) as core:
        assert core.missing == ()
    assert opened == ["plate_detector", "plate_reader"]
