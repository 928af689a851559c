"""The service worker in a real Chromium: a push message is shown, receipted, and opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from alerts.channels.push import new_private_key
from alerts.store import schema
from config.channel_secrets import PushSecret
from tests.alerts.web.conftest import RunningWeb, Somebody
from tests.alerts.web.county import County
from tests.providers import wait_for

pytestmark = pytest.mark.browser


def delivery_over_push(county: County) -> tuple[str, str]:
    """A car passes, and its notice went by push; returns its reference and its alert."""
    alert = county.car("冀T1")
    sent = schema.deliveries
    with county.engine.begin() as connection:
        connection.execute(update(sent).values(channel="webpush", state="accepted"))
        return str(connection.execute(select(sent.c.id)).scalar_one()), alert.id


def state_of(county: County, reference: str) -> str:
    sent = schema.deliveries.c
    with county.engine.connect() as connection:
        return str(connection.execute(select(sent.state).where(sent.id == reference)).scalar_one())


def registration(page: Any) -> tuple[Any, str]:
    """The browser's tools, and the id of the page's service worker registration."""
    found: list[str] = []
    tools = page.context.new_cdp_session(page)

    def noted(event: dict[str, Any]) -> None:
        found.extend(item["registrationId"] for item in event["registrations"])

    tools.on("ServiceWorker.workerRegistrationUpdated", noted)
    tools.send("ServiceWorker.enable")
    page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
    # The page's own wait lets the browser's messages through meanwhile.
    assert wait_for(lambda: page.wait_for_timeout(50) or bool(found)), "no registration was told"
    return tools, found[0]


def test_a_push_message_is_shown_receipted_and_opened(
    running: RunningWeb, somebody: Callable[..., Somebody]
) -> None:
    county = running.county
    identity = PushSecret(private_key=SecretStr(new_private_key()), contact="mailto:a@b.example")
    county.secrets = county.secrets.model_copy(update={"push": identity})
    running.stop()
    running.start()
    reference, alert = delivery_over_push(county)
    person = somebody()
    person.page.context.grant_permissions(["notifications"], origin=running.url)
    page = person.log_in("wang-fang")
    page.goto(f"{running.url}/account/notifications")
    tools, number = registration(page)

    def becomes(state: str) -> bool:
        # The page's own wait lets the browser's messages through meanwhile.
        return wait_for(lambda: page.wait_for_timeout(50) or state_of(county, reference) == state)

    message = {
        "title": "【注意 notice】东门小区入口",
        "body": "车牌",
        "link": f"{running.url}/alerts/{alert}",
        "tag": alert,
        "reference": reference,
        "severity": "notice",
    }
    tools.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": running.url, "registrationId": number, "data": json.dumps(message)},
    )
    assert wait_for(
        lambda: (page.wait_for_timeout(50), state_of(county, reference))[1] == "delivered"
    )
    shown = (
        "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((l) => l[0].title)"
    )
    assert page.evaluate(shown) == message["title"]
    [worker] = page.context.service_workers
    worker.evaluate(
        "async () => { const [notification] = await self.registration.getNotifications();"
        " self.dispatchEvent(new NotificationEvent('notificationclick', { notification })); }"
    )
    assert becomes("read")
