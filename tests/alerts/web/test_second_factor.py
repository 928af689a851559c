"""One-time codes: enrolled by a QR code, asked at login, each used once, required of some roles."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyotp
import pytest
from fastapi.testclient import TestClient

from alerts.web.app import create_app
from alerts.web.base.seals import Seals
from alerts.web.people.second_factors import SecondFactors
from config.ids import uuid7
from config.site import Role
from tests.alerts.web.conftest import FORM_TOKEN, form_csrf, form_login
from tests.alerts.web.county import HASHER

SECRET = re.compile(r'<p class="address">([A-Z2-7]{32})</p>')
TICKET = re.compile(r'name="ticket" value="([^"]+)"')


@pytest.fixture
def client(county) -> Iterator[TestClient]:
    app = create_app(
        service=county.service,
        engine=county.engine,
        site=county.site,
        secrets=county.secrets,
        media=county.media,
        clock=county.clock,
        hasher=HASHER,
        factor_roles=frozenset({Role.POLICE, Role.ADMIN}),
    )
    with TestClient(app) as client:
        yield client


def code(county, secret: str) -> str:
    return pyotp.TOTP(secret).at(int(county.clock.now().timestamp()))


def enrol(client, county, person: str = "police-desk") -> tuple[str, list[str]]:
    form_login(client, person)
    found = SECRET.search(client.get("/account/second-factor").text)
    assert found is not None
    data = {**form_csrf(client), "code": code(county, found[1])}
    page = client.post("/account/second-factor", data=data).text
    recovery = re.findall(r"<code>([0-9a-f]{10})</code>", page)
    assert len(recovery) == 8
    client.cookies.clear()
    county.clock.advance(30)
    return found[1], recovery


def ticket(client, person: str = "police-desk") -> str:
    found = TICKET.search(form_login(client, person).text)
    assert found is not None
    return found[1]


def send(client, proof: str, typed: str):
    return client.post("/login/code", data={"ticket": proof, "code": typed}, follow_redirects=False)


def test_a_role_that_needs_it_can_do_nothing_before_enrolling(client, county):
    assert form_login(client, "police-desk").status_code == 303
    page = client.get("/", headers={"accept": "text/html"}, follow_redirects=False)
    assert page.headers["location"] == "/account/second-factor"
    assert client.get("/api/v1/alerts").json()["error"]["code"] == "enrol_first"
    client.cookies.clear()
    enrol(client, county)
    assert send(client, ticket(client), "000000").status_code == 401


def test_nor_does_it_look_through_any_camera(client, county):
    county.car("冀T8K2L6")
    form_login(client, "police-desk")
    for path in ("", "/snapshot", f"/events/{uuid7(county.clock.now())}/thumbnail"):
        answer = client.get(f"/cameras/east-gate-in{path}")
        assert answer.json()["error"]["code"] == "enrol_first", path
    browser = {"endpoint": "https://push.example/1", "keys": {"p256dh": "k", "auth": "a"}}
    headers = {"X-CSRF-Token": form_csrf(client)["csrf_token"]}
    answer = client.post("/api/v1/push/subscriptions", json=browser, headers=headers)
    assert answer.json()["error"]["code"] == "enrol_first", "messages tell of alerts"


def test_nor_does_it_learn_at_a_sign_what_waits_there(client, county):
    alert = county.car("冀T8K2L6")
    county.service.acknowledge(county.police(), alert.id, version=None)
    form_login(client, "police-desk")
    token = client.app.state.web.signs.token("east-gate-in")
    notice = client.get(f"/notice/east-gate-in?t={token}").text
    assert "视频图像采集公告" in notice
    assert "冀T8K2L6" not in notice


def test_two_windows_that_enrol_at_once_show_the_same_code(county, monkeypatch):
    seals = Seals.of(county.secrets)
    one, other = (SecondFactors(county.engine, county.clock, seals) for _ in range(2))
    secret = other.begin("police-desk")
    really, before_that = one._row, [None]
    monkeypatch.setattr(one, "_row", lambda who: before_that.pop() if before_that else really(who))
    assert one.begin("police-desk") == secret


def test_a_second_press_would_hide_the_recovery_codes_so_it_is_not_sent(client, county):
    form_login(client, "police-desk")
    page = client.get("/account/second-factor").text
    found = SECRET.search(page)
    assert found is not None
    data = {**form_csrf(client), "code": code(county, found[1])}
    assert "<code>" in client.post("/account/second-factor", data=data).text
    assert "<code>" not in client.post("/account/second-factor", data=data).text, "gone for good"
    assert "/forms.js" in page, "it sends once"
    client.cookies.clear()
    county.clock.advance(30)
    asked = form_login(client, "police-desk").text
    assert 'name="code"' in asked
    assert "/forms.js" in asked, "a code counts once"


def test_others_may_but_need_not(client):
    form_login(client, "wang-fang")
    assert client.get("/api/v1/alerts").status_code == 200


def test_login_asks_for_the_code_and_takes_each_once(client, county):
    secret, _ = enrol(client, county)
    proof = ticket(client)
    assert client.get("/api/v1/me").status_code == 401, "the password alone opens nothing"
    assert send(client, proof, "000000").status_code == 401
    now = code(county, secret)
    assert send(client, proof, now).status_code == 303
    assert client.get("/api/v1/alerts").status_code == 200
    client.cookies.clear()
    assert send(client, ticket(client), now).status_code == 401, "used"
    county.clock.advance(30)
    assert send(client, ticket(client), code(county, secret)).status_code == 303


def test_a_recovery_code_works_once(client, county):
    _, recovery = enrol(client, county)
    assert send(client, ticket(client), recovery[0].upper()).status_code == 303
    client.cookies.clear()
    assert send(client, ticket(client), recovery[0]).status_code == 401
    assert send(client, ticket(client), recovery[1]).status_code == 303


def test_guessing_codes_is_locked(client, county):
    secret, _ = enrol(client, county)
    proof = ticket(client)
    answers = [send(client, proof, f"{n:06d}").status_code for n in range(6)]
    assert answers[-1] == 429
    assert send(client, proof, code(county, secret)).status_code == 429


@pytest.mark.parametrize("how", ["altered", "late", "another browser", "none"])
def test_a_ticket_is_of_this_browser_and_this_moment(client, county, how):
    secret, _ = enrol(client, county)
    proof = ticket(client)
    if how == "altered":
        proof = proof.replace("police-desk", "admin-gao")
    elif how == "late":
        county.clock.advance(301)
    elif how == "another browser":
        client.cookies.clear()
    else:
        proof = ""
    answer = send(client, proof, code(county, secret))
    assert answer.headers["location"] == "/login"
    assert client.get("/api/v1/me").status_code == 401


def test_the_api_takes_the_code_too(client, county):
    secret, _ = enrol(client, county)
    body = {"account": "police-desk", "password": "police-desk-secret"}
    answer = client.post("/api/v1/session", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "code_needed")
    answer = client.post("/api/v1/session", json={**body, "code": code(county, secret)})
    assert answer.status_code == 201


def test_a_wrong_password_never_shows_whether_there_is_a_second_factor(client, county):
    enrol(client, county)
    page = client.get("/login").text
    assert FORM_TOKEN.search(page)
    answer = form_login(client, "police-desk", "guess")
    assert answer.status_code == 401
    assert "动态码" not in answer.text
