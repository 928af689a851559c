"""An installer at work: cameras found by a node, a zone drawn, sent and in use; all parts real."""

from __future__ import annotations

import html
import io
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from alerts.database import database_url
from config.discovery import DiscoveryReport, FoundCamera
from config.site import parse_site
from edge.simulator.auth import Credentials
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.tools.discover import discover
from edge.tools.discovery_report import search, send
from ingest.engine import open_engine
from tests.alerts.web.conftest import csrf_of, form_login
from tests.alerts.web.pages import PHONE, faults
from tests.alerts.web.test_every_page import keep
from tests.edge.cameras import encode_clip, until
from tests.edge.onvif_device import PASSWORD as CAMERA_PASSWORD
from tests.edge.onvif_device import USER, OnvifDevice, Profile
from tests.edge.tools.test_discover import devices, honest
from tests.stories.live_world import NODE, PASSWORD, TOKEN, LiveWorld, live_site_text

pytestmark = pytest.mark.timeout(900)
ELSEWHERE = "127.0.0.2"
"""The new camera's address; the site's own cameras, one of a home, are at 127.0.0.1."""
MANY_CAMERAS = json.dumps(
    {"cameras": [{"address": f"10.0.1.{n}", "name": "名" * 150} for n in range(250)]}
)
GOOD_PICTURE = '{"picture": "' + "/9j/" * 200_000 + '"}'
"""As long as that of a sharp camera; nobody waits for it."""
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
            found = discover(seconds=1.5, target=place, rtsp_port=world.rtsp_port)
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
        (MANY_CAMERAS, TOKEN, 204),
    ],
)
def test_the_door_takes_reports_of_nodes_only(world, body, token, status):
    headers = {"Authorization": f"Bearer {token}", "X-Menshen-Node": NODE}
    answer = httpx.put(
        f"{world.url}/v1/discovery", content=body, headers=headers, trust_env=False, timeout=60
    )
    assert answer.status_code == status


@dataclass
class NewCamera:
    """A camera out of its box, at an address of its own: ONVIF and RTSP, both with a login."""

    device: OnvifDevice
    rtsp: RtspServer

    def found(self, asked: str) -> bytes:
        """Its answer to a search."""
        usual = b"http://192.168.1.64/onvif/device_service"
        return honest(asked).replace(usual, self.device.service.encode())


@pytest.fixture
def new_camera(world: LiveWorld) -> Iterator[NewCamera]:
    source = CameraSource("new", world.sources[0].main, world.sources[0].sub)
    login = Credentials(USER, SecretStr(CAMERA_PASSWORD))
    with RtspServer(ELSEWHERE, 0, [source], login) as rtsp:
        offers = [
            Profile("main", "H264", (1920, 1080), rtsp.url("new")),
            Profile("sub", "H264", (320, 240), rtsp.url("new", "sub")),
        ]
        with OnvifDevice(offers, host=ELSEWHERE, logins=frozenset({"digest"})) as device:
            yield NewCamera(device, rtsp)


@pytest.fixture
def found(world, installer, new_camera, monkeypatch) -> str:
    """The page of the camera, once the node has found it."""
    with devices(new_camera.found, host=ELSEWHERE) as place:

        def nearby() -> DiscoveryReport:
            return DiscoveryReport(
                cameras=tuple(discover(seconds=1.5, target=place, rtsp_port=None))
            )

        monkeypatch.setattr("edge.live.errands.search", nearby)
        path = f"/discovery/{NODE}/{ELSEWHERE}"
        assert press(installer, f"/discovery/{NODE}").status_code == 303
        until(lambda: path in installer.get("/discovery").text)
    return path


DESCRIBED = {
    "id": "north-gate",
    "name": "北门",
    "grid": "east",
    "legal_class": "village",
    "duty_holder": "村委会",
    "purpose": "安全",
    "sign": "北门柱",
    "user": USER,
    "password": CAMERA_PASSWORD,
}


def between(page: str, start: str, end: str) -> str:
    return html.unescape(page.partition(start)[2].partition(">")[2].partition(end)[0])


