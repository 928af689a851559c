"""A scene is what its seed says, and its truth is what its pictures show."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from config.clock import FakeClock
from config.errors import UserError
from config.site import Site
from edge.simulator.cli import app
from edge.simulator.prepare import prepare_file
from edge.simulator.scene.render import Scene
from edge.simulator.scene.spec import PRESETS, SceneSpec, preset, timetable
from edge.simulator.site_cameras import scenes_of
from edge.simulator.source import CameraSource
from edge.simulator.truth import TruthLog
from models.plates.grammar import PlateKind, matches


@pytest.mark.parametrize("kind", list(PRESETS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_visits_are_legal_readable_and_apart(kind: str, seed: int) -> None:
    scene = Scene(preset("gate", kind, seed=seed))
    truth = [item for item in scene.truth() if item.legible]
    assert truth == [
        item for item in Scene(preset("gate", kind, seed=seed)).truth() if item.legible
    ]
    assert len(truth) == len(scene.spec.visits)
    for item in truth:
        assert 2.5 <= item.last_s - item.first_s <= 6
        if item.kind == "plate":
            assert matches(item.text, PlateKind(item.plate_kind))
            assert item.box[2] >= 100
        else:
            assert item.box[2] >= 48
    for before, after in pairwise(truth):
        assert 3 <= after.first_s - before.last_s <= 12
    assert scene.seconds - truth[-1].last_s >= 8, "nothing moves for a while"


def test_pictures_are_the_same_for_a_seed_and_still_when_nobody_comes(spec: SceneSpec) -> None:
    first, again = list(Scene(spec).render()), list(Scene(spec).render())
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    actor = timetable(spec)[0][0]
    end = int((actor.start + actor.duration) * spec.fps) + 1
    assert all(np.array_equal(first[end], picture) for picture in first[end:])
    middle = int((actor.start + actor.duration / 2) * spec.fps)
    assert not np.array_equal(first[end], first[middle])


@pytest.mark.parametrize(
    "field, value", [("fps", 90), ("width", 321), ("visits", ("spaceship",)), ("sub_fps", 50)]
)
def test_an_impossible_scene_is_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=field):
        SceneSpec("gate", **{field: value})  # type: ignore[arg-type]


def test_the_truth_log_tells_what_was_shown(
    scene_camera: CameraSource, tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "truth.jsonl"
    log, loop = TruthLog(path, clock=clock), scene_camera.main
    start = clock.now()
    for position in range(2 * len(loop.units)):
        ticks = loop.unit_at(position).show
        clock.advance(max(0.0, ticks / 90_000 - clock.monotonic()))
        log.shown(scene_camera.appearances, ticks=ticks, loop_ticks=loop.length, fps=10)
    log.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    (car,) = scene_camera.appearances
    assert [line["object"] for line in lines] == ["gate/0/0", "gate/1/0"]
    assert {line["text"] for line in lines} == {car.text}
    assert all(line["complete"] and line["best_shown"] for line in lines)
    first = start + timedelta(seconds=car.first_s)
    assert lines[0]["shown_from"][:22] == first.isoformat()[:22]


def test_a_viewer_who_came_late_saw_it_in_part(
    scene_camera: CameraSource, tmp_path: Path, clock: FakeClock
) -> None:
    (car,) = scene_camera.appearances
    log = TruthLog(tmp_path / "t", clock=clock)
    middle = round((car.first_s + car.last_s) / 2 * 90_000)
    log.shown([car], ticks=middle, loop_ticks=scene_camera.main.length, fps=10)
    log.close()
    (line,) = [json.loads(text) for text in (tmp_path / "t").read_text().splitlines()]
    assert not line["complete"]


def test_the_example_county_gets_its_four_cameras(example_site: Site) -> None:
    specs = scenes_of(example_site, hosts=frozenset(), port=8554, seed=1)
    assert [spec.camera for spec in specs] == [camera.id for camera in example_site.cameras]
    assert [spec.night for spec in specs] == [False, False, True, False]
    with pytest.raises(UserError, match="9999"):
        scenes_of(example_site, hosts=frozenset(), port=9999, seed=1)


def test_bad_files_are_refused_in_words(tmp_path: Path, cache: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    for path in (text, tmp_path / "absent.mp4"):
        with pytest.raises(UserError, match=path.name):
            prepare_file(path, "cam", cache=cache)


def test_a_file_is_served_untouched(clip: Path, file_camera: CameraSource) -> None:
    assert file_camera.main.units[0].key
    assert file_camera.sub is not None
    assert file_camera.sub.length == file_camera.main.length


def test_the_command_wants_one_source() -> None:
    result = CliRunner().invoke(app, [])
    assert isinstance(result.exception, UserError)
    assert "menshen simulate --site" in CliRunner().invoke(app, ["--help"]).output
