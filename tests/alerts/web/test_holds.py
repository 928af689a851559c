"""Legal holds and proof of deletion on their page: two people, a case, an end, and who may not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.retention.job import RetentionJob
from ingest.media import MediaError
from tests.alerts.web.conftest import become, post
from tests.alerts.web.county import make_jpeg

PLATE = "冀T8K2L6"


def request(county, **changes: object) -> dict[str, object]:
    today = county.clock.now().date()
    return {
        "case_number": "案2026-118",
        "reason": "盗窃案",
        "camera": "east-gate-in",
        "first": str(today - timedelta(days=1)),
        "last": str(today + timedelta(days=2)),
        "ends": str(today + timedelta(days=60)),
        **changes,
    }


def test_two_people_hold_a_camera_and_one_releases_it(client, county):
    county.car(PLATE, evidence=(county.evidence(make_jpeg("car"), role="crop"),))
    job = RetentionJob(county.engine, county.site, county.clock, county.media)
    become(client, "police-desk")
    assert post(client, "/holds", **request(county)).status_code == 303
    page = client.get("/holds").text
    assert "待第二人确认" in page
    assert "/confirm" not in page, "not one's own"
    hold_id = page.split("/holds/")[1].split("/")[0]
    assert post(client, f"/holds/{hold_id}/confirm").status_code == 409
    become(client, "admin-gao")
    assert post(client, f"/holds/{hold_id}/confirm").status_code == 303
    county.clock.advance(40 * 86_400)
    assert job.sweep().events == 0
    become(client, "police-desk")
    assert post(client, f"/holds/{hold_id}/release", reason="").status_code == 409
    assert post(client, f"/holds/{hold_id}/release", reason="已结案").status_code == 303
    assert job.sweep().events == 1
    page = client.get("/holds").text
    assert "已结案" in page
    assert "gated: kept 30 days" in page
    assert PLATE not in page
    assert "没有它的删除记录" in client.get("/holds", params={"name": "0" * 64}).text
    actions = client.get("/audit").text
    for action in ("hold-asked", "hold-confirmed", "hold-released", "retention-delete"):
        assert action in actions


def test_an_alert_is_held_by_its_id(client, county):
    alert = county.car(PLATE)
    become(client, "admin-gao")
    form = request(county, alert=alert.id, camera="", first="", last="")
    assert post(client, "/holds", **form).status_code == 303
    assert f"/alerts/{alert.id}" in client.get("/holds").text


@pytest.mark.parametrize(
    "change",
    [
        {"case_number": " "},
        {"reason": " "},
        {"ends": "2020-01-01"},
        {"ends": "9999-12-31"},
        {"ends": "soon"},
        {"camera": "nowhere"},
        {"camera": ""},
        {"first": ""},
        {"last": "2020-01-01"},
        {"alert": "no-such-alert"},
        {"alert": "x' OR 1=1 --"},
    ],
)
def test_a_hold_that_breaks_a_rule_is_refused_in_words(client, county, change):
    become(client, "police-desk")
    answer = post(client, "/holds", **request(county, **change))
    assert answer.status_code == 422
    assert "案件编号" in answer.text
    assert "没有保全" in client.get("/holds").text


@pytest.mark.parametrize("person", ["wang-fang", "li-qiang", "installer", "town-chengguan"])
def test_nobody_else_may_hold_or_look(client, county, person):
    become(client, person)
    assert client.get("/holds").status_code == 403
    assert post(client, "/holds", **request(county)).status_code == 403


def test_a_store_that_is_away_is_told_in_words(client, county, monkeypatch):
    file = county.evidence(make_jpeg("car"))
    alert = county.car(PLATE, evidence=(file,))
    become(client, "police-desk")

    def away(_: str) -> None:
        raise MediaError(status=503, where="s3", problem="it does not answer", remedy="wait")

    monkeypatch.setattr(county.media, "find", away)
    answer = client.get(f"/api/v1/alerts/{alert.id}/evidence/{file.sha256}")
    assert answer.status_code == 503
    assert answer.json()["error"]["zh"] == "证据存储暂时无法访问"
