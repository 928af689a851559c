"""What is recorded, as the installer's command and Prometheus tell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.clock import FakeClock
from config.errors import UserError
from config.recording_site import Recording
from edge.cli import app
from edge.recording.kept import LOOK_EVERY_S, Stock, kept
from edge.recording.recorder import Recorder
from edge.recording.shelf import Shelf, folder_of, segment_path

HOUR_MS = 3_600_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(root: Path, camera: str, hours: int) -> Path:
    """A camera with a segment of 1,000 bytes each hour since ``BEGIN``."""
    folder = root / camera
    Shelf(folder, budget_bytes=10**9, keep_days=7)
    for hour in range(hours):
        segment_path(folder, round(BEGIN.timestamp() * 1000) + hour * HOUR_MS).write_bytes(
            bytes(1_000)
        )
    (folder / "notes.txt").write_text("of somebody else", encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    found = folder_of(tmp_path / "edge" / "node-east")
    recorded(found, "gate", 30)
    recorded(found, "yard", 1)
    (found / "never").mkdir()
    return found


def test_bytes_days_and_segments_are_those_on_the_disk(root):
    gate, yard = kept(root)
    assert (gate.camera, gate.segments, gate.bytes, gate.keep_days) == ("gate", 30, 30_000, 7)
    assert (gate.oldest_s, gate.newest_s - gate.oldest_s) == (BEGIN.timestamp(), 29 * 3_600)
    assert yard.bytes == 1_000
    assert kept(root / "nowhere") == []


def test_the_command_lists_them_in_local_time(root):
    shown = CliRunner().invoke(app, ["recordings"], env={"COLUMNS": "160"}).stdout
    assert "2026-01-01 08:00" in shown
    assert "2026-01-02 13:00" in shown
    rows = json.loads(CliRunner().invoke(app, ["recordings", "--json"]).stdout)
    assert [row["camera"] for row in rows["node-east"]] == ["gate", "yard"]
    wrong = CliRunner().invoke(app, ["recordings", "--node", "node-x"])
    assert isinstance(wrong.exception, UserError)


def test_nothing_recorded_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    assert "Nothing is recorded" in CliRunner().invoke(app, ["recordings"]).stdout


def test_metrics_follow_the_disk_twice_a_minute(root):
    clock = FakeClock(BEGIN)
    clock.advance(86_400)
    stock = Stock(root, clock)
    assert stock.report()["yard"] == {"segments": 1, "bytes": 1_000, "oldest_age_s": 86_400}
    for file in (root / "yard").glob("*.mp4"):
        file.unlink()
    assert "yard" in stock.report()
    clock.advance(LOOK_EVERY_S)
    assert "yard" not in stock.report()
    assert Stock(None, clock).report() == {}


def test_a_folder_that_cannot_be_used_counts_as_an_error(tmp_path):
    (tmp_path / "gate").write_text("a file in its place", encoding="utf-8")
    recorder = Recorder(tmp_path)
    recorder.add("gate", Recording(budget_bytes=10**9, keep_days=1))
    assert recorder.errors("gate") == 1
    assert recorder.errors("yard") == 0
