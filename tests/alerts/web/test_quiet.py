"""Silences and wartime on the pages: who may, what it does, and the banner that says so."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from alerts.life.state import Outcome
from alerts.store.quiet_schema import digests
from tests.alerts.web.conftest import csrf_of, form_login


def send(client: TestClient, person: str, path: str, **fields) -> int:
    client.cookies.clear()
    assert form_login(client, person).status_code == 303
    answer = client.post(path, data=fields, headers=csrf_of(client), follow_redirects=False)
    return answer.status_code


def look(client: TestClient, person: str, path: str) -> str:
    client.cookies.clear()
    form_login(client, person)
    return client.get(path).text


def only_id(page: str, prefix: str) -> str:
    return page.split(f'action="{prefix}/')[1].split("/")[0]


def test_a_grid_head_silences_her_grid_and_ends_it_again(client, county):
    fields = {"reason": "东门停电检修", "hours": "3", "grids": ["east-gate"]}
    assert send(client, "wang-fang", "/silences", **fields) == 303
    page = look(client, "police-desk", "/silences")
    assert "东门停电检修" in page
    assert "生效中" in page
    silence_id = only_id(page, "/silences")
    assert send(client, "wang-fang", f"/silences/{silence_id}/end") == 303
    assert "已手动结束" in look(client, "wang-fang", "/silences")


def test_a_grid_head_is_refused_beyond_her_grids_with_the_reason(client):
    fields = {"reason": "别人家的事", "hours": "3", "kinds": ["plate"]}
    assert send(client, "wang-fang", "/silences", **fields) == 422
    assert "别人家的事" not in look(client, "police-desk", "/silences")


@pytest.mark.parametrize("hours", ["0", "-1", "169", "nan", "viel"])
def test_hours_out_of_bounds_are_refused(client, hours):
    fields = {"reason": "检修", "hours": hours, "grids": ["east-gate"]}
    assert send(client, "police-desk", "/silences", **fields) == 422


def test_no_home_camera_is_offered_or_accepted(client):
    assert "home-li-qiang" not in look(client, "police-desk", "/silences")
    fields = {"reason": "检修", "hours": "3", "cameras": ["home-li-qiang"]}
    assert send(client, "police-desk", "/silences", **fields) == 422


def test_two_people_switch_wartime_on_and_everybody_reads_it_on_their_page(client):
    assert send(client, "police-desk", "/wartime", reason="汛情") == 303
    asked = look(client, "police-desk", "/wartime")
    order = only_id(asked, "/wartime")
    assert "/confirm" not in asked, "not by whoever asked"
    assert send(client, "police-desk", f"/wartime/{order}/confirm") == 422
    assert 'class="war"' not in look(client, "wang-fang", "/")
    assert send(client, "town-chengguan", f"/wartime/{order}/confirm") == 303
    for person in ("wang-fang", "li-qiang", "police-desk"):
        page = look(client, person, "/duty" if person == "wang-fang" else "/account")
        assert 'class="war"' in page
        assert "汛情" in page
    assert send(client, "admin-gao", f"/wartime/{order}/end") == 303
    assert 'class="war"' not in look(client, "wang-fang", "/")


def test_no_such_order_is_nothing_to_decide(client):
    assert send(client, "police-desk", "/wartime/not-an-id/confirm") == 404
    assert (
        send(client, "police-desk", "/wartime/019b76da-a800-74bf-96d7-f50bb2c96ce9/confirm") == 422
    )


def test_precision_is_on_the_police_figures_and_on_the_installers_camera_page(client, county):
    alert = county.car("冀T8K2L6")
    desk = county.police()
    county.service.acknowledge(desk, alert.id, version=None)
    county.service.report(desk, alert.id)
    county.service.close(desk, alert.id, outcome=Outcome.FALSE_ALARM)
    assert "核实后的准确率" in look(client, "police-desk", "/statistics")
    assert "核实后的准确率" in look(client, "installer", "/cameras/east-gate-in")
    assert "核实后的准确率" not in look(client, "wang-fang", "/cameras/east-gate-in")


def test_a_digest_lists_its_alerts_to_its_person_and_to_nobody_else(client, county):
    for number in range(6):
        county.car(f"冀T{number:05d}", camera="lixiang-road")
    with county.engine.connect() as connection:
        digest = connection.execute(select(digests)).one()
    page = look(client, digest.person, f"/digests/{digest.id}")
    assert page.count('class="row-main"') == 3
    client.cookies.clear()
    form_login(client, "police-desk")
    assert client.get(f"/digests/{digest.id}").status_code == 404
    assert client.get("/digests/nonsense").status_code == 404
