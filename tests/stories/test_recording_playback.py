"""A recorded segment plays in a real browser, also one that a killed process left."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from edge.live.remux import Source
from edge.live.tap import picture_of
from edge.recording.segments import Segments
from edge.recording.shelf import Shelf, segments
from tests.edge.hostile import loop, read, served
from tests.stories.test_clip_playback import played

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_segment_plays_from_its_first_picture_to_its_last(
    chromium: Browser,
    tmp_path: Path,
    is_closed: bool,
) -> None:
    with served(loop()) as url:
        packets, _ = read(url, 35)
    recorded = Segments(Shelf(tmp_path, budget_bytes=10**9, keep_days=7))
    for packet in packets:
        recorded.feed(Source("h264", 320, 240, b""), picture_of(packet))
    if is_closed:
        recorded.close()
    (file,) = segments(tmp_path)
    said = played(chromium, file.read_bytes())
    assert said["error"] is None
    assert (said["width"], said["height"]) == (320, 240)
    assert said["shown"] >= (30 if is_closed else 18)
