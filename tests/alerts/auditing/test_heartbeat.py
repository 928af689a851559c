"""The dead man's switch: heard while every part is alive, silent when one is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from alerts.auditing.heartbeat import ALIVE_WITHIN_S, Heartbeat, Pulse
from alerts.centre import Centre, Plan
from config.clock import FakeClock, SystemClock
from config.errors import UserError
from config.secrets import Secrets
from config.settings import Settings, load_settings
from config.site import Site
from ingest.trouble import Troubles


class Outside:
    """An address that counts who calls, and answers as told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.called = threading.Event()
        self.answer = 200
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outside.calls.append(self.path)
                self.send_response(outside.answer)
                self.end_headers()
                outside.called.set()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/secret"

    @contextmanager
    def listening(self) -> Iterator[Outside]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def outside() -> Iterator[Outside]:
    with Outside().listening() as address:
        yield address


def test_it_calls_while_all_are_alive_and_stops_when_one_is_not(outside: Outside) -> None:
    clock = FakeClock()
    pulse = Pulse(clock)
    router = pulse.watch("router", lambda: 3)
    timers = pulse.watch("timers", lambda: 0)
    heartbeat = Heartbeat(outside.url, pulse, Troubles(clock))
    try:
        for _ in range(5):
            clock.advance(60)
            assert (router(), timers()) == (3, 0)
            heartbeat.run_once()
        assert outside.calls == ["/ping/secret"] * 5
        clock.advance(ALIVE_WITHIN_S + 1)
        timers()
        assert pulse.silent() == ["router"]
        heartbeat.run_once()
        assert len(outside.calls) == 5
        router()
        heartbeat.run_once()
        assert len(outside.calls) == 6, "it goes on by itself"
    finally:
        heartbeat.close()


def test_a_part_that_cannot_store_for_minutes_silences_it(outside: Outside) -> None:
    clock = FakeClock()
    troubles = Troubles(clock)
    heartbeat = Heartbeat(outside.url, Pulse(clock), troubles)
    troubles.say("ingest", "a restart of the database")
    heartbeat.run_once()
    assert len(outside.calls) == 1, "a moment is no alarm"
    for _ in range(4):
        clock.advance(50)
        troubles.say("ingest", "the disk is full")
    heartbeat.run_once()
    assert len(outside.calls) == 1
    troubles.clear("ingest")
    heartbeat.run_once()
    heartbeat.close()
    assert len(outside.calls) == 2


def test_a_part_that_only_fails_counts_as_silent() -> None:
    clock = FakeClock()
    pulse = Pulse(clock)

    def broken() -> int:
        raise OSError("the database is away")

    work = pulse.watch("router", broken)
    clock.advance(ALIVE_WITHIN_S + 1)
    with pytest.raises(OSError, match="away"):
        work()
    assert pulse.silent() == ["router"]


@pytest.mark.parametrize("answer", [404, 500, 302])
def test_an_address_that_refuses_stops_nothing(
    outside: Outside, answer: int, capfd: pytest.CaptureFixture[str]
) -> None:
    outside.answer = answer
    heartbeat = Heartbeat(outside.url, Pulse(FakeClock()), Troubles(FakeClock()))
    assert heartbeat.run_once() == 0
    heartbeat.close()
    away = Heartbeat("http://127.0.0.1:1/secret", Pulse(FakeClock()), Troubles(FakeClock()))
    assert away.run_once() == 0
    away.close()
    said = "".join(capfd.readouterr())
    assert "secret" not in said, "the address may hold a token"


def test_a_running_centre_calls_the_address_of_its_settings(
    outside: Outside, tmp_path: Path, example_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MENSHEN_DATABASE", raising=False)
    settings = Settings(data_dir=tmp_path / "centre", heartbeat_url=outside.url)
    plan = Plan(example_site, Secrets(), settings, parts=frozenset({"router"}))
    centre = Centre(plan, SystemClock())
    centre.start()
    try:
        assert outside.called.wait(60)
    finally:
        centre.stop()


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENSHEN_HEARTBEAT_URL", "ftp://nowhere")
    with pytest.raises(UserError, match="MENSHEN_HEARTBEAT_URL"):
        load_settings()
