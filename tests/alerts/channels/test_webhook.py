"""Webhooks against a real HTTP server that answers, refuses, asks to wait, or says nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from alerts.channels.answers import retry_after
from alerts.channels.claims import claim
from alerts.channels.webhook import WebhookChannel
from alerts.store import schema
from alerts.telling.dispatcher import MOST_ATTEMPTS, Dispatcher
from config.errors import UserError
from config.site import Site, Webhook
from ingest.engine import writing
from tests.alerts.county import County, county_at, sqlite_url

KEY = "a long random text"


@dataclass
class Receiver:
    """What arrived, and what will be answered; ``None`` hangs until the test ends."""

    answers: list[tuple[int, dict[str, str]] | None] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers.items()), body))
            answer = state.answers.pop(0) if state.answers else (200, {})
            if answer is None:
                state.over.wait(30)
                return
            self.send_response(answer[0])
            for name, value in answer[1].items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield state
    state.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def sending(
    folder: Path, site: Site, url: str, *, timeout_s: float = 5
) -> Iterator[tuple[County, Dispatcher]]:
    """A county with one webhook, and the dispatcher that works it off."""
    hooked = site.model_copy(update={"webhooks": (Webhook(id="desk", url=url),)})
    with county_at(sqlite_url(folder), hooked) as county:
        channel = WebhookChannel(
            hooked, {"desk": SecretStr(KEY)}, county.clock, timeout_s=timeout_s
        )
        dispatcher = Dispatcher(
            county.engine,
            hooked,
            county.clock,
            channel=channel,
            base_url="https://menshen.example/",
        )
        try:
            yield county, dispatcher
        finally:
            dispatcher.close()


def state_of(county: County) -> tuple[str, int, str]:
    sent = schema.deliveries
    with county.engine.connect() as connection:
        row = connection.execute(select(sent).where(sent.c.channel == "webhook")).one()
    return row.state, row.attempts, row.error


def test_it_is_signed_keyed_and_carries_a_link_but_no_picture_and_no_plate(
    tmp_path: Path, example_site: Site, receiver: Receiver
) -> None:
    with sending(tmp_path, example_site, receiver.url) as (county, dispatcher):
        alert = county.see(county.plate())[0]
        assert dispatcher.run_once() == 1
        assert state_of(county) == ("accepted", 1, "")
    headers, body = receiver.got[0]
    message = headers["Menshen-Timestamp"].encode() + b"." + body
    expected = hmac.new(KEY.encode(), message, hashlib.sha256).hexdigest()
    assert headers["Menshen-Signature"] == f"sha256={expected}"
    assert headers["Idempotency-Key"].startswith(alert.id)
    sent = json.loads(body)
    assert sent["link"] == f"https://menshen.example/alerts/{alert.id}"
    assert sent["state"] == "open"
    assert "A12345" not in body.decode()
    assert not {"thumbnail", "evidence", "plate"} & sent.keys()


@pytest.mark.parametrize("answer", [429, 500, 503])
def test_it_tries_again_later_under_the_same_key(
    tmp_path: Path, example_site: Site, receiver: Receiver, answer: int
) -> None:
    receiver.answers = [(answer, {"Retry-After": "90"}), (200, {})]
    with sending(tmp_path, example_site, receiver.url) as (county, dispatcher):
        county.see(county.plate())
        dispatcher.run_once()
        assert state_of(county) == ("pending", 1, f"answered {answer}")
        county.clock.advance(89)
        assert dispatcher.run_once() == 0, "not sooner than the receiver asked"
        county.clock.advance(2)
        assert dispatcher.run_once() == 1
        assert state_of(county)[0] == "accepted"
    keys = {headers["Idempotency-Key"] for headers, _ in receiver.got}
    assert (len(receiver.got), len(keys)) == (2, 1)


def test_silence_is_a_failure_that_is_tried_again(
    tmp_path: Path, example_site: Site, receiver: Receiver
) -> None:
    receiver.answers = [None]
    with sending(tmp_path, example_site, receiver.url, timeout_s=0.2) as (county, dispatcher):
        county.see(county.plate())
        dispatcher.run_once()
        assert state_of(county) == ("pending", 1, "no answer in time")


def test_a_refusal_is_final_and_its_reason_is_kept(
    tmp_path: Path, example_site: Site, receiver: Receiver
) -> None:
    receiver.answers = [(403, {})]
    with sending(tmp_path, example_site, receiver.url) as (county, dispatcher):
        event = county.plate()
        county.see(event)
        dispatcher.run_once()
        assert state_of(county) == ("failed", 1, "answered 403")
        county.clock.advance(86_400)
        assert dispatcher.run_once() == 0
        reasons = [item.reason_en for item in county.service.explain(event.id).decisions]
    assert "could not be delivered (webhook: answered 403)" in reasons


def test_nobody_there_is_given_up_after_half_an_hour_of_trying(
    tmp_path: Path, example_site: Site, free_port: int
) -> None:
    with sending(tmp_path, example_site, f"http://127.0.0.1:{free_port}/") as (county, dispatcher):
        county.see(county.plate())
        for _ in range(MOST_ATTEMPTS):
            assert dispatcher.run_once() == 1
            county.clock.advance(361)
        assert dispatcher.run_once() == 0
        assert state_of(county)[:2] == ("failed", MOST_ATTEMPTS)


def test_a_dispatcher_that_died_is_relieved_and_the_key_stays(
    tmp_path: Path, example_site: Site, receiver: Receiver
) -> None:
    with sending(tmp_path, example_site, receiver.url) as (county, dispatcher):
        county.see(county.plate())
        with writing(county.engine) as connection:
            dead = claim(connection, dispatcher.channel, limit=1, now=county.clock.now())
        assert len(dead) == 1, "claimed, and then it died"
        assert dispatcher.run_once() == 0
        county.clock.advance(121)
        assert dispatcher.run_once() == 1
        assert state_of(county)[:2] == ("accepted", 2)


def test_alerts_of_a_home_leave_for_no_webhook(
    tmp_path: Path, example_site: Site, receiver: Receiver
) -> None:
    with sending(tmp_path, example_site, receiver.url) as (county, dispatcher):
        event = county.face()
        county.see(event)
        assert dispatcher.run_once() == 0
        reasons = [item.reason_en for item in county.service.explain(event.id).decisions]
    assert "alerts of a home leave for no webhook" in reasons
    assert receiver.got == []


def test_a_webhook_without_a_key_is_refused_at_the_start(example_site: Site, clock: Any) -> None:
    hooked = example_site.model_copy(update={"webhooks": (Webhook(id="desk", url="http://x"),)})
    with pytest.raises(UserError, match=r"webhooks\.desk"):
        WebhookChannel(hooked, {}, clock)


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, None),
        ("7", timedelta(seconds=7)),
        ("99999999999999", timedelta(hours=1)),
        ("Mon, 02 Mar 2026 02:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 02 Mar 2020 02:00:30 GMT", timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("5²", None),
    ],
)
def test_what_retry_after_asks_for(value: str | None, expected: timedelta | None) -> None:
    assert retry_after(value, datetime(2026, 3, 2, 2, tzinfo=UTC)) == expected
