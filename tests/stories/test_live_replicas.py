"""Live view with a second web process: the edge sends one stream, whoever watches where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection

from alerts.centre import free_port
from config.live import FrameKind
from tests.alerts.web.conftest import form_login
from tests.edge.cameras import encode_clip, until
from tests.events import wait_until
from tests.stories.live_world import NODE, PASSWORD, PEOPLE, TOKEN, LiveWorld, live_site_text
from tests.stories.test_live import frames

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).resolve().parents[2]


class SecondProcess:
    """``menshen centre run --only web`` on the database of a world."""

    def __init__(self, world: LiveWorld) -> None:
        site, secrets = world.folder / "site.toml", world.folder / "secrets.toml"
        site.write_text(live_site_text(world.rtsp_port), encoding="utf-8")
        people = "".join(f"[people.{name}]\npassword = {json.dumps(PASSWORD)}\n" for name in PEOPLE)
        secrets.write_text(f"{people}[nodes]\n{NODE} = {json.dumps(TOKEN)}\n", encoding="utf-8")
        secrets.chmod(0o600)
        port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{port}"
        self._log = world.folder / "second.log"
        words = [sys.executable, "-m", "menshen", "centre", "run", "--only", "web"]
        words += ["--site", str(site), "--secrets", str(secrets), "--port", str(port)]
        environment = {**os.environ, "MENSHEN_DATA_DIR": str(world.settings.data_dir)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def wait_until_ready(self) -> None:
        """Wait for its word; fail with its log when it ends instead."""

        def is_ready() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return "is ready" in self._log.read_text()

        wait_until(is_ready, what="a second process", limit_s=180)

    def log_in(self, person: str) -> httpx.Client:
        """A session in this process."""
        client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        assert form_login(client, person, PASSWORD).status_code == 303
        return client

    def end(self) -> int:
        """Ask it to end, as a service manager does."""
        self._process.terminate()
        return self._process.wait(timeout=90)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LiveWorld]:
    built = LiveWorld(tmp_path, encode_clip(tmp_path / "yard.mp4", seconds=10, gop=20))
    built.start()
    until(lambda: built.node._worker.cameras_online() == 3)
    until(lambda: built.centre.relay.is_online(NODE))
    yield built
    built.stop()


def watch(world: LiveWorld, client: httpx.Client, url: str) -> ClientConnection:
    """A viewer at that process."""
    here, world.url = world.url, url
    try:
        return world.watch(client, "yard")
    finally:
        world.url = here


def test_two_viewers_in_two_processes_see_one_stream_of_the_edge(world: LiveWorld) -> None:
    second = SecondProcess(world)
    try:
        second.wait_until_ready()
        there = second.log_in("desk")
        status = "/api/v1/cameras/yard/live"
        until(lambda: there.get(status).json()["node_online"])
        cameras = world.rtsp.clients
        with (
            watch(world, there, second.url) as far,
            watch(world, there, second.url) as late,
            watch(world, world.log_in("head"), world.url) as near,
        ):
            for view in (far, late, near):
                frames(view, 1, FrameKind.INIT)
                frames(view, 5, FrameKind.FRAGMENT)
            assert world.centre.relay.streams == 1
            assert world.centre.relay.viewers == 2, "one person, and the other process once"
            assert world.rtsp.clients == cameras, "the cameras see no viewer at all"
        picture = there.get(
            "/api/v1/cameras/yard/snapshot", params={"purpose": "a look from the other process"}
        )
        assert picture.headers["content-type"] == "image/jpeg"
        there.close()
        until(lambda: world.centre.relay.streams == 0)
    finally:
        code = second.end()
    assert code == 0
