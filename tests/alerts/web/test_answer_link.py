"""Answering from a notification: a look changes nothing, one tap counts once, nothing is forged."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from alerts.channels.push import new_private_key
from alerts.channels.words import spoken, words_of
from alerts.life.state import Outcome, State
from alerts.store import schema
from alerts.telling.answers import KEY_NAME, LIFETIME, answer_url, read, sign
from alerts.web.base.keys import shared_key
from config.channel_secrets import PushSecret
from config.clock import FakeClock
from config.ids import uuid7
from config.site import Role
from ingest.engine import reading
from tests.alerts.channels.test_push import pushing
from tests.alerts.web.conftest import become
from tests.alerts.web.test_push_browser import delivery_over_push, registration
from tests.contracts.test_channels import note
from tests.providers import Say, wait_for
from tests.push_browser import Browser

HOME = "home-li-qiang"
KEY = bytes(range(32))


def link(county, alert, person: str) -> str:
    """The address in the notice that ``person`` was sent of an alert."""
    sent = schema.deliveries.c
    with reading(county.engine) as connection:
        delivery = connection.execute(
            select(sent.id).where(sent.alert_id == alert.id, sent.person == person)
        ).scalars().first()  # fmt: skip
    key = shared_key(county.engine, county.clock, KEY_NAME)
    return answer_url(key, "", delivery)


def state_of(county, alert):
    return county.service.get(county.viewer("li-qiang"), alert.id)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=60))
def test_only_what_we_signed_is_read(key: bytes, text: str) -> None:
    delivery = uuid7(FakeClock().now())
    token = sign(key, delivery)
    assert (len(token), read(key, token)) == (43, delivery)
    assert read(key, text) in (None, delivery if text == token else None)
    assert read(bytes(32 - len(key)) + key[::-1] + b"x", token) is None


@given(st.integers(0, 42), st.sampled_from("AZaz09-_=+/ \n"))
def test_a_token_changed_anywhere_is_none(place: int, sign_at: str) -> None:
    delivery = uuid7(FakeClock().now())
    token = sign(KEY, delivery)
    other = token[:place] + sign_at + token[place + 1 :]
    assert (read(KEY, other) is None) == (other != token)


def test_the_owner_answers_from_the_notice_without_logging_in(client, county):
    alert = county.face(HOME)
    path = link(county, alert, "li-qiang")
    for _ in range(3):
        page = client.get(path)
        assert page.status_code == 200
    assert "是我们" in page.text
    assert "<img" not in page.text.split("gate")[1], "no picture without a login"
    assert state_of(county, alert).state is State.OPEN, "a messenger's preview answers nothing"
    assert client.post(path, data={"what": "us"}).status_code == 200
    view = state_of(county, alert)
    assert (view.state, view.outcome, view.acked_by) == (
        State.CLOSED,
        Outcome.NO_ACTION,
        "li-qiang",
    )
    assert client.post(path, data={"what": "us"}).status_code == 410
    assert client.get(path).status_code == 410
    log = schema.audit.c
    with reading(county.engine) as connection:
        lines = connection.execute(
            select(log.actor, log.detail).where(log.action == "answered-by-link")
        ).all()
    assert [(line.actor, line.detail.split(";")[0]) for line in lines] == [("li-qiang", "us")]


def test_the_owner_calls_the_grid_head_from_the_notice(client, county):
    alert = county.face(HOME)
    path = link(county, alert, "li-qiang")
    assert client.post(path, data={"what": "grid"}).status_code == 200
    assert "zhao-lei" in {line.person_id for line in state_of(county, alert).told}


def test_a_worker_takes_it_and_can_do_no_more(client, county):
    alert = county.face(HOME)
    path = link(county, alert, "sun-mei")
    for what in ("us", "false", "police", "nonsense"):
        assert client.post(path, data={"what": what}).status_code == 422
    assert client.post(path, data={"what": "take"}).status_code == 200
    assert state_of(county, alert).acked_by == "sun-mei"


def test_a_home_is_offered_no_answer_that_would_be_refused(client, county):
    alert, worker = county.face(HOME), county.viewer("sun-mei")
    path = link(county, alert, "li-qiang")
    become(client, "li-qiang")
    pages = path, f"/alerts/{alert.id}"
    for page in pages:
        assert "是我们" in client.get(page).text
        assert "报警台" in client.get(page).text
    county.service.acknowledge(worker, alert.id, version=None)
    until = county.clock.now() + timedelta(hours=1)
    county.service.whistle(worker, alert.id, departments=[("消防救援站", until)])
    for page in pages:
        assert "是我们" not in client.get(page).text, "departments are on their way"
    assert client.post(path, data={"what": "us"}).status_code == 422
    county.service.department_report(worker, alert.id, department="消防救援站")
    county.service.report(worker, alert.id)
    for page in pages:
        assert "是我们" in client.get(page).text, "the link is not spent"
        assert "报警台" not in client.get(page).text, "nobody is called to what is reported"
    assert client.post(path, data={"what": "us"}).status_code == 200


def test_whoever_is_second_learns_who_was_first(client, county):
    alert = county.face(HOME)
    county.service.acknowledge(county.viewer("li-qiang"), alert.id, version=None)
    answer = client.post(link(county, alert, "sun-mei"), data={"what": "take"})
    assert answer.status_code == 409
    assert "李强" in answer.text


def test_an_old_link_and_a_strange_page_answer_nothing(client, county):
    alert = county.face(HOME)
    path = link(county, alert, "li-qiang")
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client.post(path, data={"what": "us"}, headers=foreign).status_code == 403
    mangled = {"origin": "http://[evil", "sec-fetch-site": "same-origin"}
    assert client.post(path, data={"what": "us"}, headers=mangled).status_code == 403
    county.clock.advance((LIFETIME - timedelta(seconds=1)).total_seconds())
    assert client.get(path).status_code == 200
    county.clock.advance(1)
    assert client.get(path).status_code == 410
    assert client.post(path, data={"what": "us"}).status_code == 410
    stray = answer_url(shared_key(county.engine, county.clock, KEY_NAME), "", uuid7(
        county.clock.now()
    ))  # fmt: skip
    assert client.get(stray).status_code == 410
    assert state_of(county, alert).state is State.OPEN


def test_a_role_that_needs_a_second_factor_does_not_answer_by_link(client, county):
    alert = county.face(HOME)
    path = link(county, alert, "sun-mei")
    web = client.app.state.web
    object.__setattr__(web, "factor_roles", frozenset({Role.GRID_WORKER}))
    assert client.get(path).status_code == 403
    assert client.post(path, data={"what": "take"}).status_code == 403


def test_a_push_message_carries_the_buttons_only_to_its_receiver(tmp_path: Path) -> None:
    with pushing(tmp_path) as (channel, kept, provider, _):
        browser = Browser()
        kept.add("wang-fang", endpoint=f"{provider.url}/x", device="d", **browser.keys)
        provider.always = Say(201)
        where = "https://menshen.example/a/TOKEN"
        for changes in ({}, {"answer": where}, {"answer": where, "is_owners": True}):
            channel.send(note(**changes))
        said = [json.loads(browser.open(got.body)) for got in provider.got]
    assert [one["answer"] for one in said] == [None, where, where]
    names = [[name for name, _ in one["answers"]] for one in said]
    assert names == [[], ["take"], ["us", "grid"]]
    assert all(where.encode() not in got.body for got in provider.got), "sealed"


def test_words_of_a_home_fit_whoever_reads_them() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    own, other = note(is_home=True, is_owners=True), note(is_home=True)
    assert "您家" in words_of(own, zone).title
    assert "您家" not in words_of(other, zone).title + spoken(other)
    assert "李强" not in words_of(other, zone).title, "nor does it say whose"


@pytest.mark.browser
def test_a_button_of_a_push_message_takes_the_alert(running, somebody):
    """In a real Chromium, whose service worker answers while no page is open at the alert."""
    county = running.county
    identity = PushSecret(private_key=SecretStr(new_private_key()), contact="mailto:a@b.example")
    county.secrets = county.secrets.model_copy(update={"push": identity})
    running.stop()
    running.start()
    reference, alert = delivery_over_push(county)
    key = shared_key(county.engine, county.clock, KEY_NAME)
    person = somebody()
    person.page.context.grant_permissions(["notifications"], origin=running.url)
    page = person.log_in("wang-fang")
    page.goto(f"{running.url}/account/notifications")
    tools, number = registration(page)
    message = {
        "title": "x", "body": "y", "link": f"{running.url}/alerts/{alert}", "tag": alert,
        "reference": reference, "severity": "notice",
        "answer": answer_url(key, running.url, reference),
        "answers": [["take", "我来处理 I take it"]],
    }  # fmt: skip
    tools.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": running.url, "registrationId": number, "data": json.dumps(message)},
    )
    shown = "navigator.serviceWorker.ready.then((r) => r.getNotifications())"
    actions = f"{shown}.then((l) => l.length ? l[0].actions.map((a) => a.action) : [])"
    assert wait_for(lambda: (page.wait_for_timeout(50), page.evaluate(actions))[1] == ["take"])
    [worker] = page.context.service_workers
    worker.evaluate(
        "async () => { const [notification] = await self.registration.getNotifications();"
        " const init = { notification, action: 'take' };"
        " self.dispatchEvent(new NotificationEvent('notificationclick', init)); }"
    )

    def taken() -> bool:
        page.wait_for_timeout(50)
        return county.service.get(county.police(), alert).state is State.ACKED

    assert wait_for(taken)
