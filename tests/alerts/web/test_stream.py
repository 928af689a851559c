"""The stream over a real connection: it resumes, ends with its session, and holds no thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import pytest

from alerts.web.alert import stream as stream_module
from alerts.web.home.homes import Homes


@dataclass(frozen=True)
class Message:
    """One server-sent event as a client sees it."""

    event: str
    data: dict[str, object]
    id: int | None


def parse(lines: Iterator[str]) -> Iterator[Message]:
    """Messages of an event stream (HTML standard, 9.2.6)."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "":
            if "event" in fields:
                position = int(fields["id"]) if "id" in fields else None
                yield Message(fields["event"], json.loads(fields["data"]), position)
            fields = {}
        elif not line.startswith(":"):
            name, value = line.split(": ", 1)
            fields[name] = value


@pytest.fixture
def client(running, log_in) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        log_in(client, "police-desk")
        yield client


@contextmanager
def listening(client: httpx.Client, path: str = "/api/v1/stream", **headers: str):
    with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parse(answer.iter_lines())


def alerts(messages: Iterator[Message], count: int) -> list[Message]:
    """The next ``count`` alerts, beats left out."""
    found: list[Message] = []
    while len(found) < count:
        message = next(messages)
        if message.event == "alert":
            found.append(message)
    return found


def test_an_alert_arrives_while_one_listens(client, running):
    with listening(client) as messages:
        assert next(messages).event == "beat"
        raised = running.county.car("冀T8K2L6")
        (message,) = alerts(messages, 1)
    assert message.data["id"] == raised.id
    assert message.data["plate"]["text"] == "冀T8K2L6"
    assert message.id == raised.position


def test_between_list_and_stream_nothing_is_missed(client, running):
    position = client.get("/api/v1/alerts").json()["position"]
    raised = [running.county.car(f"冀T1000{i}").id for i in range(3)]
    with listening(client, f"/api/v1/stream?after={position}") as messages:
        assert [m.data["id"] for m in alerts(messages, 3)] == raised


def test_a_cut_connection_goes_on_where_it_was_without_missing_or_repeating(client, running):
    county = running.county
    with listening(client) as messages:
        assert next(messages).event == "beat"
        first = county.car("冀T10001")
        (seen,) = alerts(messages, 1)
    missed = [county.car(f"冀T2000{i}") for i in range(3)]
    with listening(client, **{"Last-Event-ID": str(seen.id)}) as messages:
        got = alerts(messages, 3)
        last = county.car("冀T30003")
        got += alerts(messages, 1)
    assert [m.data["id"] for m in got] == [*(a.id for a in missed), last.id]
    assert first.id not in {m.data["id"] for m in got}
    assert [m.id for m in got] == sorted({m.id for m in got})


def test_the_browsers_last_event_id_is_newer_than_the_address(client, running):
    county = running.county
    first, second = county.car("冀T10001"), county.car("冀T10002")
    headers = {"Last-Event-ID": str(first.position)}
    with listening(client, "/api/v1/stream?after=0", **headers) as messages:
        assert alerts(messages, 1)[0].data["id"] == second.id


@pytest.mark.parametrize("garbage", ["abc", "-1", "1.5", "９", ""])
def test_a_malformed_last_event_id_is_as_none(client, running, garbage):
    first = running.county.car("冀T10001")
    headers = {"Last-Event-ID": garbage.encode()}
    with client.stream("GET", "/api/v1/stream?after=0", headers=headers) as answer:
        assert alerts(parse(answer.iter_lines()), 1)[0].data["id"] == first.id


def test_more_than_one_read_behind_still_comes_in_order(client, running, monkeypatch):
    monkeypatch.setattr("alerts.web.alert.broadcast.BATCH", 3)
    raised = [running.county.car(f"冀T5000{i}").id for i in range(8)]
    with listening(client, "/api/v1/stream?after=0") as messages:
        assert [m.data["id"] for m in alerts(messages, 8)] == raised


