"""A node records what its site file says, and tidies up what is too old."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from config.clock import SystemClock
from config.secrets import Secrets
from config.settings import Settings
from config.site import parse_site
from edge.node import EdgeNode
from edge.recording.shelf import Shelf, segment_path, segments
from models.planes import Picture
from models.types import Detections
from tests.edge.cameras import until
from tests.edge.hostile import loop, served
from tests.servers import free_port

EXAMPLE = Path(__file__).resolve().parents[3] / "config" / "example_county.toml"
RECORDING = "[cameras.recording]\nbudget_bytes = 1_000_000_000\nkeep_days = 7\n"
GATE = "rtsp://127.0.0.1:8554/east-gate-in/"


class Blind:
    """Networks that find nothing."""

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        return [Detections((), ()) for _ in images]


def site_text(url: str) -> str:
    """The example county with one recorded camera at ``url``, and no other on its node."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace(f'url = "{GATE}main"', f'url = "{url}"', 1)
    text = text.replace(f'sub_url = "{GATE}sub"\n', "", 1)
    first, mark, second = text.partition('[[cameras]]\nid = "east-gate-out"')
    second = second.replace('node = "node-east"', 'node = "node-lixiang"', 1)
    return f"{first}{RECORDING}\n{mark}{second}"


def recorded_bytes(folder: Path) -> int:
    """How much of a camera lies on the disk."""
    return sum(file.stat().st_size for file in segments(folder)) if folder.exists() else 0


@pytest.mark.timeout(400)
def test_a_node_records_what_its_site_says_and_drops_what_is_too_old(tmp_path: Path) -> None:
    root = tmp_path / "edge" / "node-east" / "recordings"
    clock = SystemClock()
    old_ms = round(1000 * (clock.now().timestamp() - 8 * 86_400))
    Shelf(root / "once-here", budget_bytes=10**9, keep_days=7)
    old = segment_path(root / "once-here", old_ms)
    old.write_bytes(b"what a camera sent that is watched no longer")
    with served(loop()) as url:
        site = parse_site(site_text(url), where="site.toml")
        node = EdgeNode(
            site=site,
            node="node-east",
            secrets=Secrets(),
            settings=Settings(broker=f"mqtt://127.0.0.1:{free_port()}", data_dir=tmp_path),
            vision=Blind(),
            clock=clock,
            centre_url=None,
            seen=lambda _event: None,
        )
        running = threading.Thread(target=partial(node.run, seconds=None, drain_s=0))
        running.start()
        try:
            until(lambda: not old.exists() and recorded_bytes(root / "east-gate-in") > 0)
        finally:
            node.stop()
            running.join()
    assert [folder.name for folder in root.iterdir() if segments(folder)] == ["east-gate-in"]
