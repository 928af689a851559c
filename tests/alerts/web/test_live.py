"""Live view at the door: grants that begin and end, families, limits, and an honest audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from alerts.store.schema import audit
from alerts.web.app import create_app
from alerts.web.camera import live
from config.site import Role
from ingest.engine import reading
from ingest.live import LiveRelay
from tests.alerts.web.county import HASHER
from tests.edge.cameras import until

HOME = "home-li-qiang"
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def app(county: Any, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(live, "RECHECK_S", 0.02)
    built: FastAPI = county.app()
    built.include_router(live.live_router(LiveRelay(grace_s=0.0)))
    return built


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def watching(client: TestClient, camera: str, headers: dict[str, str] | None = None, **query: str):
    wanted = {"purpose": "a test"} | query
    path = f"/api/v1/cameras/{camera}/live?" + "&".join(f"{k}={v}" for k, v in wanted.items())
    return client.websocket_connect(path, headers=ORIGIN if headers is None else headers)


def refused(client: TestClient, camera: str, **more: Any) -> tuple[int, str]:
    with pytest.raises(WebSocketDenialResponse) as denied, watching(client, camera, **more):
        pass
    return denied.value.status_code, denied.value.json()["error"]["code"]


def looks(county: Any) -> list[tuple[str, str, str, str]]:
    with reading(county.engine) as connection:
        rows = connection.execute(
            select(audit).where(audit.c.action.like("view-live%")).order_by(audit.c.seq)
        ).all()
    return [(row.actor, row.action, row.object, row.detail) for row in rows]


def test_a_grant_lets_the_grid_head_in_for_half_an_hour_and_then_ends_the_view(
    app: FastAPI, client: TestClient, county: Any, log_in: Any
) -> None:
    alert = county.face(HOME)
    log_in(client, "wang-fang")
    assert refused(client, HOME) == (404, "not_found")
    app.state.web.homes.grant(alert_id=alert.id, owner="li-qiang", person="wang-fang")
    with watching(client, HOME) as view:
        assert view.receive_json()["code"] == "node_offline"
        county.clock.advance(timedelta(minutes=31).total_seconds())
        end = view.receive_json()
        assert (end["type"], end["code"]) == ("end", "not_allowed")
        assert end["zh"]
        assert end["en"]
        with pytest.raises(WebSocketDisconnect) as closed:
            view.receive_json()
        assert closed.value.code == 4403
    assert refused(client, HOME) == (404, "not_found")
    until(lambda: len(looks(county)) == 2)
    begun, ended = looks(county)
    assert begun[:3] == ("wang-fang", "view-live", f"camera {HOME}")
    assert ended[:3] == ("wang-fang", "view-live-end", f"camera {HOME}")
    assert "end after 1860 s; not_allowed; purpose: a test" in ended[3]


def test_a_grant_for_one_home_opens_no_other_camera(
    app: FastAPI, client: TestClient, county: Any, log_in: Any
) -> None:
    alert = county.face(HOME)
    app.state.web.homes.grant(alert_id=alert.id, owner="li-qiang", person="zhou-min")
    log_in(client, "zhou-min")
    with watching(client, HOME) as view:
        assert view.receive_json()["code"] == "node_offline"
    assert refused(client, "east-gate-in") == (404, "not_found")


def test_another_site_no_site_and_no_login_are_refused(
    client: TestClient, county: Any, log_in: Any
) -> None:
    assert refused(client, "east-gate-in") == (401, "not_logged_in")
    log_in(client, "police-desk")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {},
        ORIGIN | {"Sec-Fetch-Site": "cross-site"},
    ):
        assert refused(client, "east-gate-in", headers=headers) == (403, "csrf")
    assert looks(county) == []


def test_who_needs_a_second_factor_and_has_none_watches_nothing(county: Any, log_in: Any) -> None:
    app = create_app(
        service=county.service,
        engine=county.engine,
        site=county.site,
        secrets=county.secrets,
        media=county.media,
        clock=county.clock,
        hasher=HASHER,
        factor_roles=frozenset({Role.POLICE}),
        routers=[live.live_router(LiveRelay())],
    )
    with TestClient(app) as client:
        log_in(client, "police-desk")
        assert refused(client, "east-gate-in") == (403, "enrol_first")
        answer = client.get("/api/v1/cameras/east-gate-in/snapshot?purpose=duty")
        assert answer.json()["error"]["code"] == "enrol_first"


def test_a_purpose_and_a_known_stream_are_asked(client: TestClient, log_in: Any) -> None:
    log_in(client, "police-desk")
    for purpose in ("", "x", "%20%20", "a%00b", "y" * 300):
        assert refused(client, "east-gate-in", purpose=purpose) == (422, "purpose")
    assert refused(client, "east-gate-in", mode="raw") == (422, "no_such_stream")
    assert refused(client, "east-gate-in'--") == (404, "not_found")


def test_nobody_opens_more_views_than_a_wall_has_screens(
    client: TestClient, log_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "VIEWS_PER_PERSON", 2)
    log_in(client, "police-desk")
    with watching(client, "east-gate-in") as one, watching(client, "east-gate-in") as two:
        for view in (one, two):
            assert view.receive_json()["code"] == "node_offline"
        assert refused(client, "east-gate-in") == (429, "too_many_views")


def test_a_snapshot_of_a_node_that_is_away_says_so_in_both_languages(
    client: TestClient, county: Any, log_in: Any
) -> None:
    log_in(client, "police-desk")
    answer = client.get("/api/v1/cameras/east-gate-in/snapshot", params={"purpose": "a call"})
    assert answer.status_code == 503
    words = json.loads(answer.text)["error"]
    assert words["code"] == "node_offline"
    assert words["zh"]
    assert words["en"]
    status = client.get("/api/v1/cameras/east-gate-in/live")
    assert status.json() == {"node_online": False, "stills_only": False}
    assert client.get(f"/api/v1/cameras/{HOME}/live").status_code == 404
