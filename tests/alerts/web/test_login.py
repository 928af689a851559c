"""Logging in and out: passwords, sessions, locks, and requests that our pages did not send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text

from alerts.web.people.accounts import Accounts
from alerts.web.people.sessions import LIFETIME
from config.secrets import PersonSecret, Secrets
from config.site import Person, Role

COOKIE = "menshen-session"


def test_the_right_password_opens_the_alerts(client, log_in):
    answer = log_in(client, "wang-fang")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "王芳" in client.get("/").text


def test_a_person_may_type_their_name_as_it_is_written(client, log_in):
    answer = log_in(client, "王芳", "东门-wang-2026")
    assert answer.status_code == 303
    assert client.get("/api/v1/me").json()["id"] == "wang-fang"


def test_without_a_session_a_page_leads_to_the_login_and_the_api_says_401(client):
    page = client.get("/account", headers={"accept": "text/html"}, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/account")
    answer = client.get("/api/v1/alerts")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "not_logged_in"


def test_a_wrong_password_and_an_unknown_name_get_the_same_words(client, log_in):
    wrong = log_in(client, "wang-fang", "guess")
    unknown = log_in(client, "nobody-here", "guess")
    assert wrong.status_code == unknown.status_code == 401
    for page in (wrong.text, unknown.text):
        assert "姓名或密码不对" in page
        assert "Name or password is wrong" in page
    assert COOKIE not in client.cookies


def test_five_wrong_passwords_lock_the_account_for_that_address_then_it_opens(
    client, log_in, clock
):
    for _ in range(5):
        assert log_in(client, "wang-fang", "guess").status_code == 401
    locked = log_in(client, "wang-fang")
    assert locked.status_code == 429
    assert "15 分钟后再试" in locked.text
    assert int(locked.headers["retry-after"]) == 15 * 60
    assert log_in(client, "liu-yang").status_code == 303, "others at this address are not locked"
    client.cookies.clear()
    clock.advance(15 * 60)
    assert log_in(client, "wang-fang").status_code == 303


def test_a_success_forgives_the_earlier_slips(client, log_in):
    for _ in range(3):
        for _ in range(4):
            log_in(client, "wang-fang", "slip")
        assert log_in(client, "wang-fang").status_code == 303
        client.cookies.clear()


def test_a_stranger_elsewhere_does_not_lock_out_the_grid_head(county, log_in):
    app = county.app()
    with TestClient(app, client=("203.0.113.9", 1)) as stranger:
        for _ in range(6):
            last = log_in(stranger, "wang-fang", "guess")
        assert last.status_code == 429
    with TestClient(app, client=("198.51.100.7", 1)) as herself:
        assert log_in(herself, "wang-fang").status_code == 303


def test_guesses_from_many_addresses_lock_the_account_itself(county, log_in):
    app = county.app()
    statuses = []
    for i in range(21):
        with TestClient(app, client=(f"203.0.113.{i}", 1)) as client:
            statuses.append(log_in(client, "wang-fang", "guess").status_code)
    assert statuses == [401] * 20 + [429]


def test_one_address_that_tries_many_names_is_locked(client, log_in):
    statuses = [log_in(client, f"person-{i}", "guess").status_code for i in range(31)]
    assert statuses == [401] * 30 + [429]


def test_login_rotates_the_session_so_that_a_planted_token_is_worth_nothing(client, log_in):
    client.cookies.set(COOKIE, "planted-by-an-attacker")
    answer = log_in(client, "wang-fang")
    fresh = answer.cookies[COOKIE]
    assert fresh != "planted-by-an-attacker"
    client.cookies.clear()
    client.cookies.set(COOKIE, "planted-by-an-attacker")
    assert client.get("/api/v1/me").status_code == 401


def test_a_second_login_ends_the_session_the_browser_had(client, log_in):
    first = log_in(client, "liu-yang").cookies[COOKIE]
    second = log_in_while_logged_in(client, log_in, "wang-fang")
    assert second != first
    client.cookies.clear()
    client.cookies.set(COOKIE, first)
    assert client.get("/api/v1/me").status_code == 401


def log_in_while_logged_in(client, log_in, person) -> str:
    """The form of a second tab, opened before the first tab logged in."""
    kept = client.cookies[COOKIE]
    client.cookies.delete(COOKIE)
    page = client.get("/login")
    client.cookies.set(COOKIE, kept)
    token = page.text.split('name="form_token" value="')[1][:64]
    answer = client.post(
        "/login",
        data={"form_token": token, "account": person, "password": "东门-wang-2026"},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    return answer.cookies[COOKIE]


def test_logging_out_ends_the_session_on_the_server_too(client, log_in, csrf):
    token = log_in(client, "wang-fang").cookies[COOKIE]
    client.post("/logout", headers=csrf(client), follow_redirects=False)
    client.cookies.clear()
    client.cookies.set(COOKIE, token)
    assert client.get("/api/v1/me").status_code == 401


def test_a_lost_phone_is_logged_out_from_another_device(county, log_in, csrf):
    app = county.app()
    with TestClient(app) as phone, TestClient(app) as desk:
        log_in(phone, "wang-fang")
        log_in(desk, "wang-fang")
        phone_session = phone.get("/api/v1/session").json()["id"]
        desk.post(f"/account/sessions/{phone_session}/revoke", headers=csrf(desk))
        assert phone.get("/api/v1/me").status_code == 401
        assert desk.get("/api/v1/me").status_code == 200


def test_nobody_ends_the_session_of_somebody_else(county, log_in, csrf):
    app = county.app()
    with TestClient(app) as hers, TestClient(app) as his:
        log_in(hers, "wang-fang")
        log_in(his, "liu-yang")
        session = hers.get("/api/v1/session").json()["id"]
        refused = his.post(f"/account/sessions/{session}/revoke", headers=csrf(his))
        assert refused.status_code == 404
        assert hers.get("/api/v1/me").status_code == 200


def test_a_session_ends_after_its_lifetime(client, log_in, clock):
    log_in(client, "wang-fang")
    clock.advance((LIFETIME - timedelta(seconds=1)).total_seconds())
    assert client.get("/api/v1/me").status_code == 200
    clock.advance(1)
    assert client.get("/api/v1/me").status_code == 401


def test_sessions_survive_a_restart_of_the_web(county, log_in):
    with TestClient(county.app()) as client:
        token = log_in(client, "wang-fang").cookies[COOKIE]
    with TestClient(county.app()) as client:
        client.cookies.set(COOKIE, token)
        assert client.get("/api/v1/me").json()["id"] == "wang-fang"


def test_a_new_password_in_the_secrets_file_ends_the_old_sessions(county, log_in):
    with TestClient(county.app()) as client:
        token = log_in(client, "wang-fang").cookies[COOKIE]
    people = {
        **county.secrets.people,
        "wang-fang": PersonSecret(password=SecretStr("a new one")),
    }
    county.secrets = Secrets(people=people)
    with TestClient(county.app()) as client:
        client.cookies.set(COOKIE, token)
        assert client.get("/api/v1/me").status_code == 401
        client.cookies.clear()
        assert log_in(client, "wang-fang").status_code == 401
        assert log_in(client, "wang-fang", "a new one").status_code == 303


def test_a_person_who_left_the_secrets_file_is_out(county, log_in):
    with TestClient(county.app()) as client:
        token = log_in(client, "liu-yang").cookies[COOKIE]
    people = {name: s for name, s in county.secrets.people.items() if name != "liu-yang"}
    county.secrets = Secrets(people=people)
    with TestClient(county.app()) as client:
        client.cookies.set(COOKIE, token)
        assert client.get("/api/v1/me").status_code == 401
        client.cookies.clear()
        assert log_in(client, "liu-yang").status_code == 401


def test_the_database_holds_neither_a_password_nor_a_session_token(client, county, log_in):
    token = log_in(client, "wang-fang").cookies[COOKIE]
    with county.engine.connect() as connection:
        rows = [
            str(tuple(row))
            for table in ("web_accounts", "web_sessions", "web_login_attempts")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]
    assert any("$argon2id$" in row for row in rows)
    assert not any(token in row or "东门-wang-2026" in row for row in rows)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(county, log_in):
    app = county.app()
    with TestClient(app) as client:
        header = log_in(client, "wang-fang").headers.get_list("set-cookie")
        session = next(line for line in header if line.startswith(COOKIE))
        assert "HttpOnly" in session
        assert "SameSite=lax" in session
        assert "Secure" not in session
    with TestClient(app, base_url="https://testserver") as client:
        header = log_in(client, "wang-fang").headers.get_list("set-cookie")
        session = next(line for line in header if line.startswith("__Host-menshen-session"))
        assert "Secure" in session
        assert "Path=/" in session


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": "错"},
    ],
)
def test_a_change_without_the_sessions_csrf_token_is_refused(client, log_in, headers):
    log_in(client, "wang-fang")
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = client.delete("/api/v1/session", headers=encoded)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf"
    assert client.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    "foreign", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_change_that_another_site_sends_is_refused_even_with_the_token(
    client, log_in, csrf, foreign
):
    log_in(client, "wang-fang")
    answer = client.post("/logout", headers={**csrf(client), **foreign})
    assert answer.status_code == 403
    assert client.get("/api/v1/me").status_code == 200


def test_the_token_of_another_session_is_refused(county, log_in, csrf):
    app = county.app()
    with TestClient(app) as hers, TestClient(app) as his:
        log_in(hers, "wang-fang")
        log_in(his, "liu-yang")
        assert his.post("/logout", headers=csrf(hers)).status_code == 403


def test_a_login_that_our_form_did_not_send_is_refused(client):
    answer = client.post("/login", data={"account": "wang-fang", "password": "东门-wang-2026"})
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb"],
)
def test_login_leads_nowhere_but_into_this_site(client, target):
    page = client.get("/login", params={"next": target})
    token = page.text.split('name="form_token" value="')[1][:64]
    answer = client.post(
        "/login",
        data={
            "form_token": token,
            "account": "wang-fang",
            "password": "东门-wang-2026",
            "next": target,
        },
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/"


def test_a_page_to_go_to_is_read_at_once_however_its_address_ends(client):
    # A messenger takes the full stop behind a link for a part of it.
    pasted = f"/alerts/{'0190a3c4-' * 8}。"
    page = client.get(pasted, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert 'name="next" value="/"' in page.text
    wanted = f"/cameras/{'east-gate-in_' * 4}/draw/"
    assert f'name="next" value="{wanted}"' in client.get("/login", params={"next": wanted}).text


def test_the_api_logs_in_and_out_with_json(client, csrf):
    wrong = client.post("/api/v1/session", json={"account": "wang-fang", "password": "no"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "wrong_password")
    right = client.post(
        "/api/v1/session", json={"account": "wang-fang", "password": "东门-wang-2026"}
    )
    assert right.status_code == 201
    assert client.delete("/api/v1/session", headers=csrf(client)).status_code == 204
    assert client.get("/api/v1/session").status_code == 401


def test_a_login_by_json_is_not_open_to_a_form_of_another_site(client):
    body = b'{"account":"wang-fang","password":"x"}'
    answer = client.post("/api/v1/session", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 422


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(account=st.text(max_size=80), password=st.text(max_size=40))
def test_nothing_that_can_be_typed_breaks_the_login_or_gets_in(
    client: httpx.Client, log_in: Callable[..., httpx.Response], account: str, password: str
):
    answer = log_in(client, account.encode("utf-8", "replace").decode(), password)
    assert answer.status_code in (401, 422, 429)


def test_a_start_with_many_people_hashes_nobody_and_all_may_log_in(county):
    hashed: list[str] = []

    class Counting(PasswordHasher):
        def hash(self, password, **options):
            hashed.append("one")
            return super().hash(password, **options)

    hasher = Counting(time_cost=1, memory_cost=8 * 1024, parallelism=1)
    people = [Person(id=f"p-{n}", name=f"人{n}", role=Role.HOME_OWNER) for n in range(360)]
    site = county.site.model_copy(update={"people": (*county.site.people, *people)})
    secrets = Secrets(people={p.id: PersonSecret(password=SecretStr(f"{p.id}-x")) for p in people})
    accounts = Accounts(county.engine, county.clock, hasher)
    assert accounts.seed(site, secrets) == 360
    assert len(hashed) == 1, "only the one that unknown names are compared with"
    assert not accounts.check("p-7", "p-8-x")
    assert len(hashed) == 1
    assert accounts.check("p-7", "p-7-x")
    assert accounts.check("p-7", "p-7-x")
    assert len(hashed) == 2, "hashed at the first login, compared at the next"
    assert not accounts.check("p-7", "")
    assert Accounts(county.engine, county.clock, hasher).seed(site, secrets) == 360
    assert not accounts.check("nobody", "p-7-x")
