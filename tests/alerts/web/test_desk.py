"""The police desk: watch list, review, search, export, audit, figures, map, and the keyboard."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import insert, select

from alerts.life.state import State
from alerts.store import schema
from alerts.web.police.county_map import EDGE, HEIGHT, WIDTH, draw
from alerts.web.police.exporting import watermark
from alerts.web.police.figures import summarise
from alerts.web.police.watching import Wanted
from config.event import Severity
from config.ids import uuid7
from tests.alerts.web.conftest import become, post
from tests.alerts.web.county import make_jpeg
from tests.alerts.web.pages import WALL, faults

PLATE = "冀T8K2L6"


def request(county, **changes: object) -> dict[str, object]:
    """The fields of the form for a watch entry, right unless changed."""
    today = county.clock.now().date()
    return {
        "plate": PLATE,
        "case_number": "案2026-118",
        "legal_basis": "刑事诉讼法 第115条",
        "reason": "盗窃案嫌疑车辆",
        "starts": str(today - timedelta(days=1)),
        "ends": str(today + timedelta(days=29)),
        "grids": ["east-gate"],
        **changes,
    }


def watched(client, county) -> str:
    become(client, "police-desk")
    assert post(client, "/watch", **request(county)).status_code == 303
    (entry,) = client.app.state.web.watch_list.all()
    return entry.id


def test_an_entry_does_nothing_until_two_others_have_approved(client, county):
    entry = watched(client, county)
    assert post(client, f"/watch/{entry}/approve").status_code == 409, "one's own"
    assert county.car(PLATE).state is State.OPEN
    county.clock.advance(400)
    become(client, "admin-gao")
    assert post(client, f"/watch/{entry}/approve").status_code == 303
    assert post(client, f"/watch/{entry}/approve").status_code == 409, "one vote each"
    assert county.car(PLATE).state is State.OPEN
    county.clock.advance(400)
    become(client, "admin-lin")
    assert post(client, f"/watch/{entry}/approve").status_code == 303
    hit = county.car(PLATE)
    assert hit.state is State.REVIEW
    assert [line.person_id for line in hit.told] == ["police-desk"], "nobody is sent yet"


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": "2026-12-31"},
        {"ends": "2025-01-01"},
        {"ends": "tomorrow"},
        {"grids": []},
        {"grids": ["nowhere"]},
        {"case_number": " "},
        {"legal_basis": " "},
        {"reason": " "},
        {"plate": "*"},
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(client, county, changes):
    become(client, "police-desk")
    assert post(client, "/watch", **request(county, **changes)).status_code == 422
    assert client.app.state.web.watch_list.all() == []


def approved(client, county, **changes: object) -> str:
    now = county.clock.now()
    fields = {
        "plate": PLATE,
        "case_number": "案1",
        "legal_basis": "法",
        "reason": "由",
        "grids": ("east-gate",),
        "starts_at": now,
        "ends_at": now + timedelta(days=90),
        **changes,
    }
    watch_list = client.app.state.web.watch_list
    entry = watch_list.ask(Wanted(**fields), requester="police-desk")
    assert watch_list.vote(entry, "admin-gao", approves=True)
    assert watch_list.vote(entry, "admin-lin", approves=True)
    return entry


def test_it_ends_by_itself_and_holds_only_in_its_area(client, county):
    approved(client, county)
    assert county.car(PLATE, camera="lixiang-road").state is State.OPEN
    assert county.car(PLATE).state is State.REVIEW
    county.clock.advance(timedelta(days=90).total_seconds())
    assert county.car(PLATE).state is State.OPEN


def test_one_refusal_or_an_early_end_stops_it(client, county):
    entry = approved(client, county)
    assert client.app.state.web.watch_list.end(entry, "police-desk")
    assert county.car(PLATE).state is State.OPEN
    watch_list = client.app.state.web.watch_list
    now = county.clock.now()
    wanted = Wanted("京A12345", "2", "法", "由", ("east-gate",), now, now + timedelta(days=1))
    other = watch_list.ask(wanted, requester="police-desk")
    assert watch_list.vote(other, "admin-gao", approves=False)
    assert not watch_list.vote(other, "admin-lin", approves=True)
    assert county.car("京A12345").state is State.OPEN


def test_a_home_is_never_part_of_a_watch(client, county):
    approved(client, county, grids=("lixiang",))
    assert county.car(PLATE, camera="home-li-qiang").state is State.OPEN


@pytest.mark.parametrize(("word", "state"), [("yes", State.OPEN), ("no", State.CLOSED)])
def test_a_person_decides_side_by_side(client, county, word, state):
    approved(client, county)
    hit = county.car(PLATE)
    become(client, "police-desk")
    assert "案1" in client.get("/review").text
    assert post(client, f"/alerts/{hit.id}/review", is_match="perhaps").status_code == 422
    assert post(client, f"/alerts/{hit.id}/review", is_match=word).status_code == 303
    assert county.service.get(county.police(), hit.id).state is state


def test_a_search_needs_a_purpose_and_is_audited_before_it_runs(client, county):
    alert = county.car(PLATE)
    become(client, "police-desk")
    day = str(county.clock.now().date())
    fields = {"first": day, "last": day, "purpose": "核查昨晚的事"}
    assert post(client, "/search", **{**fields, "purpose": ""}).status_code == 422
    assert post(client, "/search", **fields, plate=PLATE).status_code == 422, "no case"
    long_ago = str(county.clock.now().date() - timedelta(days=7))
    assert post(client, "/search", **{**fields, "first": long_ago}).status_code == 422
    assert alert.id in post(client, "/search", **fields, plate=PLATE, case_number="案1").text
    assert alert.id not in post(client, "/search", **fields, kind="face").text
    with county.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT detail FROM audit WHERE action='search'")
        assert len([row for row in rows if "核查昨晚的事" in row[0]]) == 2


def crowd(county, alert, *, state: State, count: int = 200) -> None:
    """The same again, many times, as a bad night brings it."""
    table = schema.alerts
    with county.engine.begin() as connection:
        found = connection.execute(select(table).where(table.c.id == alert.id)).mappings().one()
        now = county.clock.now() + timedelta(seconds=1)
        own = {"state": str(state), "opened_at": now}
        copies = [
            {**found, **own, "id": uuid7(now), "dedup_key": f"copy {number}"}
            for number in range(count)
        ]
        connection.execute(insert(table), copies)


def test_a_plate_is_found_behind_hundreds_of_newer_alerts(client, county):
    alert = county.car(PLATE)
    crowd(county, county.car("冀T1"), state=State.OPEN)
    become(client, "police-desk")
    day = str(county.clock.now().date())
    fields = {"first": day, "last": day, "purpose": "核查昨晚的事"}
    for typed in (PLATE, "冀T·8K2L6", "冀t 8k2l6"):
        found = post(client, "/search", **fields, plate=typed, case_number="案1").text
        assert alert.id in found, typed
        assert "只显示最新" not in found
    everything = post(client, "/search", **fields).text
    assert alert.id not in everything
    assert "只显示最新 200 条" in everything, "what is left out is said"


def test_no_match_waits_unseen_behind_louder_alerts(client, county):
    approved(client, county)
    hit = county.car(PLATE)
    assert hit.state is State.REVIEW
    crowd(county, county.car("冀T1", severity=Severity.CRITICAL), state=State.OPEN)
    become(client, "police-desk")
    assert hit.id in client.get("/review").text


def test_what_waits_is_shown_before_hundreds_that_are_handled(client, county):
    waits = county.car("冀T1")
    crowd(county, county.car("冀T2", severity=Severity.CRITICAL), state=State.DONE)
    become(client, "police-desk")
    page = client.get("/").text
    assert f'id="alert-{waits.id}"' in page
    assert "只显示前 200 条" in page


def test_homes_are_found_by_no_search(client, county):
    alert = county.face("home-li-qiang")
    become(client, "police-desk")
    day = str(county.clock.now().date())
    assert alert.id not in post(client, "/search", first=day, last=day, purpose="查询").text


def test_an_export_needs_a_second_person_and_carries_a_true_manifest(client, county):
    crop = county.evidence(make_jpeg("crop", (400, 300)), role="crop")
    scene = county.evidence(make_jpeg("scene"), role="scene")
    alert = county.car(PLATE, evidence=(crop, scene))
    become(client, "police-desk")
    fields = {"purpose": "移送检察院", "case_number": "案1", "alert": [alert.id]}
    assert post(client, "/exports", **{**fields, "case_number": ""}).status_code == 422
    assert post(client, "/exports", **{**fields, "alert": []}).status_code == 422
    assert post(client, "/exports", **fields).status_code == 303
    (export,) = client.app.state.web.exports.all()
    file = f"/exports/{export.id}/package.zip"
    assert client.get(file).status_code == 404
    assert post(client, f"/exports/{export.id}/approve").status_code == 409
    become(client, "admin-gao")
    assert post(client, f"/exports/{export.id}/approve").status_code == 303
    become(client, "admin-lin")
    assert client.get(file).status_code == 404, "neither asked nor approved"
    become(client, "police-desk")
    answer = client.get(file)
    assert answer.content == client.get(file).content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        (listed,) = manifest["alerts"]
        (picture,) = listed["files"]
        assert hashlib.sha256(archive.read(picture["file"])).hexdigest() == picture["sha256"]
        assert picture["original_sha256"] == crop.sha256
        assert listed["left_out"] == 1, "the scene may show bystanders"
        sealed = hashlib.sha256(archive.read("manifest.json")).hexdigest()
    assert client.app.state.web.exports.find(export.id).manifest_sha256 == sealed


def test_an_old_export_is_still_there(client, county):
    exports, asked = client.app.state.web.exports, []
    for _ in range(201):
        alert = (uuid7(county.clock.now()),)
        asked.append(exports.ask(alert, purpose="x", case_number="1", requester="admin-lin"))
        county.clock.advance(1)
    assert asked[0].id not in {export.id for export in exports.all()}
    become(client, "police-desk")
    assert post(client, f"/exports/{asked[0].id}/approve").status_code == 303


def test_a_watermark_is_in_the_picture():
    plain = make_jpeg("x", (640, 360))
    marked = Image.open(io.BytesIO(watermark(plain, "export 1")))
    assert marked.size == (640, 360)
    assert marked.convert("L").crop((0, 330, 640, 360)).getextrema()[1] > 200


def test_the_audit_page_shows_a_row_that_was_altered(client, county):
    county.car(PLATE)
    become(client, "police-desk")
    assert "没有被改动" in client.get("/audit?check=true").text
    with county.engine.begin() as connection:
        # As somebody who owns the database file can; nobody else gets past the trigger.
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET actor='nobody' WHERE seq=1")
    assert "第 1 条有问题" in client.get("/audit?check=true").text


def test_figures_of_answers_and_false_alarms(county):
    now = county.clock.now()
    waits = (10, 20, 30, 40)
    rows = [
        {"opened_at": now, "acked_at": now + timedelta(seconds=s), "outcome": None, "step": 0}
        for s in waits
    ]
    rows.append({"opened_at": now, "acked_at": None, "outcome": "false_alarm", "step": 2})
    rows.append({"opened_at": now, "acked_at": None, "outcome": "resolved", "step": 0})
    line = summarise("x", rows)
    assert (line.count, line.answered, line.median_s, line.climbed) == (6, 4, 25.0, 1)
    assert line.false_share == 0.5
    assert summarise("empty", []).median_s is None


@given(
    st.lists(
        st.tuples(st.floats(73, 135, allow_nan=False), st.floats(18, 53, allow_nan=False)),
        min_size=1,
        max_size=8,
    )
)
def test_every_camera_lies_on_the_map(example_site, points):
    base = example_site.cameras[0]
    cameras = [base.model_copy(update={"id": f"c{i}", "position": p}) for i, p in enumerate(points)]
    drawn = draw(cameras, [])
    assert len(drawn.dots) == len(points)
    for dot in drawn.dots:
        assert EDGE - 1 <= dot.x <= WIDTH - EDGE + 1
        assert EDGE - 1 <= dot.y <= HEIGHT - EDGE + 1 + 44 * len(points)


@pytest.mark.browser
def test_the_desk_by_keyboard_and_every_page_fits(townsman, town):
    county = town.county
    first, second = county.car("冀T10001"), county.broken("lixiang-road")
    page = townsman(WALL).watch("police-desk")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(f"#alert-{first.id} .title a")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("a")
    expect(page.locator(f"#handled #alert-{second.id}")).to_contain_text("已接手")
    page.locator(".pick select[name=kind]").select_option("health")
    expect(page.locator(f"#alert-{first.id}")).to_be_hidden()
    arrived = county.car("冀T10002")
    expect(page.locator(f"#alert-{arrived.id}")).to_have_count(1)
    expect(page.locator(f"#alert-{arrived.id}")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found = {}
    for path in ("/map", "/review", "/watch", "/search", "/exports", "/statistics", "/audit"):
        page.goto(town.url + path)
        found[path] = faults(page)
    assert {path: problems for path, problems in found.items() if problems} == {}


@pytest.mark.browser
def test_the_map_follows_the_county(townsman, town):
    page = townsman(WALL).watch("police-desk")
    page.goto(f"{town.url}/map")
    alert = town.county.broken("east-gate-out")
    expect(page.locator(f'.map a[href="/alerts/{alert.id}"]')).to_have_count(1)
