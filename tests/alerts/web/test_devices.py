"""The installer's pages: health, lists of cameras, drawing on a picture, signs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from alerts.web.installer.draw import to_toml
from alerts.web.installer.drawings import Drawing, of_site
from config.desired import ReportedConfig
from config.site import Camera
from config.wire import Presence
from ingest.configs import ConfigStore
from ingest.presence import record_presence
from tests.alerts.web.conftest import csrf_of, form_csrf, form_login
from tests.alerts.web.pages import WALL, faults

CSV = (
    "编号,名称,节点,网格,主码流,类别,责任单位,用途,提示标识,用户名,密码\n"
    "south-gate,南门,node-east,east-gate,rtsp://10.0.0.9/main,小区,物业,安全,门柱,admin,s3cret\n"
)
SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]


@pytest.fixture
def client(county) -> Iterator[TestClient]:
    with TestClient(county.app()) as client:
        assert form_login(client, "installer").status_code == 303
        yield client


def send_list(client, data: bytes):
    return client.post(
        "/cameras/import", data=form_csrf(client), files={"list": ("list.csv", data, "text/csv")}
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_list_becomes_text_for_the_site_and_secrets_apart(client, encoding):
    page = send_list(client, CSV.encode(encoding)).text
    site, _, secrets = page.partition('id="secrets-text"')
    assert "south-gate" in site
    assert "s3cret" not in site
    assert "s3cret" in secrets


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "CSV"),
        (b"\xff\xfe\x00\x00", "GB 18030"),
        (CSV.replace("node-east", "node-x").encode(), "node-x"),
        (CSV.replace("south-gate", "east-gate-in").encode(), "east-gate-in"),
        (CSV.replace("rtsp://", "http://").encode(), "url"),
        (b'"' * 100_000, "CSV"),
    ],
)
def test_a_wrong_list_is_refused_in_words(client, data, says):
    answer = send_list(client, data)
    assert answer.status_code == 422
    assert says in answer.text
    assert "/tmp" not in answer.text


def test_the_health_of_nodes(client, county):
    assert client.get("/devices").text.count("未上线") == 2
    sign = Presence.model_validate(
        {
            "node": "node-east",
            "state": "online",
            "at": county.clock.now(),
            "outbox_events": 7,
            "cameras_online": 2,
        }
    )
    record_presence(county.engine, county.clock, sign)
    assert "在线" in client.get("/devices").text
    county.clock.advance(120)
    assert "失联" in client.get("/devices").text
    county.broken("lixiang-road")
    assert "黑屏" in client.get("/devices").text


def draw(client, camera: str, on: int, **drawing: object):
    return client.post(
        f"/cameras/{camera}/draw", json={"on": on, "drawing": drawing}, headers=csrf_of(client)
    )


def test_drawings_have_revisions_and_nobody_overwrites_anybody(client):
    zone = {"id": "yard", "polygon": SQUARE}
    assert draw(client, "east-gate-in", 0, zones=[zone]).json() == {"revision": 1}
    assert draw(client, "east-gate-in", 0).status_code == 409
    assert draw(client, "east-gate-in", 1, zones=[zone, zone]).status_code == 422
    text = client.get("/cameras/east-gate-in/draw.toml").text
    assert tomllib.loads(text)["zones"] == [{"id": "yard", "polygon": SQUARE}]


@pytest.mark.parametrize(
    "drawing",
    [
        {"zones": [{"id": "a", "polygon": SQUARE[:2]}]},
        {"zones": [{"id": "a", "polygon": [[2, 2], [3, 3], [4, 4]]}]},
        {"zones": [{"id": "<script>", "polygon": SQUARE}]},
        {"masks": [{"polygon": SQUARE * 40}]},
        {"rings": []},
    ],
)
def test_what_is_no_drawing_is_refused(client, drawing):
    assert draw(client, "east-gate-in", 0, **drawing).status_code == 422


def test_what_is_drawn_is_what_the_site_file_says(example_site):
    drawing = Drawing.model_validate(
        {
            "zones": [{"id": "z", "polygon": SQUARE, "loiter_seconds": 30}],
            "lines": [{"id": "l", "start": [0, 0], "end": [1, 1], "direction": "both"}],
            "masks": [{"polygon": SQUARE}],
        }
    )
    camera = example_site.cameras[0].model_dump()
    again = Camera.model_validate({**camera, **tomllib.loads(to_toml(drawing))})
    assert of_site(again) == drawing


def test_a_home_is_set_up_by_its_owner_alone(client, county):
    county.face("home-li-qiang")
    for path in ("", "/snapshot", "/draw", "/draw.toml", "/sign"):
        assert client.get(f"/cameras/home-li-qiang{path}").status_code == 404


def test_an_installers_look_is_audited(client, county):
    county.car("冀T8K2L6")
    assert client.get("/cameras/east-gate-in/snapshot").status_code == 200
    with county.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT detail FROM audit WHERE action='view-snapshot'")
        assert "setting up the camera" in next(iter(rows))[0]


@pytest.mark.browser
def test_drawing_by_mouse_and_by_keys(townsman, town):
    town.county.car("冀T8K2L6")
    one = townsman(WALL)
    page = one.log_in("installer")
    page.wait_for_selector("#stream", state="attached")
    page.goto(f"{town.url}/cameras/east-gate-in/draw")
    frame = page.locator("#canvas").bounding_box()
    assert frame is not None
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8)):
        page.mouse.click(frame["x"] + frame["width"] * x, frame["y"] + frame["height"] * y)
    page.click("#done")
    page.locator("#tools label").nth(2).click()
    page.focus("#canvas")
    for key in ("Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.click("#done")
    expect(page.locator("#shapes li")).to_have_count(2)
    page.click("#save")
    expect(page.locator("#hint")).to_contain_text("已保存第 1 版")
    stored = page.evaluate("() => fetch('/cameras/east-gate-in/draw.toml').then(r => r.text())")
    drawn = tomllib.loads(stored)
    assert drawn["zones"][0]["polygon"][0] == pytest.approx([0.2, 0.2], abs=0.01)
    assert drawn["masks"] == [[[0.5, 0.5], [0.55, 0.5], [0.55, 0.55]]]
    found = {}
    for path in ("draw", "sign", ""):
        page.goto(f"{town.url}/cameras/east-gate-in/{path}".rstrip("/"))
        found[path] = faults(page)
    for path in ("/devices", "/cameras/import"):
        page.goto(town.url + path)
        found[path] = faults(page)
    assert {path: problems for path, problems in found.items() if problems} == {}


def roll_out(client, node: str = "node-east", wanted: int = 0):
    data = {**form_csrf(client), "wanted": str(wanted)}
    return client.post(f"/rollout/{node}", data=data, follow_redirects=False)


def answer_of(county, state: str, *, running: int, wanted: int, problem: str = "") -> None:
    """The node's report arrives."""
    ConfigStore(county.engine, county.clock).record(
        ReportedConfig(
            node="node-east",
            running=running,
            wanted=wanted,
            state=state,
            problem=problem,
            at=county.clock.now(),
        )
    )


