"""Bounds of the live stream: open streams per session, and cards rendered once for all."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
from fastapi.testclient import TestClient

from alerts.web.alert.cards import Looks
from alerts.web.alert.stream import STREAMS_PER_SESSION
from tests.alerts.web.conftest import form_login


def test_a_session_has_a_bounded_number_of_streams(running):
    with httpx.Client(base_url=running.url, timeout=20) as client, ExitStack() as streams:
        assert form_login(client, "wang-fang").status_code == 303
        bodies = []
        for _ in range(STREAMS_PER_SESSION):
            answer = streams.enter_context(client.stream("GET", "/live?after=0"))
            assert answer.status_code == 200
            # Kept: httpx hangs up when the iterator is gone.
            bodies.append(answer.iter_raw())
            next(bodies[-1])
        with client.stream("GET", "/live?after=0") as one_more:
            assert one_more.status_code == 429
        with httpx.Client(base_url=running.url, timeout=20) as another:
            assert form_login(another, "wang-fang").status_code == 303
            with another.stream("GET", "/live?after=0") as answer:
                assert answer.status_code == 200


def test_a_card_is_rendered_once_and_carries_each_sessions_own_token(county):
    alert = county.car("冀T8K2L6")
    with TestClient(county.app()) as client:
        web = client.app.state.web
        renderings: list[Looks] = []

        def render(looks, seen, token):
            renderings.append(looks)
            return f"{seen.id} {token}"

        def text(looks, token):
            return web.cards.text(
                looks, alert, csrf_token=token, now=county.clock.now(), render=render
            )

        answers = Looks(may_answer=True, may_review=False)
        looks_on = Looks(may_answer=False, may_review=False)
        texts = [text(answers, "one"), text(answers, "two"), text(looks_on, "three")]
    assert texts == [f"{alert.id} {token}" for token in ("one", "two", "three")]
    assert renderings == [answers, looks_on], "other looks, another rendering"
