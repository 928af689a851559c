"""Notifications page, subscriptions of browsers, and receipts of browsers and gateways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, update

from alerts.channels.answers import signed_headers
from alerts.channels.push import new_private_key
from alerts.channels.schema import push_subscriptions, quiet_hours
from alerts.store import schema
from config.channel_secrets import GatewaySecret, PushSecret
from config.channel_site import Gateway
from config.ids import uuid7
from tests.alerts.web.conftest import form_csrf, form_login
from tests.alerts.web.county import County
from tests.push_browser import Browser

KEY = "gateway-key-1234"
SERVICE = "https://push.example/to/1"


@pytest.fixture
def told(county: County) -> County:
    """The county with a gateway ``sms`` and Web Push."""
    gateway = Gateway.model_validate({"id": "sms", "kind": "sms", "url": "https://sms.example"})
    county.site = county.site.model_copy(update={"gateways": (gateway,)})
    identity = PushSecret(
        private_key=SecretStr(new_private_key()),
        contact="mailto:a@b.example",
        hosts=("push.example",),
    )
    county.secrets = county.secrets.model_copy(
        update={"gateways": {"sms": GatewaySecret(key=SecretStr(KEY))}, "push": identity}
    )
    return county


@pytest.fixture
def client(told: County) -> Iterator[TestClient]:
    with TestClient(told.app()) as client:
        yield client


def sent_over(county: County, channel: str) -> str:
    """A car passes, and its notice went over ``channel``; returns the notice's reference."""
    county.car("冀T1")
    sent = schema.deliveries
    with county.engine.begin() as connection:
        connection.execute(update(sent).values(channel=channel, state="accepted"))
        connection.execute(update(sent).values(provider_ref="their-7"))
        return str(connection.execute(select(sent.c.id)).scalar_one())


def state_of(county: County, reference: str) -> str:
    sent = schema.deliveries.c
    with county.engine.connect() as connection:
        return str(connection.execute(select(sent.state).where(sent.id == reference)).scalar_one())


def signed(county: County, body: bytes, key: str = KEY) -> dict[str, str]:
    return {"Content-Type": "application/json", **signed_headers(key, county.clock.now(), body)}


def test_the_page_shows_the_ways_and_keeps_quiet_hours(told: County, client: TestClient) -> None:
    form_login(client, "liu-yang")
    page = client.get("/account/notifications").text
    assert "短信" in page
    assert "没有登记地址" in page, "no phone is in the secrets file"
    hours = {**form_csrf(client), "starts": "22:30", "ends": "06:30"}
    path = "/account/notifications/quiet"
    assert client.post(path, data=hours, follow_redirects=False).status_code == 303
    assert 'value="22:30"' in client.get("/account/notifications").text
    wrong = client.post(path, data={**hours, "starts": "25:00"}, follow_redirects=False)
    assert wrong.status_code == 422
    client.post(f"{path}/end", data=form_csrf(client))
    with told.engine.connect() as connection:
        assert connection.execute(select(quiet_hours)).all() == []


def test_a_browser_subscribes_for_whoever_is_logged_in(
    told: County, client: TestClient, csrf: Callable[[httpx.Client], dict[str, str]]
) -> None:
    form_login(client, "liu-yang")
    assert len(client.get("/api/v1/push/key").json()["key"]) == 87
    body = {"endpoint": SERVICE, "expirationTime": None, "keys": Browser().keys}
    path = "/api/v1/push/subscriptions"
    assert client.post(path, json=body).status_code == 403, "not without our page's token"
    assert client.post(path, json=body, headers=csrf(client)).status_code == 204
    foreign = {**body, "endpoint": "https://10.0.0.1/admin"}
    assert client.post(path, json=foreign, headers=csrf(client)).status_code == 422
    with told.engine.connect() as connection:
        [row] = connection.execute(select(push_subscriptions)).all()
    assert (row.person, row.endpoint) == ("liu-yang", SERVICE)
    gone = {"endpoint": SERVICE}
    assert client.post(f"{path}/end", json=gone, headers=csrf(client)).status_code == 204
    assert client.post(f"{path}/end", json=gone, headers=csrf(client)).status_code == 404


PHONE = "Mozilla/5.0 (Linux; Android 10; K) Chrome/{}.0.0.0 Mobile Safari/537.36"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def subscribed(county: County) -> list[str]:
    with county.engine.connect() as connection:
        found = connection.execute(select(push_subscriptions.c.endpoint))
        return sorted(endpoint.rpartition("/")[2] for endpoint in found.scalars())


def subscribe(client: TestClient, token: dict[str, str], name: str) -> None:
    body = {"endpoint": f"https://push.example/to/{name}", "keys": Browser().keys}
    answer = client.post("/api/v1/push/subscriptions", json=body, headers=token)
    assert answer.status_code == 204


