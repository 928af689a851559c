"""Bounds of the live stream: open streams per session, and cards rendered once for all."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
from fastapi.testclient import TestClient

from alerts.web.alert.stream import STREAMS_PER_SESSION
from alerts.web.people.auth import Visitor
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
        renderings: list[str] = []
        texts = []
        for person in ("police-desk", "police-desk", "wang-fang"):
            client.cookies.clear()
            form_login(client, person)
            token = client.get("/api/v1/session").json()["csrf_token"]
            visitor = _visitor(client, web, person)

            def render(who, seen):
                renderings.append(who.person.id)
                return f"{seen.id} {who.session.csrf_token}"

            texts.append(
                (web.cards.text(visitor, alert, now=county.clock.now(), render=render), token)
            )
    assert [text for text, _ in texts] == [f"{alert.id} {token}" for _, token in texts]
    assert renderings == ["police-desk", "wang-fang"], "another role, another rendering"


def _visitor(client, web, person_id):
    session = web.sessions.find(client.cookies["menshen-session"])
    person = web.site.person(person_id)
    return Visitor(person, session, None)
