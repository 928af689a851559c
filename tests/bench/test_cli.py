"""The last line of every benchmark is one JSON object with the agreed keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.bench.cli import app

pytestmark = pytest.mark.shared


def last_line(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    parsed: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return parsed


def part(source: Path, target: Path, count: int) -> Path:
    """The first pictures of a labelled set."""
    target.mkdir()
    lines = (source / "labels.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    (target / "labels.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for line in lines:
        shutil.copy(source / json.loads(line)["file"], target)
    return target


def test_faces(shared: Path, tmp_path: Path) -> None:
    data = part(shared / "eval/faces", tmp_path / "faces", 6)
    result = last_line("faces", "--data", str(data), "--mirror", str(shared / "models"))
    assert set(result) == {"easy", "medium", "hard", "ms", "n"}
    assert result["n"] == 6
    assert 0.0 <= result["hard"] <= 1.0


def test_pairs(shared: Path, tmp_path: Path) -> None:
    source, data = shared / "eval/face_pairs", tmp_path / "pairs"
    data.mkdir()
    rows = (source / "pairs.csv").read_text(encoding="utf-8").splitlines()
    chosen = [*rows[:10], *rows[-10:]]
    (data / "pairs.csv").write_text("\n".join(chosen), encoding="utf-8")
    for row in chosen:
        for name in row.split(",")[:2]:
            shutil.copy(source / name, data)
    result = last_line("pairs", "--data", str(data), "--mirror", str(shared / "models"))
    assert set(result) == {"accuracy", "tar_at_far_1e3", "n"}
    assert result["n"] == 20
    assert result["accuracy"] > 0.8


def test_plates(shared: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    for path in sorted((shared / "eval/plate_crops").iterdir())[:16]:
        shutil.copy(path, crops)
    result = last_line("plates", "--crops", str(crops))
    assert set(result) == {"exact", "per_character", "ms", "n"}
    assert result["n"] == 16
    data = part(shared / "eval/plate_street", tmp_path / "street", 6)
    result = last_line("plates", "--scenes", str(data))
    assert set(result) == {"recall", "exact", "corner_error", "false_per_image", "ms", "n"}
    data = part(shared / "eval/plate_scenes", tmp_path / "scenes", 4)
    result = last_line("tracks", "--data", str(data), "--frames", "3")
    assert set(result) == {"single", "surest", "voted", "frames", "n"}
    assert result["n"] == 4


def test_inference(shared: Path) -> None:
    result = last_line("inference", "--repeat", "3", "--mirror", str(shared / "models"))
    ways = {line["way"] for line in result["models"]}
    assert {"Menshen", "plain: one at a time, loops"} <= ways
    for line in result["models"]:
        assert line["total_ms"] > 0
        assert line["outside"] is None or 0 <= line["outside"] < 1
