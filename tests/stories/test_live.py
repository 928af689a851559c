"""Live view from a camera to people's screens: who may, what they see, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine, text
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from config.live import FrameKind, LiveFrame
from tests.alerts.web.conftest import csrf_of
from tests.edge.cameras import encode_clip, until
from tests.stories.live_world import NODE, OTHER_NODE, PASSWORD, TOKEN, LiveWorld

pytestmark = pytest.mark.timeout(900)


def running(folder: Path) -> Iterator[LiveWorld]:
    built = LiveWorld(folder, encode_clip(folder / "yard.mp4", seconds=10, gop=20))
    built.start()
    until(lambda: built.node._worker.cameras_online() == 3)
    until(lambda: built.centre.relay.is_online(NODE))
    yield built
    built.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    """One that all tests look at and none breaks."""
    yield from running(tmp_path_factory.mktemp("live"))


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[LiveWorld]:
    """One for a test that breaks things."""
    yield from running(tmp_path)


def frames(view: ClientConnection, count: int, kind: FrameKind) -> list[LiveFrame]:
    """Read until ``count`` frames of that kind came; texts are passed over."""
    found: list[LiveFrame] = []
    while len(found) < count:
        message = view.recv(timeout=60)
        if isinstance(message, bytes):
            frame = LiveFrame.unpack(message)
            found += [frame] if frame.kind is kind else []
    return found


def told(view: ClientConnection, code: str) -> dict[str, Any]:
    """Read until the view is told this."""
    while True:
        message = view.recv(timeout=60)
        if isinstance(message, str) and (found := json.loads(message))["code"] == code:
            return dict(found)


def refusal(ask: Callable[[], ClientConnection]) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        ask()
    body = json.loads(refused.value.response.body or b"{}")
    return refused.value.response.status_code, body["error"]["code"]


def audit_of(world: LiveWorld, person: str) -> list[tuple[str, str, str]]:
    engine = create_engine(f"sqlite:///{next(world.settings.data_dir.glob('*.db'))}")
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select action, object, detail from audit where actor = :who"
                " and action like 'view-%' order by seq"
            ),
            {"who": person},
        ).all()
    engine.dispose()
    return [(row.action, row.object, row.detail) for row in rows]


def open_camera(browser: Browser, world: LiveWorld, person: str, camera: str) -> Page:
    page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{world.url}/login")
    page.fill("#account", person)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{world.url}/cameras/{camera}")
    page.click(".live-ask button")
    return page


PLAYING = """() => {
  const video = document.querySelector(".live-view video");
  return !video.hidden && video.currentTime > 0 && video.videoWidth > 0
    && video.getVideoPlaybackQuality().totalVideoFrames > 5;
}"""


def test_somebody_of_the_township_watches_a_yard_in_a_real_browser_and_the_view_goes_on(
    world: LiveWorld, chromium: Browser
) -> None:
    page = open_camera(chromium, world, "desk", "yard")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Policy" in line.text else None)
    page.wait_for_function(PLAYING)
    before = page.evaluate("document.querySelector('.live-view video').currentTime")
    page.wait_for_function(
        "(before) => document.querySelector('.live-view video').currentTime > before + 2",
        arg=before,
    )
    assert world.centre.relay.streams == 1
    page.click(".live-ask button")
    until(lambda: world.centre.relay.viewers == 0)
    page.context.close()
    assert problems == []
    until(lambda: world.centre.relay.streams == 0)
    rows = audit_of(world, "desk")
    assert [row[:2] for row in rows] == [
        ("view-live", "camera yard"),
        ("view-live-end", "camera yard"),
    ]
    assert "purpose: 处理告警" in rows[0][2]
    assert "viewer left" in rows[1][2]


def test_many_viewers_of_one_camera_cost_one_stream_and_a_slow_one_delays_nobody(
    world: LiveWorld,
) -> None:
    client = world.log_in("desk")
    with world.watch(client, "yard") as first, world.watch(client, "yard") as slow:
        frames(first, 1, FrameKind.INIT)
        frames(slow, 1, FrameKind.INIT)  # and then it reads no more
        with world.watch(client, "yard") as late:
            message = late.recv(timeout=60)
            assert isinstance(message, bytes)
            assert LiveFrame.unpack(message).kind is FrameKind.INIT
            joined = frames(late, 1, FrameKind.FRAGMENT)[0]
            assert joined.is_key
            frames(late, 10, FrameKind.FRAGMENT)
        assert world.centre.relay.streams == 1
        seen = frames(first, 30, FrameKind.FRAGMENT)
        assert {frame.channel for frame in seen} == {seen[0].channel}


def test_what_is_sent_is_the_cameras_own_coding_and_a_decoder_takes_it(
    world: LiveWorld, tmp_path: Path
) -> None:
    client = world.log_in("head")
    with world.watch(client, "yard", stream="main") as view:
        init = frames(view, 1, FrameKind.INIT)[0].payload
        parts = [frame.payload for frame in frames(view, 25, FrameKind.FRAGMENT)]
    assert init[1 : 1 + init[0]].startswith(b"avc1.")
    file = tmp_path / "live.mp4"
    file.write_bytes(init[1 + init[0] :] + b"".join(parts))
    with av.open(str(file)) as container:
        pictures = list(container.decode(video=0))
    assert len(pictures) == 25
    assert (pictures[0].width, pictures[0].height) == (320, 240)


def test_a_camera_with_masks_sends_masked_stills_and_no_stream(
    world: LiveWorld, chromium: Browser
) -> None:
    client = world.log_in("desk")
    with world.watch(client, "masked", stream="main") as view:
        assert "masked" in told(view, "masked")["en"]
        stills = frames(view, 3, FrameKind.STILL)
    for still in stills:
        picture = cv2.imdecode(np.frombuffer(still.payload, np.uint8), cv2.IMREAD_COLOR)
        half = picture.shape[1] // 2
        assert picture[:, : half - 8].max() < 24
        assert picture[:, half + 8 :].mean() > 40
    page = open_camera(chromium, world, "desk", "masked")
    page.wait_for_function("() => Number(document.querySelector('canvas').dataset.count) > 2")
    assert page.locator("video").is_hidden()
    page.context.close()


def test_one_picture_without_video_is_masked_too_and_audited(world: LiveWorld) -> None:
    client = world.log_in("head")

    def ask() -> httpx.Response:
        return client.get("/api/v1/cameras/masked/snapshot", params={"purpose": "a call"})

    until(lambda: ask().status_code == 200)  # its small stream may still be connecting
    answer = ask()
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture[:, : picture.shape[1] // 2 - 8].max() < 24
    assert ("view-snapshot", "camera masked", "purpose: a call") in audit_of(world, "head")
    assert client.get("/api/v1/cameras/masked/snapshot").status_code == 422


def test_who_may_not_watch_is_refused_before_anything_is_sent(world: LiveWorld) -> None:
    def asked(person: str, camera: str, **more: str) -> tuple[int, str]:
        client = world.log_in(person)
        return refusal(lambda: world.watch(client, camera, **more))  # type: ignore[arg-type]

    for person in ("desk", "head", "neighbour"):
        assert asked(person, "home") == (404, "not_found")
    assert asked("other-head", "yard") == (404, "not_found")
    assert asked("fitter", "yard") == (403, "forbidden")
    assert asked("desk", "nowhere") == (404, "not_found")
    assert asked("desk", "yard", purpose=" ") == (422, "purpose")
    assert asked("desk", "yard", stream="other") == (422, "no_such_stream")
    assert asked("desk", "yard", origin="https://evil.example") == (403, "csrf")
    stranger = httpx.Client(base_url=world.url, timeout=60)
    assert refusal(lambda: world.watch(stranger, "yard")) == (401, "not_logged_in")
    assert client_status(world, "neighbour", "home") == 404
    assert client_status(world, "owner", "home") == 200
    until(lambda: world.centre.relay.viewers == 0)
    owner = world.log_in("owner")
    with world.watch(owner, "home") as view:
        frames(view, 1, FrameKind.INIT)


def client_status(world: LiveWorld, person: str, camera: str) -> int:
    return world.log_in(person).get(f"/api/v1/cameras/{camera}/live").status_code


def test_a_revoked_session_ends_the_view_in_words(world: LiveWorld) -> None:
    client = world.log_in("head")
    with world.watch(client, "yard") as view:
        frames(view, 1, FrameKind.FRAGMENT)
        answer = client.delete("/api/v1/session", headers=csrf_of(client))
        assert answer.status_code < 300, answer.text
        assert "session" in told(view, "session_ended")["en"]
        with pytest.raises(ConnectionClosed):
            view.recv(timeout=60)
        assert view.close_code == 4401
    until(lambda: "session_ended" in audit_of(world, "head")[-1][2])


def test_hostile_messages_of_node_and_viewer_crash_nobody(world: LiveWorld) -> None:
    with pytest.raises(InvalidStatus) as refused:
        node_link(world, token="guessed")
    assert refused.value.response.status_code == 401
    client = world.log_in("desk")
    with world.watch(client, "yard") as view:
        frames(view, 1, FrameKind.INIT)
        view.send("{" * 1000)
        view.send(b"\xff" * 1000)
        frames(view, 5, FrameKind.FRAGMENT)
        for _ in range(200):
            try:
                view.send("noise")
            except ConnectionClosed:
                break
        assert told(view, "chatter")
    with node_link(world) as other:
        with world.watch(client, "yard") as view:
            seen = frames(view, 1, FrameKind.INIT)[0]
            forged = LiveFrame.make(
                FrameKind.STILL, channel=seen.channel, at_ms=1, payload=b"not this node's camera"
            )
            other.send(forged.packed)
            for junk in (b"", b"\x01", b"\x09" * 40, "nonsense", '{"type":"state"}', "[" * 5000):
                other.send(junk)
            stills = [f for f in frames(view, 20, FrameKind.FRAGMENT) if f.kind is FrameKind.STILL]
            assert stills == []
        with pytest.raises(ConnectionClosed):
            until(lambda: other.send(b"\x09" * 40) is not None)
    assert world.log_in("desk").get("/api/v1/cameras/yard/live").json()["node_online"]


def node_link(world: LiveWorld, *, node: str = OTHER_NODE, token: str = TOKEN) -> ClientConnection:
    return connect(
        f"{world.url.replace('http', 'ws')}/v1/live",
        additional_headers={"Authorization": f"Bearer {token}", "X-Menshen-Node": node},
        open_timeout=60,
    )


def test_a_camera_and_a_node_that_go_away_are_named_and_the_view_comes_back(
    own_world: LiveWorld, chromium: Browser
) -> None:
    world = own_world
    page = open_camera(chromium, world, "desk", "yard")
    page.wait_for_function(PLAYING)
    world.rtsp.stop()
    page.wait_for_selector('[role=status][data-code="camera_offline"]')
    world.start_cameras()
    page.wait_for_function(PLAYING)
    world.stop_node()
    page.wait_for_selector('[role=status][data-code="node_offline"]')
    assert "现场节点未连接" in page.inner_text(".live-view [role=status]")
    world.start_node()
    page.wait_for_function(PLAYING)
    page.context.close()
