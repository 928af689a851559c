"""From simulated RTSP cameras to answered alerts, as `make demo` runs it, on all four servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from tests.servers import Mosquitto

PROMISED = {
    "cameras",
    "frames_decoded",
    "events",
    "plates_read",
    "plates_expected",
    "plates_exact",
    "faces",
    "alerts",
    "acknowledged",
    "outbox_left",
    "lost",
    "duplicates",
    "event_to_alert_ms_p50",
    "event_to_alert_ms_p99",
}


def run_demo(folder: Path, **environment: str) -> tuple[dict[str, Any], str]:
    """The last line's object, and what a person would have seen."""
    clean = {name: text for name, text in os.environ.items() if name != "MENSHEN_BROKER"}
    done = subprocess.run(
        [sys.executable, "-m", "menshen", "demo", "--headless", "--seconds", "45", "--json"]
        + ["--keep", str(folder)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary, done.stderr


def check_the_story(summary: dict[str, Any], told: str) -> None:
    assert set(summary) >= PROMISED
    assert summary["cameras"] == 4
    assert summary["frames_decoded"] > 0
    assert summary["plates_expected"] > 0
    # How well plates are read is measured by the benches; a busy machine looks less often.
    assert summary["plates_exact"] >= 0.6 * summary["plates_expected"]
    assert summary["alerts"] > 0
    assert summary["acknowledged"] > 0
    assert summary["escalated"] >= 1, "the alert that nobody answered must climb"
    assert summary["event_to_alert_ms_p50"] is not None
    assert (summary["lost"], summary["duplicates"], summary["outbox_left"]) == (0, 0, 0)
    assert summary["evidence_left"] == 0
    assert "http://127.0.0.1:" in told
    assert "接警 acknowledged" in told


@pytest.mark.timeout(840)
def test_the_whole_county_on_the_embedded_broker_and_sqlite(tmp_path: Path) -> None:
    summary, told = run_demo(
        tmp_path / "desk",
        MENSHEN_MODELS_MIRROR=str(tmp_path / "empty"),
        MENSHEN_MODELS_DIR=str(tmp_path / "none"),
    )
    check_the_story(summary, told)
    assert summary["missing_models"] == [], "our own network finds faces where none was pulled"
    assert summary["faces"] > 0
    assert "人脸 face" in told
    logs = "".join(path.read_text("utf-8", "replace") for path in (tmp_path / "desk").glob("*.log"))
    secrets = (tmp_path / "desk" / "secrets.toml").read_text(encoding="utf-8")
    for secret in (line.split('"')[1] for line in secrets.splitlines() if '"' in line):
        assert secret not in logs, "a password or token reached a log"


@pytest.mark.timeout(840)
def test_the_whole_county_on_mosquitto_and_postgresql(
    tmp_path: Path, mosquitto: Mosquitto, postgres_url: str
) -> None:
    summary, told = run_demo(
        tmp_path / "desk",
        MENSHEN_BROKER=mosquitto.url,
        MENSHEN_DATABASE=postgres_url,
        MENSHEN_MODELS_MIRROR=str(SHARED / "models"),
        MENSHEN_MODELS_DIR=str(tmp_path / "models"),
    )
    check_the_story(summary, told)
    if SHARED.is_dir():  # the face model comes from the mirror that lies there
        assert summary["missing_models"] == []
        assert summary["faces"] > 0
        assert "人脸 face" in told