def test_what_is_drawn_is_sent_and_its_answer_is_seen(client, county):
    zone = {"id": "yard", "polygon": SQUARE}
    draw(client, "east-gate-in", 0, zones=[zone])
    page = client.get("/rollout").text
    assert "还没下发的改动" in page
    name = county.site.camera("east-gate-in").name
    assert name in page
    assert roll_out(client).status_code == 303
    (document,) = ConfigStore(county.engine, county.clock).wanted()
    sent = {camera.id: camera for camera in document.cameras}
    assert set(sent) == {camera.id for camera in county.site.cameras_of("node-east")}
    assert [item.id for item in sent["east-gate-in"].zones] == ["yard"]
    assert "等节点回应" in client.get("/rollout").text
    county.clock.advance(2)
    answer_of(county, "trying", running=0, wanted=1)
    assert "节点正在试用" in client.get("/rollout").text
    answer_of(county, "applied", running=1, wanted=1)
    page = client.get("/rollout").text
    assert "已生效" in page
    assert name not in page, "nothing is left to send"


@pytest.mark.parametrize(
    ("state", "says"), [("refused", "节点拒绝"), ("rolled_back", "已自动退回")]
)
def test_a_refusal_is_shown_with_its_reason_and_on_top(client, county, state, says):
    roll_out(client)
    county.clock.advance(2)
    answer_of(county, state, running=0, wanted=1, problem="camera <east>: no such stream")
    page = client.get("/rollout").text
    assert says in page
    assert "camera &lt;east&gt;: no such stream" in page
    assert page.index('id="n-node-east"') < page.index('id="n-node-lixiang"')


def test_an_answer_to_what_was_sent_before_is_none_to_what_was_sent_now(client, county):
    roll_out(client)
    county.clock.advance(2)
    answer_of(county, "applied", running=1, wanted=1)
    county.clock.advance(2)
    assert roll_out(client, wanted=1).status_code == 303
    assert "等节点回应" in client.get("/rollout").text


def test_who_is_second_learns_it_before_he_sends(client):
    assert roll_out(client).status_code == 303
    assert roll_out(client).status_code == 409
    assert roll_out(client, "no-such-node").status_code == 404
    assert roll_out(client, wanted=-1).status_code == 422


def test_an_installer_does_not_read_whose_home_changed(client, county):
    home = county.site.camera("home-li-qiang")
    county_drawings = client.app.state.web.drawings
    zone = {"id": "yard", "polygon": SQUARE}
    county_drawings.draw(home.id, Drawing.model_validate({"zones": [zone]}), on=0, by="li-qiang")
    page = client.get("/rollout").text
    assert home.name not in page
    assert "台住户摄像机" in page
