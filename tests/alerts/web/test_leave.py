"""Leave and calendars on the duty page: asked, approved from above, heeded, taken back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from icalendar import Calendar
from playwright.sync_api import expect

from alerts.auditing.audit import AuditLog
from alerts.rosters.duty import on_duty
from tests.alerts.web.conftest import become, post
from tests.alerts.web.pages import faults

SPAN = {"start": "2026-01-01T20:00", "end": "2026-01-03T08:00"}
"""The fake clock starts on Thursday 2026-01-01, 08:00 in the county."""


def test_leave_counts_once_the_head_has_approved_it(client, county):
    web = client.app.state.web
    become(client, "liu-yang")
    asked = post(client, "/duty/leave", **SPAN, substitute="sun-mei", reason="孩子生病")
    assert asked.status_code == 303
    (leave,) = web.leaves.of_person("liu-yang")
    assert post(client, f"/duty/leave/{leave.id}/approve").status_code == 404, "nobody for oneself"
    county.clock.advance(13 * 3600)
    site, now = county.site, county.clock.now()
    assert on_duty(site, "east-gate", now, web.swaps.arranged()).people[0] == "liu-yang"
    become(client, "sun-mei")
    assert post(client, f"/duty/leave/{leave.id}/approve").status_code == 404, "not the head"
    seen = client.get("/duty").text
    assert "刘洋" in seen
    assert "孩子生病" not in seen, "why, is nobody's but theirs and the head's"
    become(client, "wang-fang")
    assert "孩子生病" in client.get("/duty").text
    assert post(client, f"/duty/leave/{leave.id}/approve").status_code == 303
    assert post(client, f"/duty/leave/{leave.id}/decline").status_code == 404, "decided already"
    assert on_duty(site, "east-gate", now, web.swaps.arranged()).people[0] == "sun-mei"
    alert = county.car("冀T8K2L6")
    assert [line.person_id for line in alert.told] == ["sun-mei"]
    become(client, "liu-yang")
    own = client.get("/duty").text
    assert "已批准" in own
    assert "孩子生病" in own
    assert post(client, f"/duty/leave/{leave.id}/withdraw").status_code == 303
    assert on_duty(site, "east-gate", now, web.swaps.arranged()).people[0] == "liu-yang"
    assert AuditLog(county.engine, county.clock).verify() is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"end": "2026-01-01T19:00"}, 422),
        ({"start": "soon"}, 422),
        ({"end": "2027-01-01T00:00"}, 422),
        ({"start": "2025-12-01T00:00", "end": "2025-12-02T00:00"}, 422),
        ({"substitute": "police-desk"}, 422),
        ({"substitute": "liu-yang"}, 422),
        ({"reason": "x" * 201}, 422),
    ],
)
def test_a_wrong_request_is_refused(client, county, fields, status):
    become(client, "liu-yang")
    assert post(client, "/duty/leave", **{**SPAN, **fields}).status_code == status
    assert client.app.state.web.leaves.of_person("liu-yang") == []


def test_the_township_decides_for_a_head_and_the_police_ask_for_none(client, county):
    become(client, "wang-fang")
    post(client, "/duty/leave", **SPAN)
    (leave,) = client.app.state.web.leaves.of_person("wang-fang")
    assert post(client, f"/duty/leave/{leave.id}/approve").status_code == 404
    become(client, "police-desk")
    assert post(client, "/duty/leave", **SPAN).status_code == 403
    become(client, "town-chengguan")
    assert post(client, f"/duty/leave/{leave.id}/decline").status_code == 303
    assert client.app.state.web.leaves.find(leave.id).state == "declined"


def test_the_head_enters_leave_for_a_worker_who_has_fallen_ill(client, county):
    web = client.app.state.web
    county.clock.advance(13 * 3600)
    become(client, "sun-mei")
    assert post(client, "/duty/leave", **SPAN, person="liu-yang").status_code == 403
    become(client, "wang-fang")
    for person in ("sun-mei", "police-desk", "nobody"):
        assert post(client, "/duty/leave", **SPAN, person=person).status_code == 403
    answer = post(client, "/duty/leave", **SPAN, person="liu-yang", substitute="chen-jie")
    assert answer.status_code == 303
    now = county.clock.now()
    assert on_duty(county.site, "east-gate", now, web.swaps.arranged()).people == ("chen-jie",)
    assert "登记请假" in (become(client, "town-chengguan"), client.get("/duty").text)[1]
    assert post(client, "/duty/leave", **SPAN, person="wang-fang").status_code == 303
    assert [one.state for one in web.leaves.of_person("wang-fang")] == ["approved"]


def test_a_phones_calendar_reads_the_secret_address_until_it_ends(client, county):
    become(client, "liu-yang")
    own = client.get("/duty/calendar.ics")
    assert own.headers["content-type"].startswith("text/calendar")
    assert Calendar.from_ical(own.content).walk("VEVENT")
    address = re.search(r"/calendar/[\w-]+\.ics", post(client, "/duty/calendar").text)
    assert address is not None
    client.cookies.clear()
    assert client.get("/duty/calendar.ics", follow_redirects=False).status_code in (303, 401)
    assert client.get(address[0]).content == own.content
    assert client.get("/calendar/guess.ics").status_code == 404
    become(client, "liu-yang")
    second = re.search(r"/calendar/[\w-]+\.ics", post(client, "/duty/calendar").text)
    assert second is not None
    assert client.get(address[0]).status_code == 404, "a new address ends the old one"
    assert client.get(second[0]).status_code == 200
    assert post(client, "/duty/calendar/end").status_code == 303
    assert client.get(second[0]).status_code == 404


@pytest.mark.browser
def test_leave_on_a_phone(townsman, town):
    page = townsman().log_in("sun-mei")
    page.wait_for_selector("#stream", state="attached")
    page.goto(f"{town.url}/duty")
    page.get_by_text("我要请假").click()
    first = town.county.clock.now() + timedelta(days=20)
    page.fill("#leave-start", f"{first:%Y-%m-%dT08:00}")
    page.fill("#leave-end", f"{first + timedelta(days=2):%Y-%m-%dT08:00}")
    page.select_option("#substitute", "chen-jie")
    assert faults(page) == []
    page.get_by_role("button", name="提交").click()
    expect(page.locator("#leave")).to_contain_text("等批准")
    assert faults(page) == []
