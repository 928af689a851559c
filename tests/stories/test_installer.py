"""An installer at work: cameras found by a node, a zone drawn, sent and in use; all parts real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from config.discovery import DiscoveryReport
from edge.tools.discover import discover
from edge.tools.discovery_report import search
from tests.alerts.web.conftest import csrf_of, form_login
from tests.edge.cameras import encode_clip, until
from tests.edge.tools.test_discover import devices, honest
from tests.stories.live_world import NODE, PASSWORD, TOKEN, LiveWorld

pytestmark = pytest.mark.timeout(300)
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    folder: Path = tmp_path_factory.mktemp("installer")
    built = LiveWorld(folder, encode_clip(folder / "yard.mp4", seconds=6, gop=20))
    built.start()
    until(lambda: built.centre.relay.is_online(NODE))
    yield built
    built.stop()


@pytest.fixture
def installer(world: LiveWorld) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world.url, timeout=60, trust_env=False) as client:
        assert form_login(client, "fitter", PASSWORD).status_code == 303
        yield client


def press(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_of(client)["X-CSRF-Token"]
    return client.post(path, data={"csrf_token": token, **fields})


def test_the_node_searches_its_own_network_and_the_page_shows_it(world, installer, monkeypatch):
    with devices(honest) as place:

        def nearby() -> DiscoveryReport:
            found = discover(seconds=0.5, target=place, rtsp_port=world.rtsp_port)
            return DiscoveryReport(cameras=tuple(found))

        monkeypatch.setattr("edge.live.errands.search", nearby)
        assert press(installer, f"/discovery/{NODE}").status_code == 303
        until(lambda: "DS-2CD3T46" in installer.get("/discovery").text)
    page = installer.get("/discovery").text
    assert "East Gate" in page
    assert "127.0.0.1" in page


def test_a_node_that_cannot_search_says_why(world, installer, monkeypatch):
    monkeypatch.setattr("edge.live.errands.search", lambda: search(interface="203.0.113.7"))
    assert press(installer, f"/discovery/{NODE}").status_code == 303
    until(lambda: "cannot search it" in installer.get("/discovery").text)


def test_a_node_that_is_away_is_not_asked(installer):
    assert press(installer, "/discovery/no-such-node").status_code == 404


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        ("{}", "wrong", 401),
        ("{}", TOKEN, 204),
        ("[]", TOKEN, 422),
        ('{"cameras": [{"address": "<script>"}]}', TOKEN, 422),
        ('{"cameras": [' + ",".join(['{"address": "10.0.0.1"}'] * 501) + "]}", TOKEN, 422),
        ('{"problem": "' + "x" * 300_000 + '"}', TOKEN, 413),
    ],
)
def test_the_door_takes_reports_of_nodes_only(world, body, token, status):
    headers = {"Authorization": f"Bearer {token}", "X-Menshen-Node": NODE}
    answer = httpx.put(f"{world.url}/v1/discovery", content=body, headers=headers, trust_env=False)
    assert answer.status_code == status


def test_a_zone_is_drawn_sent_and_in_use(world, installer):
    drawing = {"zones": [{"id": "yard-zone", "polygon": SQUARE}]}
    body = {"on": 0, "drawing": drawing}
    drawn = installer.post("/cameras/yard/draw", json=body, headers=csrf_of(installer))
    assert drawn.json() == {"revision": 1}
    page = installer.get("/rollout").text
    wanted = re.search(r'name="wanted" value="(\d+)"', page)
    assert wanted is not None
    assert press(installer, f"/rollout/{NODE}", wanted=wanted[1]).status_code == 303
    until(lambda: "已生效" in installer.get("/rollout").text)
    assert world.node.report()["configuration"] == int(wanted[1]) + 1
