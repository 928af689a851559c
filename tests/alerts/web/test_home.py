"""The home owner's page: answers, arming, who looked, grants that end, and the family."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect
from sqlalchemy import select

from alerts.deciding.routing import ladder, place_of
from alerts.life.ladders import HomeTerms
from alerts.life.state import Outcome, State
from alerts.rosters.arranged import load_terms
from alerts.store.schema import audit
from config.event import EventKind, FaceShot
from ingest.engine import reading
from tests.alerts.web.conftest import FORM_TOKEN, become, form_login, post
from tests.alerts.web.county import make_jpeg
from tests.alerts.web.pages import faults

HOME = "home-li-qiang"


def owners_view(county, alert):
    return county.service.get(county.viewer("li-qiang"), alert.id)


@pytest.mark.parametrize(
    ("what", "outcome"), [("us", Outcome.NO_ACTION), ("false", Outcome.FALSE_ALARM)]
)
def test_one_button_answers_and_closes(client, county, what, outcome):
    alert = county.face(HOME)
    become(client, "li-qiang")
    assert post(client, f"/alerts/{alert.id}/answer", what=what).status_code == 303
    view = owners_view(county, alert)
    assert (view.state, view.outcome) == (State.CLOSED, outcome)


def test_calling_the_grid_head_tells_them_and_shows_the_picture_for_half_an_hour(client, county):
    alert = county.face(HOME)
    become(client, "li-qiang")
    assert post(client, f"/alerts/{alert.id}/answer", what="grid").status_code == 303
    view = owners_view(county, alert)
    assert (view.state, view.step) == (State.OPEN, 1)
    assert "zhao-lei" in {line.person_id for line in view.told}
    web = client.app.state.web
    assert web.homes.granted_to("zhao-lei") == (alert.id,)
    county.clock.advance(29 * 60)
    assert web.homes.granted_to("zhao-lei") == (alert.id,)
    county.clock.advance(60)
    assert web.homes.granted_to("zhao-lei") == ()


def test_the_police_desk_is_called_but_sees_no_picture(client, county):
    alert = county.face(HOME)
    become(client, "li-qiang")
    assert post(client, f"/alerts/{alert.id}/answer", what="police").status_code == 303
    seen = county.service.get(county.police(), alert.id)
    assert seen.picture_hidden
    assert post(client, f"/alerts/{alert.id}/answer", what="police").status_code == 303
    told = [line.person_id for line in owners_view(county, alert).told]
    assert told.count("police-desk") == 2, "asked twice, told twice"


def test_a_granted_look_is_seen_in_who_looked_and_ends(client, county):
    alert = county.face(HOME)
    file = f"/api/v1/alerts/{alert.id}/thumbnail"
    become(client, "sun-mei")
    assert client.get(file).status_code == 404
    become(client, "li-qiang")
    assert "除了家里人" in client.get("/home").text
    assert post(client, f"/alerts/{alert.id}/grant", person="police-desk").status_code == 422
    assert post(client, f"/alerts/{alert.id}/grant", person="sun-mei").status_code == 303
    become(client, "sun-mei")
    assert client.get(file).status_code == 200
    become(client, "li-qiang")
    page = client.get("/home").text
    assert "孙梅" in page.split("谁看过我的摄像机")[1].split("家人")[0]
    assert post(client, f"/alerts/{alert.id}/grant").status_code == 303
    become(client, "sun-mei")
    assert client.get(file).status_code == 404


def test_at_home_only_trouble_alerts_and_the_no_has_a_reason(client, county):
    become(client, "li-qiang")
    assert post(client, f"/home/{HOME}/mode", mode="home").status_code == 303
    with pytest.raises(AssertionError, match="raised no alert"):
        county.face(HOME)
    assert county.broken(HOME).kind is EventKind.HEALTH
    with county.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT reason_en FROM decisions WHERE stage='arming'")
        assert [row[0] for row in rows] == ["the owner set the camera to home: no alert of it"]


def test_a_snooze_ends_by_itself_and_leaves_the_mode_as_it_was(client, county):
    become(client, "li-qiang")
    path = f"/home/{HOME}"
    fields = {"days": ["thu"], "start": "00:00", "end": "00:00", "mode": "home"}
    post(client, f"{path}/schedule", **fields)
    post(client, f"{path}/mode", mode="away")
    assert post(client, f"{path}/snooze", minutes=60).status_code == 303
    assert "静音到" in client.get("/home").text
    with pytest.raises(AssertionError, match="raised no alert"):
        county.face(HOME)
    assert county.broken(HOME).kind is EventKind.HEALTH, "trouble of the camera is heard"
    county.clock.advance(3600)
    assert county.face(HOME).state is State.OPEN, "away by hand again, not at home by the plan"
    for minutes in (7, -1, "soon"):
        assert post(client, f"{path}/snooze", minutes=minutes).status_code == 422
    post(client, f"{path}/snooze", minutes=15)
    assert post(client, f"{path}/snooze", minutes=0).status_code == 303
    assert county.face(HOME).state is State.OPEN


def test_a_snooze_survives_a_restart(client, county):
    become(client, "li-qiang")
    post(client, f"/home/{HOME}/snooze", minutes=480)
    county.clock.advance(7 * 3600)
    again = type(county)(county.engine, county.site, county.clock, county.folder)
    with pytest.raises(AssertionError, match="raised no alert"):
        again.face(HOME)
    with TestClient(again.app()) as fresh:
        become(fresh, "li-qiang")
        assert "静音到" in fresh.get("/home").text


def test_nobody_else_is_told_until_the_owner_agrees_and_a_neighbour_until_they_do(client, county):
    web = client.app.state.web
    become(client, "li-qiang")
    assert post(client, "/home/neighbours", account="zhou-min").status_code == 409
    assert post(client, "/home/fallback", agreed="perhaps").status_code == 422
    assert post(client, "/home/fallback", agreed="yes").status_code == 303
    for stranger in ("wang-fang", "li-qiang", "nobody"):
        assert post(client, "/home/neighbours", account=stranger).status_code == 303
    assert web.fallbacks.neighbours("li-qiang") == [], "grid people, oneself and nobody are none"
    assert post(client, "/home/neighbours", account="zhou-min").status_code == 303
    assert post(client, "/home/neighbours", account="zhou-min").status_code == 422, "once is enough"
    assert post(client, "/home/neighbours/li-qiang/accept").status_code == 404, "not for others"

    def standing() -> tuple[str, ...]:
        with reading(county.engine) as connection:
            place = place_of(county.site, HOME)
            terms = load_terms(connection, place, "none")
        return ladder(county.site, place, county.clock.now(), terms=terms).people(1)

    assert standing() == ("zhao-lei",)
    become(client, "zhou-min")
    assert "李强" in client.get("/home").text
    assert post(client, "/home/neighbours/li-qiang/accept").status_code == 303
    assert standing() == ("zhao-lei", "zhou-min")
    assert post(client, "/home/neighbours/li-qiang/leave").status_code == 303
    assert standing() == ("zhao-lei",)
    become(client, "li-qiang")
    assert post(client, "/home/fallback", agreed="no").status_code == 303
    with reading(county.engine) as connection:
        assert load_terms(connection, place_of(county.site, HOME), "none") == HomeTerms()
        lines = connection.execute(select(audit.c.action).order_by(audit.c.seq)).scalars().all()
    wanted = ["fallback-agreed", "neighbour-asked", "neighbour-accepted", "neighbour-ended"]
    assert [line for line in lines if line.startswith(("fall", "neigh"))] == [
        *wanted, "fallback-revoked",
    ]  # fmt: skip


def test_the_plan_is_kept_and_heeded_past_midnight(client, county):
    """The fake clock starts on Thursday 2026-01-01, 08:00 in the county."""
    become(client, "li-qiang")
    path = f"/home/{HOME}/schedule"
    fields = {"days": ["wed"], "start": "22:00", "end": "09:00", "mode": "home"}
    assert post(client, path, **fields).status_code == 303
    with pytest.raises(AssertionError, match="raised no alert"):
        county.face(HOME)
    county.clock.advance(timedelta(hours=1).total_seconds())
    assert county.face(HOME).state is State.OPEN
    assert post(client, path, **{**fields, "days": []}).status_code == 422
    assert post(client, path, **{**fields, "start": "25:00"}).status_code == 422
    assert post(client, f"{path}/remove", number=0).status_code == 303
    assert post(client, f"{path}/remove", number=0).status_code == 404


def test_a_neighbour_can_do_nothing_at_my_home(client, county):
    alert = county.face(HOME)
    event = client.app.state.web.seen.latest_picture(HOME)
    become(client, "zhou-min")
    assert post(client, f"/home/{HOME}/mode", mode="home").status_code == 404
    assert post(client, f"/home/{HOME}/schedule/remove", number=0).status_code == 404
    assert post(client, f"/alerts/{alert.id}/answer", what="us").status_code == 404
    assert post(client, f"/alerts/{alert.id}/grant", person="sun-mei").status_code == 404
    for path in ("", "/snapshot", f"/events/{event.id}/thumbnail"):
        assert client.get(f"/cameras/{HOME}{path}").status_code == 404, path


def test_family_is_invited_sees_the_home_and_leaves(client, county):
    alert = county.face(HOME)
    become(client, "li-qiang")
    shown = post(client, "/home/family", name="奶奶").text
    address = re.search(r"/join/[\w-]+", shown)
    person = re.search(r"li-qiang-[0-9a-f]{8}", shown)
    assert address is not None
    assert person is not None
    client.cookies.clear()
    join = client.get(address[0])
    token = FORM_TOKEN.search(join.text)
    assert token is not None
    for password, again, status in (
        ("short", "short", 422),
        ("12345678", "12345678", 422),
        ("a good one", "another", 422),
        ("a good one", "a good one", 303),
        ("a good one", "a good one", 404),
    ):
        fields = {"form_token": token[1], "password": password, "again": again}
        answer = client.post(address[0], data=fields, follow_redirects=False)
        if answer.status_code == 404 and status == 404:
            break
        assert answer.status_code == status
        token = FORM_TOKEN.search(client.get(address[0]).text) or token
    assert "/forms.js" in join.text, "who presses twice sends once"
    spent = client.get(address[0], headers={"accept": "text/html"})
    assert "已设过密码请直接登录" in spent.text, "whoever missed the answer needs no other one"
    become(client, person[0], "a good one")
    assert client.get(f"/alerts/{alert.id}").status_code == 200
    assert client.get("/cameras/home-zhou-min").status_code == 404
    assert post(client, "/home/family", name="x").status_code == 403
    assert post(client, f"/alerts/{alert.id}/answer", what="us").status_code == 303
    assert owners_view(county, alert).acked_by_name == "奶奶"
    web = client.app.state.web
    become(client, "li-qiang")
    assert post(client, f"/home/family/{person[0]}/remove").status_code == 303
    assert web.sessions.of_person(person[0]) == []
    client.cookies.clear()
    assert form_login(client, person[0], "a good one").status_code == 401


def test_an_old_invitation_is_worth_nothing(client, county):
    web = client.app.state.web
    token = web.invitations.invite("li-qiang", by="li-qiang")
    second = web.invitations.invite("li-qiang", by="li-qiang")
    assert client.get(f"/join/{token}").status_code == 404
    assert client.get(f"/join/{second}").status_code == 200
    county.clock.advance(48 * 3600)
    assert client.get(f"/join/{second}").status_code == 404


@pytest.mark.browser
def test_the_home_on_a_phone(townsman, town):
    county = town.county
    alert = county.see(
        HOME, EventKind.FACE, face=FaceShot(quality=0.8, height_px=99), thumbnail=make_jpeg("face")
    )
    page = townsman().log_in("li-qiang")
    page.wait_for_selector("#stream", state="attached")
    page.goto(f"{town.url}/home")
    expect(page.locator(".film li")).to_have_count(1)
    assert faults(page) == []
    page.get_by_role("button", name="夜间").click()
    expect(page.get_by_role("button", name="夜间")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{town.url}/alerts/{alert.id}")
    assert faults(page) == []
    page.get_by_role("button", name="是我们").click()
    expect(page.locator(".facts")).to_contain_text("无需处理")
