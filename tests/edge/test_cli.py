"""``menshen edge``: one real camera without any centre, a node, a probe, and clear errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.event import Event
from tests.edge.cameras import LOGIN, PASSWORD, GstCamera

ROOT = Path(__file__).resolve().parents[2]


def menshen(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would."""
    return subprocess.run(
        [sys.executable, str(ROOT / "menshen.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **variables},
        check=False,
    )


def no_secret(done: subprocess.CompletedProcess[str]) -> None:
    for text in (done.stdout, done.stderr):
        assert PASSWORD not in text
        assert "Se%40cret" not in text


def test_a_camera_needs_no_centre(clip: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with GstCamera(clip, login=True) as camera:
        done = menshen(
            "edge", "run", "--camera", f"rtsp://{LOGIN}{camera.address}", "--seconds", "12",
            "--json", "--report", str(report), "--evidence", str(tmp_path / "evidence"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    no_secret(done)
    *events, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert summary["frames_decoded"] > 0
    assert summary["events"] >= 1
    assert summary == json.loads(report.read_text())
    told = [Event.model_validate(event) for event in events]
    assert len({event.visit for event in told}) == summary["events"]
    kept = {path.stem for path in (tmp_path / "evidence").glob("??/*.*")}
    assert {ref.sha256 for event in told for ref in event.evidence} == kept


def test_the_clip_with_cars_gives_events(shared: Path) -> None:
    with GstCamera(shared / "eval" / "clips" / "car-detection.mp4") as camera:
        done = menshen(
            "edge", "run", "--camera", f"rtsp://{camera.address}", "--seconds", "14", "--json"
        )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["frames_decoded"] > 100
    assert summary["events"] >= 1


def test_a_wrong_password_ends_with_words_and_no_secret(clip: Path) -> None:
    with GstCamera(clip, login=True) as camera:
        done = menshen(
            "edge", "run", "--camera", f"rtsp://viewer:{'Wr0ng' * 2}@{camera.address}",
            "--seconds", "12", "--json",
        )  # fmt: skip
    assert done.returncode == 1
    assert "refused the user name or password" in done.stderr
    assert "Wr0ng" not in done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["health"]["condition"] for line in lines[:-1]] == ["wrong_credentials"]
    assert lines[-1]["frames_decoded"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--camera", "http://u:Se@cret/42@h/x"),
        ("--camera", "rtsp://h/x", "--node", "n"),
        ("--site", "config/example_county.toml"),
        ("--site", "config/example_county.toml", "--node", "nowhere"),
        (),
    ],
)
def test_a_wrong_call_is_told_what_to_do(arguments: tuple[str, ...]) -> None:
    done = menshen("edge", "run", *arguments)
    assert done.returncode == 2
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr
    no_secret(done)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_replayed(
    clip: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    done = menshen("edge", "replay", str(clip), "--video", str(taken))
    assert done.returncode == 2
    assert str(taken) in done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr


def test_probe_says_what_the_camera_sends(clip: Path) -> None:
    with GstCamera(clip, login=True) as camera:
        done = menshen(
            "edge", "probe", f"rtsp://{LOGIN}{camera.address}", "--seconds", "4", "--json"
        )
        wrong = menshen("edge", "probe", f"rtsp://viewer:x@{camera.address}")
    no_secret(done)
    found = json.loads(done.stdout)
    assert (found["codec"], found["width"], found["height"]) == ("H.264", 320, 240)
    assert found["gop_s"] == pytest.approx(1.0, abs=0.1)
    assert any("1280x720" in line for line in found["advice"])
    assert wrong.returncode == 2
    assert "refused" in wrong.stderr


SITE = """
[county]
id = "qinghe"
name = "清河县"
[[nodes]]
id = "node-a"
name = "机房"
[[grids]]
id = "east"
name = "东门网格"
township = "城关镇"
head = "wang"
[[people]]
id = "wang"
name = "王芳"
role = "grid_head"
[[cameras]]
id = "cam-a"
name = "东门"
node = "node-a"
grid = "east"
url = "rtsp://{address}"
legal_class = "gated"
duty_holder = "物业"
purpose = "安全"
sign = "岗亭"
"""


def test_a_node_without_its_centre_keeps_every_event(
    clip: Path, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    secrets = tmp_path / "secrets.toml"
    secrets.touch(mode=0o600)
    secrets.write_text(f'[cameras.cam-a]\nuser = "viewer"\npassword = "{PASSWORD}"\n')
    report = tmp_path / "report.json"
    with GstCamera(clip, login=True) as camera:
        (tmp_path / "site.toml").write_text(SITE.replace("{address}", camera.address))
        node = subprocess.Popen(
            [
                sys.executable, str(ROOT / "menshen.py"), "edge", "run",
                "--site", str(tmp_path / "site.toml"), "--node", "node-a",
                "--secrets", str(secrets), "--report", str(report), "--drain", "0.5",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "MENSHEN_BROKER": f"mqtt://127.0.0.1:{free_port}",
                "MENSHEN_DATA_DIR": str(tmp_path / "data"),
            },
        )  # fmt: skip
        assert node.stdout is not None
        line = node.stdout.readline()
        node.send_signal(signal.SIGTERM)
        out, logs = node.communicate(timeout=60)
    assert node.returncode == 0, logs
    assert "UTC+08:00  cam-a  motion" in line
    assert PASSWORD not in out + logs
    done = json.loads(report.read_text())
    assert done["outbox_left"] == done["outbox_highest"] >= 1
    assert done["events_not_kept"] == 0
    assert done["cameras"]["cam-a"]["events"]["motion"] >= 1