def test_a_phone_that_was_lost_is_sent_nothing_more(
    told: County, csrf: Callable[[httpx.Client], dict[str, str]]
) -> None:
    app = told.app()
    with (
        TestClient(app, headers={"user-agent": PHONE.format(126)}) as phone,
        TestClient(app, headers={"user-agent": DESK}) as desk,
        TestClient(app) as admin,
    ):
        for name, browser in (("phone", phone), ("desk", desk)):
            form_login(browser, "liu-yang")
            subscribe(browser, csrf(browser), name)
        phone.headers["user-agent"] = PHONE.format(127)
        phone.cookies.clear()
        form_login(phone, "liu-yang")
        lost = phone.get("/api/v1/session").json()["id"]
        answer = desk.post(f"/account/sessions/{lost}/revoke", headers=csrf(desk))
        assert answer.status_code == 200
        assert subscribed(told) == ["desk"], "a browser that was updated is the same one"
        form_login(admin, "admin-gao")
        admin.post("/people/liu-yang/log-out", headers=csrf(admin))
        assert subscribed(told) == []


def test_nobody_subscribes_without_a_login(client: TestClient) -> None:
    body = {"endpoint": SERVICE, "keys": Browser().keys}
    assert client.post("/api/v1/push/subscriptions", json=body).status_code == 401


def test_a_browser_says_what_it_received(told: County, client: TestClient) -> None:
    reference = sent_over(told, "webpush")
    for what in ("delivered", "read", "delivered"):
        body = {"reference": reference, "what": what}
        assert client.post("/api/v1/receipts/webpush", json=body).status_code == 204
    assert state_of(told, reference) == "read"
    body = {"reference": uuid7(told.clock.now()), "what": "read"}
    assert client.post("/api/v1/receipts/webpush", json=body).status_code == 204
    assert client.post("/api/v1/receipts/webpush", json={"reference": "x"}).status_code == 422


@pytest.mark.parametrize(
    "status, state", [("DELIVRD", "delivered"), ("read", "read"), ("UNDELIV", "failed")]
)
@pytest.mark.parametrize("by", ["ours", "theirs"])
def test_a_gateway_says_what_became_of_a_message(
    told: County, client: TestClient, status: str, state: str, by: str
) -> None:
    reference = sent_over(told, "sms")
    name = reference if by == "ours" else "their-7"
    body = json.dumps([{"reference": name, "status": status}, {"reference": "x"}, 7]).encode()
    path = "/api/v1/receipts/sms"
    assert client.post(path, content=body, headers=signed(told, body)).status_code == 204
    assert state_of(told, reference) == state


def test_a_gateway_that_cannot_sign_names_the_key(told: County, client: TestClient) -> None:
    reference = sent_over(told, "sms")
    form = {"reference": reference, "status": "DELIVRD"}
    assert client.post("/api/v1/receipts/sms?key=wrong", data=form).status_code == 403
    assert client.post(f"/api/v1/receipts/sms?key={KEY}", data=form).status_code == 204
    assert state_of(told, reference) == "delivered"


def test_receipts_of_strangers_change_nothing(told: County, client: TestClient) -> None:
    reference = sent_over(told, "sms")
    body = json.dumps({"reference": reference, "status": "DELIVRD"}).encode()
    path, headers = "/api/v1/receipts/sms", signed(told, body)
    assert client.post(path, content=body).status_code == 403
    assert client.post(path, content=body, headers=signed(told, body, "other")).status_code == 403
    assert client.post(path, content=body + b" ", headers=headers).status_code == 403
    assert client.post("/api/v1/receipts/none", content=body, headers=headers).status_code == 404
    old = signed_headers(KEY, told.clock.now() - timedelta(minutes=6), body)
    assert client.post(path, content=body, headers=old).status_code == 403
    foreign = json.dumps({"reference": "9", "status": "DELIVRD"}).encode()
    headers = signed(told, foreign)
    assert client.post(path, content=foreign, headers=headers).status_code == 404
    assert state_of(told, reference) == "accepted"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from(["application/json", "x-www-form-urlencoded"]))
def test_whatever_a_gateway_sends_is_answered(
    told: County, client: TestClient, body: bytes, kind: str
) -> None:
    headers = {**signed(told, body), "Content-Type": kind}
    answer = client.post("/api/v1/receipts/sms", content=body, headers=headers)
    assert answer.status_code in (204, 404, 422)


def test_a_nest_without_end_is_no_receipt(told: County, client: TestClient) -> None:
    body = b"[" * 20_000
    answer = client.post("/api/v1/receipts/sms", content=body, headers=signed(told, body))
    assert answer.status_code in (404, 422)
