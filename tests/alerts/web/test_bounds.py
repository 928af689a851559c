"""Bounds of the live stream: open streams per session, and cards rendered once for all."""

from __future__ import annotations

from contextlib import ExitStack

import httpx

from alerts.web.alert.card_cache import PER_SESSION, CardCache
from alerts.web.alert.cards import Looks
from alerts.web.alert.stream import STREAMS_PER_SESSION
from tests.alerts.web.conftest import form_login


def test_a_session_has_a_bounded_number_of_streams(running):
    with httpx.Client(base_url=running.url, timeout=60) as client, ExitStack() as streams:
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
        with httpx.Client(base_url=running.url, timeout=60) as another:
            assert form_login(another, "wang-fang").status_code == 303
            with another.stream("GET", "/live?after=0") as answer:
                assert answer.status_code == 200


def test_what_looks_the_same_is_rendered_once(county):
    cars = [county.car(f"冀T8K2L{number}") for number in range(2)]
    items = [change.for_viewer(county.police()) for change in county.service.changes(after=0)]
    assert [item.alert.id for item in items] == [car.id for car in cars]
    cache, renderings = CardCache(), []

    def block(looks, *shown):
        def render(item):
            renderings.append((looks, item.alert.id))
            return f"{item.alert.id} {PER_SESSION};"

        return cache.block(shown, looks=looks, now=county.clock.now(), render=render)

    answers = Looks(may_answer=True, may_review=False)
    looks_on = Looks(may_answer=False, may_review=False)
    both = "".join(f"{car.id} {PER_SESSION};" for car in cars)
    assert block(answers, *items) == block(answers, *items) == both
    assert block(answers, items[0]) == f"{cars[0].id} {PER_SESSION};"
    assert renderings == [(answers, car.id) for car in cars]
    assert block(looks_on, *items) == both
    assert renderings[2:] == [(looks_on, car.id) for car in cars], "other looks, another rendering"
    county.clock.advance(1)
    block(answers, items[0])
    assert len(renderings) == 5, "times on it are relative to now"


def test_each_session_gets_its_own_token_in_a_shared_card(running):
    position = running.county.service.position()
    alert = running.county.car("冀T8K2L6")
    seen = set()
    for _ in range(2):
        with httpx.Client(base_url=running.url, timeout=60) as client:
            form_login(client, "police-desk")
            token = client.get("/api/v1/session").json()["csrf_token"]
            with client.stream("GET", f"/live?after={position}") as answer:
                line = next(text for text in answer.iter_lines() if alert.id in text)
            assert f'value=\\"{token}\\"' in line
            assert PER_SESSION not in line
            seen.add(token)
    assert len(seen) == 2