def test_a_found_camera_is_tried_seen_and_joins_the_site(world, installer, found, new_camera):
    assert f"{NODE}-127-0-0-2" in installer.get(found).text
    page = press(installer, found, **DESCRIBED).text
    site = between(page, 'id="site-text"', "</textarea>")
    secrets = between(page, 'id="secrets-text"', "</textarea>")
    assert CAMERA_PASSWORD not in html.unescape(page).replace(secrets, "")
    (camera,) = tomllib.loads(site)["cameras"]
    assert camera["url"] == new_camera.rtsp.url("new")
    assert camera["sub_url"] == new_camera.rtsp.url("new", "sub")
    assert tomllib.loads(secrets)["cameras"]["north-gate"]["password"] == CAMERA_PASSWORD
    joined = parse_site(live_site_text(world.rtsp_port) + site, where="the site with it")
    assert joined.camera("north-gate").name == "北门"
    shown = re.search(r'src="(/discovery/trials/[^"]+/picture)"', page)
    assert shown is not None
    picture = installer.get(shown[1])
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (320, 240)
    assert installer.get(shown[1]).status_code == 404, "it is shown once"
    engine = open_engine(database_url(world.settings))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT detail FROM audit WHERE action='camera-tried'")
        details = [row[0] for row in rows]
        assert connection.exec_driver_sql("SELECT count(*) FROM camera_trials").scalar() == 0
    engine.dispose()
    assert any("north-gate" in detail for detail in details)
    assert not any(CAMERA_PASSWORD in detail for detail in details)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"password": "wrong"}, "refused the user name or password"),
        ({"user": ""}, "refused the user name or password"),
        ({"legal_class": ""}, "legal_class"),
        ({"legal_class": "home"}, "owner"),
        ({"id": "yard"}, "yard"),
        ({"grid": "nowhere"}, "nowhere"),
        ({"retention_days": "soon"}, "retention_days"),
        ({"sign": ""}, "sign"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(installer, found, changed, says):
    page = press(installer, found, **DESCRIBED | changed)
    assert says in page.text
    assert 'id="site-text"' not in page.text


def test_a_homes_new_camera_works_but_is_not_looked_through(installer, found):
    page = press(installer, found, **DESCRIBED | {"legal_class": "home", "owner": "owner"}).text
    assert "/picture" not in page
    assert "320×240" in page
    assert "legal_class = &#34;home&#34;" in page


def test_the_page_before_and_after_is_whole_on_a_phone_and_on_a_wall(world, found, chromium):
    page = chromium.new_context(viewport=PHONE).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{world.url}/login")
    page.fill("#account", "fitter")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    problems = {}
    page.goto(f"{world.url}/discovery")
    problems["found"] = faults(page)
    keep(page, "installer-searched")
    page.click(f"a[href='{found}']")
    page.wait_for_selector("#legal_class")
    problems["form"] = faults(page)
    keep(page, "installer-found")
    for name, text in DESCRIBED.items():
        if name in ("grid", "legal_class"):
            page.select_option(f"#{name}", text)
        else:
            page.fill(f"#{name}", text)
    page.click("main form button[type=submit]")
    page.wait_for_selector("img.trial")
    page.wait_for_function("() => document.querySelector('img.trial').naturalWidth === 320")
    problems["result"] = faults(page)
    keep(page, "installer-tried")
    page.context.close()
    assert {name: said for name, said in problems.items() if said} == {}


def test_only_what_was_found_can_be_tried_and_never_a_homes(world, installer, found):
    assert press(installer, f"/discovery/{NODE}/10.1.2.3", **DESCRIBED).status_code == 404
    assert press(installer, f"/discovery/no-such-node/{ELSEWHERE}", **DESCRIBED).status_code == 404
    report = DiscoveryReport(cameras=(FoundCamera(address="127.0.0.1"),))
    send(report, centre_url=world.url, node=NODE, token=SecretStr(TOKEN))
    assert press(installer, f"/discovery/{NODE}/127.0.0.1", **DESCRIBED).status_code == 403


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        ("{}", "wrong", 401),
        ("{}", TOKEN, 404),
        ('{"picture": "bm8ganBlZw=="}', TOKEN, 422),
        ('{"picture": "' + "/9j/" * 500_000 + '"}', TOKEN, 413),
        (GOOD_PICTURE, "wrong", 401),
        (GOOD_PICTURE, TOKEN, 404),
    ],
)
def test_the_door_takes_trials_that_somebody_waits_for(world, body, token, status):
    headers = {"Authorization": f"Bearer {token}", "X-Menshen-Node": NODE}
    answer = httpx.put(
        f"{world.url}/v1/trials/{'0' * 36}",
        content=body,
        headers=headers,
        trust_env=False,
        timeout=60,
    )
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