def test_a_position_of_another_database_asks_for_a_fresh_list(client):
    with listening(client, "/api/v1/stream?after=999999") as messages:
        assert [m.event for m in messages] == ["reset"]


def test_each_sees_their_own_scope_in_the_stream(running, log_in):
    county = running.county
    county.car("冀T10001", camera="east-gate-in")
    theirs = county.car("冀T20002", camera="lixiang-road")
    with httpx.Client(base_url=running.url, timeout=60) as worker:
        log_in(worker, "sun-mei")
        with listening(worker, "/api/v1/stream?after=0") as messages:
            assert alerts(messages, 1)[0].data["id"] == theirs.id


def test_what_a_home_granted_and_took_back_is_not_streamed_again(running, log_in):
    county, homes = running.county, Homes(running.county.engine, running.county.clock)
    with httpx.Client(base_url=running.url, timeout=60) as client:
        log_in(client, "sun-mei")
        position = client.get("/api/v1/alerts").json()["position"]
        with listening(client, f"/api/v1/stream?after={position}") as messages:
            assert next(messages).event == "beat"
            alert = county.car("冀T8K2L6", camera="home-li-qiang")
            alerts(messages, 1)
            homes.grant(alert_id=alert.id, owner="li-qiang", person="sun-mei")
            county.car("冀T8K2L6", camera="home-li-qiang")
            (shown,) = alerts(messages, 1)
            assert shown.data["plate"]["text"] == "冀T8K2L6"
        homes.end_grants(alert_id=alert.id, owner="li-qiang")
        with listening(client, f"/api/v1/stream?after={position}") as messages:
            again = alerts(messages, 2)
    assert [message.data["plate"] for message in again] == [None, None]


def test_a_revoked_session_ends_its_stream_before_the_next_alert(client, running):
    county = running.county
    session = client.get("/api/v1/session").json()["id"]
    with listening(client) as messages:
        assert next(messages).event == "beat"
        sessions = running.server._app.state.web.sessions
        assert sessions.revoke(session, person_id="police-desk")
        county.car("冀T8K2L6")
        assert [m.event for m in messages] == ["session-ended"]


def test_a_quiet_stream_beats_with_the_servers_time(client, monkeypatch):
    monkeypatch.setattr(stream_module, "KEEP_ALIVE_S", 0.05)
    with listening(client) as messages:
        beats = [next(messages) for _ in range(3)]
    assert {m.event for m in beats} == {"beat"}
    assert all("now" in m.data for m in beats)


def test_many_streams_hold_no_threads(running, log_in):
    before = threading.active_count()
    with ExitStack() as stack:
        opened = []
        for _ in range(6):
            one = httpx.Client(base_url=running.url, timeout=60, limits=httpx.Limits())
            stack.enter_context(one)
            log_in(one, "police-desk")
            for _ in range(10):
                opened.append(stack.enter_context(one.stream("GET", "/api/v1/stream")))
        lines = [parse(answer.iter_lines()) for answer in opened]
        for messages in lines:
            assert next(messages).event == "beat"
        raised = running.county.car("冀T8K2L6")
        for messages in lines:
            assert alerts(messages, 1)[0].data["id"] == raised.id
        # The pool for ordinary requests may have grown to its own bound; streams add none.
        assert threading.active_count() - before < 45


def test_a_stop_ends_open_streams(client, running):
    with listening(client) as messages:
        assert next(messages).event == "beat"
        running.stop()
        assert list(messages) == []
    running.start()


def test_the_page_stream_carries_finished_cards(client, running):
    raised = running.county.car("冀T8K2L6")
    with listening(client, "/live?after=0") as messages:
        (message,) = alerts(messages, 1)
    assert message.data["id"] == raised.id
    assert f'id="alert-{raised.id}"' in message.data["html"]
    assert "收到，我来处理" in message.data["html"]


def test_a_stranger_gets_no_stream(running):
    with httpx.Client(base_url=running.url, timeout=60) as stranger:
        assert stranger.get("/api/v1/stream").status_code == 401
        assert stranger.get("/live").status_code == 401
