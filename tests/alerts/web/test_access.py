"""Who sees what: scope of alerts and pictures, audit of views, and a guard on every route."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import text

from alerts.auditing.audit import AuditLog
from alerts.web.people.access import RIGHTS, Action
from config.ids import uuid7
from config.site import Role

PUBLIC = {
    "GET /login",
    "POST /login",
    "POST /api/v1/session",
    "GET /static/{version}/{name}",
    "GET /favicon.ico",
    "GET /sw.js",
    "GET /offline",
    "GET /manifest.webmanifest",
    "GET /notice/{camera_id}",
    "GET /join/{token}",
    "POST /join/{token}",
    "POST /login/code",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}
"""What a stranger may reach: nothing here tells of a person, or of a place but its notice."""
PROVEN_OTHERWISE = {
    "GET /a/{token}",
    "POST /a/{token}",
    "GET /calendar/{token}.ics",
    "GET /login/oidc",
    "GET /login/oidc/callback",
    "POST /api/v1/receipts/{gateway}",
    "POST /api/v1/receipts/webpush",
    "PUT /v1/discovery",
    "PUT /v1/trials/{trial_id}",
    "GET /v1/household/{ticket}",
    "POST /v1/household/{ticket}",
}
"""What no session opens, but a secret in the address, a signature, or a node's token."""


@pytest.fixture
def app(county):
    return county.app()


@pytest.fixture
def client(app) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def guarded(dependant: Dependant) -> bool:
    return hasattr(dependant.call, "action") or any(map(guarded, dependant.dependencies))


def test_every_route_but_the_public_ones_asks_who_you_are(app):
    routes = [c.original_route for c in iter_route_contexts(app.routes)]
    routes = [route for route in routes if isinstance(route, APIRoute)]
    open_routes = {
        next(iter(route.methods)) + " " + route.path
        for route in routes
        if not guarded(route.dependant)
    }
    assert open_routes == PUBLIC | PROVEN_OTHERWISE
    assert len(routes) > 15


def test_every_action_has_roles_and_installers_see_no_evidence():
    assert set(RIGHTS) == set(Action)
    assert all(RIGHTS.values())
    assert Role.INSTALLER not in RIGHTS[Action.VIEW_EVIDENCE]


def test_another_homes_alert_and_its_pictures_do_not_exist_for_a_neighbour(
    client, county, log_in, csrf, jpeg
):
    alert = county.face("home-li-qiang")
    file = county.evidence(jpeg("a home"))
    log_in(client, "zhou-min")
    headers = csrf(client)
    paths = [
        f"/api/v1/alerts/{alert.id}",
        f"/api/v1/alerts/{alert.id}/thumbnail",
        f"/api/v1/alerts/{alert.id}/evidence/{file.sha256}",
        f"/alerts/{alert.id}",
    ]
    assert {client.get(path).status_code for path in paths} == {404}
    answer = client.post(f"/api/v1/alerts/{alert.id}/acknowledge", json={}, headers=headers)
    assert answer.status_code == 404
    assert client.get("/api/v1/alerts").json()["alerts"] == []
    assert alert.id not in client.get("/").text


def test_the_owner_sees_their_own(client, county, log_in):
    alert = county.face("home-li-qiang")
    log_in(client, "li-qiang")
    assert [a["id"] for a in client.get("/api/v1/alerts").json()["alerts"]] == [alert.id]
    picture = client.get(f"/api/v1/alerts/{alert.id}/thumbnail")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "no-store"
    assert picture.content.startswith(b"\xff\xd8")


def test_the_police_desk_does_not_see_into_a_home(client, county, log_in):
    alert = county.face("home-li-qiang")
    log_in(client, "police-desk")
    assert client.get(f"/api/v1/alerts/{alert.id}").status_code == 404
    assert client.get(f"/api/v1/alerts/{alert.id}/thumbnail").status_code == 404


def test_a_grid_worker_does_not_see_another_grid(client, county, log_in):
    alert = county.car("冀T8K2L6", camera="lixiang-road")
    log_in(client, "liu-yang")
    assert client.get(f"/api/v1/alerts/{alert.id}").status_code == 404


def test_evidence_is_shown_to_those_who_may_and_every_view_is_audited(client, county, log_in, jpeg):
    data = jpeg("the scene", (1920, 1080))
    alert = county.car("冀T8K2L6", evidence=(county.evidence(data),))
    log_in(client, "wang-fang")
    sha256 = alert.evidence[0].sha256
    answer = client.get(f"/api/v1/alerts/{alert.id}/evidence/{sha256}")
    assert answer.content == data
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with county.engine.connect() as connection:
        seen = connection.execute(
            text("SELECT actor, object, detail FROM audit WHERE action = 'view-evidence'")
        ).all()
    assert [(row.actor, row.object) for row in seen] == [("wang-fang", f"alert {alert.id}")]
    assert sha256 in seen[0].detail
    assert AuditLog(county.engine, county.clock).verify() is None


def test_a_file_is_not_reached_through_an_alert_it_does_not_belong_to(client, county, log_in, jpeg):
    hidden = county.evidence(jpeg("another place"))
    mine = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    answer = client.get(f"/api/v1/alerts/{mine.id}/evidence/{hidden.sha256}")
    assert answer.status_code == 404


def test_evidence_that_has_not_arrived_yet_is_404_and_not_audited(client, county, log_in, jpeg):
    file = county.evidence(jpeg("soon"))
    missing = file.model_copy(update={"sha256": "0" * 64})
    alert = county.car("冀T8K2L6", evidence=(missing,))
    log_in(client, "wang-fang")
    assert client.get(f"/api/v1/alerts/{alert.id}/evidence/{'0' * 64}").status_code == 404
    with county.engine.connect() as connection:
        count = connection.execute(
            text("SELECT count(*) FROM audit WHERE action = 'view-evidence'")
        ).scalar_one()
    assert count == 0


def test_an_installer_gets_no_evidence(client, county, log_in, jpeg):
    alert = county.car("冀T8K2L6", evidence=(county.evidence(jpeg("x")),))
    log_in(client, "installer")
    sha256 = alert.evidence[0].sha256
    assert client.get(f"/api/v1/alerts/{alert.id}/evidence/{sha256}").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/../auth.py",
        "/static/x/..%2fauth.py",
        "/static/x/%2e%2e%2fauth.py",
        "/static/../../config/secrets.py",
        "/static/x/style.css%00.js",
        "/static/x//etc/passwd",
        "/api/v1/alerts/{id}/evidence/..%2f..%2fcentre.db",
        "/api/v1/alerts/{id}/evidence/%2e%2e",
        "/api/v1/alerts/..%2f..%2fetc%2fpasswd",
        "/api/v1/alerts/%00",
        "/alerts/%27%20OR%201=1",
    ],
)
def test_a_path_that_climbs_leads_nowhere(client, county, log_in, path):
    alert = county.car("冀T8K2L6")
    log_in(client, "wang-fang")
    answer = client.get(path.replace("{id}", alert.id))
    assert answer.status_code == 404
    assert b"import" not in answer.content
    assert b"SQLite" not in answer.content


def test_an_unknown_alert_is_404_whatever_is_done_to_it(client, log_in, csrf, clock):
    log_in(client, "wang-fang")
    nowhere = f"/api/v1/alerts/{uuid7(clock.now())}"
    assert client.get(nowhere).status_code == 404
    answer = client.post(f"{nowhere}/acknowledge", json={}, headers=csrf(client))
    assert answer.status_code == 404
