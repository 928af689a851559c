"""The JSON API, the headers on everything, the shell of the app, health and metrics."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from alerts.web.base.limits import BODY_LIMIT_BYTES
from config.web_secrets import WebSecrets


def test_list_answer_and_list_again(client, county, log_in, csrf):
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    listed = client.get("/api/v1/alerts").json()
    assert [a["id"] for a in listed["alerts"]] == [alert.id]
    assert listed["position"] == county.service.position()
    answer = client.post(
        f"/api/v1/alerts/{alert.id}/acknowledge",
        json={"version": alert.version},
        headers=csrf(client),
    )
    assert (answer.status_code, answer.json()["acked_by"]) == (200, "wang-fang")
    assert client.get(f"/api/v1/alerts/{alert.id}").json()["state"] == "acked"


def test_the_second_to_answer_is_told_who_was_first(county, log_in, csrf):
    alert = county.car("冀T8K2L6")
    app = county.app()
    with TestClient(app) as first, TestClient(app) as second:
        log_in(first, "wang-fang")
        log_in(second, "police-desk")
        path = f"/api/v1/alerts/{alert.id}/acknowledge"
        assert first.post(path, json={}, headers=csrf(first)).status_code == 200
        late = second.post(path, json={}, headers=csrf(second))
        assert late.status_code == 409
        assert "王芳" in late.json()["error"]["zh"]
        again = first.post(path, json={}, headers=csrf(first))
        assert again.status_code == 200, "a second tap of the same person changes nothing"


def test_a_page_without_script_answers_by_its_form(client, county, log_in):
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    page = client.get("/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    answer = client.post(
        f"/alerts/{alert.id}/acknowledge",
        data={"csrf_token": token[1], "version": alert.version},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert county.service.get(county.police(), alert.id).acked_by == "wang-fang"


def test_answering_without_the_token_changes_nothing(client, county, log_in):
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    assert client.post(f"/api/v1/alerts/{alert.id}/acknowledge", json={}).status_code == 403
    assert client.post(f"/alerts/{alert.id}/acknowledge").status_code == 403
    assert county.service.get(county.police(), alert.id).acked_by is None


def test_the_openapi_description_is_complete(client):
    document = client.get("/api/v1/openapi.json").json()
    expected = {
        "/api/v1/session": {"get", "post", "delete"},
        "/api/v1/me": {"get"},
        "/api/v1/alerts": {"get"},
        "/api/v1/alerts/{alert_id}": {"get"},
        "/api/v1/alerts/{alert_id}/acknowledge": {"post"},
        "/api/v1/alerts/{alert_id}/thumbnail": {"get"},
        "/api/v1/alerts/{alert_id}/evidence/{sha256}": {"get"},
        "/api/v1/stream": {"get"},
    }
    for path, methods in expected.items():
        assert set(document["paths"][path]) == methods
        for method in methods:
            operation = document["paths"][path][method]
            assert operation["summary"]
            assert operation["description"]
            assert "401" in operation["responses"]
    stream = document["paths"]["/api/v1/stream"]["get"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


@pytest.mark.parametrize(
    "path", ["/login", "/", "/api/v1/me", "/nowhere", "/offline", "/healthz", "/sw.js"]
)
def test_every_answer_carries_the_security_headers(client, path):
    headers = client.get(path, follow_redirects=False).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "server" not in headers


def test_https_is_remembered_and_http_is_not(county):
    app = county.app()
    with TestClient(app) as plain, TestClient(app, base_url="https://testserver") as secure:
        assert "strict-transport-security" not in plain.get("/login").headers
        assert "max-age" in secure.get("/login").headers["strict-transport-security"]


def test_no_page_has_a_script_or_style_inside(client, county, log_in):
    alert = county.car("冀T8K2L6")
    pages = [client.get("/login").text]
    log_in(client, "wang-fang")
    pages += [client.get(p).text for p in ("/", f"/alerts/{alert.id}", "/account", "/offline")]
    for page in pages:
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)


def test_the_first_view_is_light(client, county, log_in):
    county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    version = client.app.state.web.assets.version
    names = ["live.js", "board.js", "stream.js", "sound.js", "countdown.js"]
    scripts = [client.get(f"/static/{version}/{name}") for name in names]
    assert all(script.status_code == 200 for script in scripts)
    assert sum(len(script.content) for script in scripts) < 100_000


def test_what_a_camera_is_called_cannot_become_markup(client, county, log_in):
    site = county.site
    cameras = tuple(
        c.model_copy(update={"name": "<img src=x onerror=alert(1)>"}) for c in site.cameras
    )
    evil = type(county)(
        county.engine, site.model_copy(update={"cameras": cameras}), county.clock, county.folder
    )
    evil.car("冀T8K2L6")
    with TestClient(evil.app()) as other:
        log_in(other, "wang-fang")
        page = other.get("/").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_a_body_larger_than_any_form_is_refused(client, log_in):
    log_in(client, "wang-fang")
    huge = b"x" * (BODY_LIMIT_BYTES + 1)
    answer = client.post("/logout", content=huge, headers={"content-type": "text/plain"})
    assert answer.status_code in (403, 413)
    form = client.post("/login", content=b"account=" + huge, headers=FORM)
    assert form.status_code == 413


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version":-1}', b'{"versions":1}', b"\xff"])
def test_a_malformed_body_is_told_and_changes_nothing(client, county, log_in, csrf, body):
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    answer = client.post(
        f"/api/v1/alerts/{alert.id}/acknowledge",
        content=body,
        headers={**csrf(client), "content-type": "application/json"},
    )
    assert answer.status_code in (400, 422)
    assert county.service.get(county.police(), alert.id).acked_by is None


def test_the_app_can_be_installed(client):
    manifest = client.get("/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    icons = manifest.json()["icons"]
    assert {icon["purpose"] for icon in icons} == {"any", "maskable"}
    for icon in icons:
        answer = client.get(icon["src"])
        assert answer.headers["content-type"] == icon["type"]
        assert "immutable" in answer.headers["cache-control"]


def test_the_service_worker_keeps_no_alert_and_no_picture(client):
    script = client.get("/sw.js").text
    caching, _, telling = script.partition('addEventListener("push"')
    assert "caches" not in telling, "a push message is shown, never kept"
    kept = re.findall(r'"(/[^"]*|[\w-]+\.(?:css|js|svg))"', caching)
    assert set(kept) == {"/offline", "style.css", "cards.css", "pages.css", "icon.svg"}


def test_alive_ready_and_counted(client, county, log_in, csrf):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (
        200,
        {"database": True, "stream": True, "storing": True},
    )
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang", "wrong")
    log_in(client, "wang-fang")
    client.post(f"/api/v1/alerts/{alert.id}/acknowledge", json={}, headers=csrf(client))
    metrics = client.get("/metrics", headers={"authorization": "Bearer metrics-token"}).text
    assert 'menshen_web_logins_total{result="wrong"} 1.0' in metrics
    assert 'menshen_web_logins_total{result="ok"} 1.0' in metrics
    assert 'menshen_web_acknowledged_total{result="ok"} 1.0' in metrics
    assert "王芳" not in metrics
    assert "wang-fang" not in metrics


@pytest.mark.parametrize(
    "sent", [None, "", "Bearer", "Bearer ", "bearer metrics-token", "Bearer metrics-token-2"]
)
def test_metrics_are_for_who_holds_the_token(client, sent):
    headers = {} if sent is None else {"authorization": sent}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert "menshen_web" not in answer.text


def test_without_a_token_nobody_reads_metrics(county):
    county.secrets = county.secrets.model_copy(update={"web": WebSecrets()})
    with TestClient(county.app()) as client:
        for token in ("Bearer ", "Bearer None", "Bearer metrics-token"):
            answer = client.get("/metrics", headers={"authorization": token})
            assert answer.status_code == 404


def test_a_web_without_its_database_says_that_it_is_not_ready(county):
    with TestClient(county.app()) as client:
        county.engine.dispose()
        (county.folder / "centre.db").rename(county.folder / "gone.db")
        (county.folder / "centre.db").mkdir()
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["database"] is False
