"""A clip of an event, remuxed from the camera's own packets, plays in a real browser."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from playwright.sync_api import Browser

from edge.events.clips import cut_clip
from tests.edge.hostile import loop, read, served

pytestmark = pytest.mark.timeout(600)

_PLAY = """async (data) => {
  const video = document.createElement('video');
  video.muted = true;
  video.src = 'data:video/mp4;base64,' + data;
  document.body.append(video);
  return await new Promise((done) => {
    const said = () => ({
      error: video.error && video.error.message, width: video.videoWidth,
      height: video.videoHeight, seconds: video.duration, at: video.currentTime,
      shown: video.getVideoPlaybackQuality().totalVideoFrames,
    });
    video.onerror = () => done(said());
    video.onended = () => done(said());
    video.play().catch((error) => done({...said(), error: String(error)}));
  });
}"""


def clip_of(codec: str, name: str) -> bytes:
    with served(loop(codec=codec)) as url:
        packets, _ = read(url, 35)
    clip = cut_clip(packets, codec=name)
    assert clip is not None
    return clip


def played(chromium: Browser, clip: bytes) -> dict[str, Any]:
    page = chromium.new_page()
    try:
        return dict(page.evaluate(_PLAY, b64encode(clip).decode()))
    finally:
        page.close()


def test_a_clip_of_h264_plays_from_its_first_picture_to_its_last(chromium: Browser) -> None:
    said = played(chromium, clip_of("h264", "h264"))
    assert said["error"] is None
    assert (said["width"], said["height"]) == (320, 240)
    assert said["seconds"] == pytest.approx(3.5, abs=0.3)
    assert said["at"] == pytest.approx(said["seconds"], abs=0.15), "it came to its end"
    assert said["shown"] >= 30


def test_a_clip_of_h265_plays_where_the_browser_can_and_else_it_says_so(chromium: Browser) -> None:
    page = chromium.new_page()
    can = page.evaluate(
        'document.createElement("video").canPlayType(`video/mp4; codecs="hvc1.1.6.L93.B0"`)'
    )
    page.close()
    said = played(chromium, clip_of("h265", "hevc"))
    if can:
        assert said["error"] is None
        assert said["shown"] >= 30
    else:
        assert said["error"], "never a black picture without a word"
