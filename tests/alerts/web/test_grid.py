"""The grid head's day: take an alert, go there, report, whistle, close; and swap a shift."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import text

from alerts.life.state import State
from alerts.rosters.duty import on_duty
from tests.alerts.web.conftest import form_csrf, post
from tests.alerts.web.county import PASSWORDS, make_jpeg
from tests.alerts.web.pages import faults


@pytest.fixture
def taken(county):
    """An alert at the east gate that the grid worker has taken."""
    alert = county.car("冀T8K2L6")
    return county.service.acknowledge(county.viewer("liu-yang"), alert.id, version=None)


def state_of(county, alert) -> State:
    return county.service.get(county.police(), alert.id).state


def test_arrival_by_the_code_on_the_sign(client, county, log_in, taken):
    log_in(client, "liu-yang")
    token = client.app.state.web.signs.token("east-gate-in")
    page = client.get(f"/notice/east-gate-in?t={token}")
    assert "我已到场" in page.text
    answer = post(client, f"/alerts/{taken.id}/arrive", token=token.lower())
    assert answer.status_code == 303
    assert state_of(county, taken) is State.ONSITE
    assert "扫码" in client.get(f"/alerts/{taken.id}").text


@pytest.mark.parametrize("token", ["", "AAAAAAAAAAAAAAAA", "another"])
def test_arrival_needs_proof_of_this_camera(client, county, log_in, taken, token):
    log_in(client, "liu-yang")
    other = client.app.state.web.signs.token("east-gate-out") if token == "another" else token
    answer = post(client, f"/alerts/{taken.id}/arrive", token=other)
    assert answer.status_code == 422
    assert state_of(county, taken) is State.ACKED


def test_a_photo_loses_everything_but_its_pixels(client, county, log_in, taken):
    out = io.BytesIO()
    image = Image.new("RGB", (4000, 3000), (10, 120, 40))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SECRETPHONE"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(out, "JPEG", exif=exif, comment=b"SECRETNOTE")
    log_in(client, "liu-yang")
    answer = post(client, f"/alerts/{taken.id}/arrive", photo=out.getvalue() + b"SECRETTAIL")
    assert answer.status_code == 303
    report = client.app.state.web.reports.of_alert(taken.id)[0]
    stored = client.get(f"/alerts/{taken.id}/reports/{report.id}/photo")
    assert b"SECRET" not in stored.content
    kept = Image.open(io.BytesIO(stored.content))
    assert kept.size == (1440, 1920), "upright, as the phone was held"
    assert not kept.getexif()
    with county.engine.connect() as connection:
        seen = connection.execute(text("SELECT actor FROM audit WHERE action='view-report-photo'"))
        assert seen.scalars().all() == ["liu-yang"]


def bomb() -> bytes:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"MZ\x90\x00 not a picture", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", 415),
        (make_jpeg("half")[:500], 415),
        (bomb(), 413),
    ],
)
def test_what_is_no_photo_is_refused_in_words(client, county, log_in, taken, data, status):
    log_in(client, "liu-yang")
    answer = post(client, f"/alerts/{taken.id}/arrive", photo=data)
    assert answer.status_code == status
    assert answer.json()["error"]["zh"]
    assert state_of(county, taken) is State.ACKED


def test_a_strangers_photo_is_not_even_read(client, taken):
    body = b"x" * 200_000
    assert client.post(f"/alerts/{taken.id}/arrive", content=body).status_code == 401
    client.cookies.set("menshen-session", "guessed")
    assert client.post(f"/alerts/{taken.id}/arrive", content=body).status_code == 401


def test_whistle_report_and_close(client, county, log_in, taken):
    log_in(client, "liu-yang")
    path = f"/alerts/{taken.id}"
    data = {**form_csrf(client), "department": ["派出所", "供电所"], "minutes": "30"}
    assert client.post(f"{path}/whistle", data=data, follow_redirects=False).status_code == 303
    view = county.service.get(county.police(), taken.id)
    assert view.state is State.WAITING
    assert [line.name for line in view.departments] == ["派出所", "供电所"]
    assert view.departments[0].deadline - county.clock.now() == timedelta(minutes=30)
    for name in ("派出所", "供电所"):
        assert post(client, f"{path}/department", department=name).status_code == 303
    assert state_of(county, taken) is State.ACKED
    assert post(client, f"{path}/report", note="", outcome="resolved").status_code == 422
    answer = post(client, f"{path}/report", note="车主已驶离", outcome="resolved")
    assert answer.status_code == 303
    assert state_of(county, taken) is State.DONE
    assert post(client, f"{path}/report", note="again", outcome="resolved").status_code == 409
    assert len(client.app.state.web.reports.of_alert(taken.id)) == 3, "the refused one is gone"


def test_a_worker_reports_but_the_head_closes(client, county, log_in, taken):
    county.service.report(county.viewer("liu-yang"), taken.id)
    sun = county.car("冀T00001", camera="lixiang-road")
    county.service.acknowledge(county.viewer("sun-mei"), sun.id, version=None)
    county.service.report(county.viewer("sun-mei"), sun.id)
    log_in(client, "sun-mei")
    assert post(client, f"/alerts/{sun.id}/verify", outcome="resolved").status_code == 403
    assert post(client, f"/alerts/{taken.id}/verify", outcome="resolved").status_code == 404
    client.cookies.clear()
    log_in(client, "wang-fang")
    assert post(client, f"/alerts/{taken.id}/verify", outcome="nonsense").status_code == 422
    assert post(client, f"/alerts/{taken.id}/verify", outcome="false_alarm").status_code == 303
    assert state_of(county, taken) is State.CLOSED
    assert post(client, f"/alerts/{taken.id}/reopen").status_code == 303
    assert state_of(county, taken) is State.OPEN


def test_somebody_elses_alert_is_not_reported_on(client, county, log_in):
    alert = county.car("冀T00002", camera="lixiang-road")
    county.service.acknowledge(county.police(), alert.id, version=None)
    log_in(client, "sun-mei")
    assert post(client, f"/alerts/{alert.id}/report", note="x").status_code == 403


def test_a_swap_is_asked_accepted_and_heeded_at_send_time(client, county, log_in):
    web = client.app.state.web
    county.clock.advance(13 * 3600)
    first = on_duty(county.site, "east-gate", county.clock.now())
    giver = first.people[0]
    taker = "wang-fang"
    assert giver == "liu-yang", "who is first on New Year's night 2026"
    log_in(client, giver)
    answer = post(
        client, "/duty/swaps", grid="east-gate", start=first.start.isoformat(), taker=taker
    )
    assert answer.status_code == 303
    (asked,) = web.swaps.of_person(taker)
    assert post(client, f"/duty/swaps/{asked.id}/accept").status_code == 404, "not the taker"
    client.cookies.clear()
    log_in(client, "wang-fang")
    assert post(client, f"/duty/swaps/{asked.id}/accept").status_code == 303
    alert = county.car("冀T8K2L6")
    assert [line.person_id for line in alert.told] == ["wang-fang"]
    assert "已换" in client.get("/duty").text


def test_a_form_that_lacks_something_is_refused_by_a_page_in_words(client, county, log_in):
    log_in(client, "liu-yang")
    fields = {**form_csrf(client), "grid": "east-gate", "start": "2026-01-01T20:00"}
    answer = client.post("/duty/swaps", data=fields, headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "填写不完整或不正确" in answer.text
    assert "taker" in answer.text
    assert client.post("/duty/swaps", data=fields).json()["detail"][0]["loc"] == ["body", "taker"]


def test_a_turn_that_is_not_ones_own_cannot_be_given_away(client, county, log_in):
    log_in(client, "liu-yang")
    for grid, start in (("lixiang", county.clock.now().isoformat()), ("east-gate", "soon")):
        answer = post(client, "/duty/swaps", grid=grid, start=start, taker="wang-fang")
        assert answer.status_code == 422


def test_a_home_has_no_public_notice(client):
    assert client.get("/notice/home-li-qiang").status_code == 404
    page = client.get("/notice/east-gate-in")
    assert "东门小区物业服务中心" in page.text
    assert "我已到场" not in page.text


@pytest.mark.browser
def test_the_whole_story_on_a_phone(townsman, town):
    alert = town.county.car("冀T8K2L6")
    page = townsman().watch("wang-fang")
    page.locator(f"#alert-{alert.id}").get_by_role("button").click()
    expect(page.locator("#handled")).to_contain_text("王芳 已接手")
    page.goto(f"{town.url}/alerts/{alert.id}")
    there = page.get_by_role("link", name="导航去现场").get_attribute("href")
    assert there is not None
    assert there.startswith("geo:37.0441,115.6672?q=37.0441,115.6672(%E4%B8%9C%E9%97%A8")
    photo = {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": make_jpeg("big", (4000, 3000))}
    page.set_input_files("#arrive-photo", files=[photo])
    expect(page.locator(".photo-label canvas")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="我已到场").click()
    expect(page.locator(".filed")).to_contain_text("到达现场")
    page.fill("#note", "车主已驶离")
    page.get_by_role("button", name="提交报告").click()
    expect(page.locator(".note")).to_have_text("车主已驶离")
    page.get_by_role("button", name="已解决").click()
    expect(page.locator(".facts")).to_contain_text("已解决")
    assert faults(page) == []
    page.goto(f"{town.url}/duty")
    expect(page.locator(".duty-now").first).to_contain_text("现在")
    assert faults(page) == []
    assert PASSWORDS["wang-fang"] not in page.content()


def test_each_department_has_its_own_deadline_and_the_first_one_missed_climbs(
    client, county, log_in, taken
):
    log_in(client, "liu-yang")
    path = f"/alerts/{taken.id}"
    data = {
        **form_csrf(client),
        "department": ["消防救援站", "供电所"],
        "minutes": "120",
        "minutes_for": ["消防救援站=15", ""],
    }
    assert client.post(f"{path}/whistle", data=data, follow_redirects=False).status_code == 303
    view = county.service.get(county.police(), taken.id)
    waits = [line.deadline - county.clock.now() for line in view.departments]
    assert waits == [timedelta(minutes=15), timedelta(minutes=120)]
    assert view.next_step_at == view.departments[0].deadline


@pytest.mark.parametrize("text", ["消防救援站=4", "消防救援站=", "消防救援站=九", "=99999"])
def test_a_deadline_that_is_none_is_refused(client, county, log_in, taken, text):
    log_in(client, "liu-yang")
    data = {**form_csrf(client), "department": ["消防救援站"], "minutes_for": [text]}
    answer = client.post(f"/alerts/{taken.id}/whistle", data=data, follow_redirects=False)
    assert answer.status_code == 422
    assert state_of(county, taken) is State.ACKED
