"""Secrets never print, the environment is checked in words, and the fake clock obeys."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.clock import FakeClock, local_text
from config.errors import UserError
from config.logs import configure_logs, get_logger, redact_event, redact_text
from config.secrets import Secrets, load_secrets
from config.settings import load_settings

SECRETS = """
[cameras.gate]
user = "admin"
password = "p@ss/word"
[people.wang]
password = "opensesame"
phone = "13812345678"
"""


def secrets_file(folder: Path, text: str = SECRETS, mode: int = 0o600) -> Path:
    path = folder / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_credentials_reach_the_stream_address_and_nothing_else(tmp_path: Path) -> None:
    secrets = load_secrets(secrets_file(tmp_path))
    url = secrets.stream_url("gate", "rtsp://10.0.0.5:554/main")
    assert url == "rtsp://admin:p%40ss%2Fword@10.0.0.5:554/main"
    assert secrets.stream_url("other", "rtsp://10.0.0.6/main") == "rtsp://10.0.0.6/main"
    for shown in (repr(secrets), str(secrets), secrets.model_dump_json()):
        assert "opensesame" not in shown
        assert "p@ss" not in shown
        assert "13812345678" not in shown


def test_a_secrets_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="chmod 600"):
        load_secrets(secrets_file(tmp_path, mode=0o644))


def test_a_wrong_secrets_file_is_explained_without_its_values(tmp_path: Path) -> None:
    wrong = SECRETS.replace("phone", "fone")
    with pytest.raises(UserError) as caught:
        load_secrets(secrets_file(tmp_path, wrong))
    assert "fone" in str(caught.value)
    assert "13812345678" not in str(caught.value)
    with pytest.raises(UserError) as caught:
        load_secrets(secrets_file(tmp_path, 'password = "hunter2" x'))
    assert "hunter2" not in str(caught.value)
    assert load_secrets(None) == Secrets()


@given(st.text(alphabet="abcXYZ019!$%&", min_size=1, max_size=20))
def test_a_password_in_an_address_never_reaches_a_log(password: str) -> None:
    line = redact_event(None, "info", {"event": f"open rtsp://admin:{password}@10.0.0.5/main"})
    assert line["event"] == "open rtsp://***@10.0.0.5/main"


def test_secrets_and_phones_are_blanked_at_any_depth() -> None:
    line = redact_event(
        None,
        "info",
        {"event": "told 13812345678", "node_token": "abc", "more": [{"password": "x", "n": 3}]},
    )
    assert line == {
        "event": "told 138****5678",
        "node_token": "***",
        "more": [{"password": "***", "n": 3}],
    }
    assert redact_text("event 01a20c9f-f254-7afd-913c-a13812345678") == (
        "event 01a20c9f-f254-7afd-913c-a13812345678"
    )


def test_a_wrong_variable_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENSHEN_BROKER", "http://user:secret@host")
    with pytest.raises(UserError) as caught:
        load_settings()
    assert "MENSHEN_BROKER" in str(caught.value)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("MENSHEN_BROKER", "mqtt://127.0.0.1:1883")
    assert load_settings().broker == "mqtt://127.0.0.1:1883"


def test_times_are_shown_in_local_time_with_the_zone() -> None:
    assert local_text(datetime(2026, 3, 1, 0, 15, tzinfo=UTC)) == "2026-03-01 08:15:00 UTC+08:00"
    with pytest.raises(ValueError, match="timezone"):
        local_text(datetime(2026, 3, 1))


def test_a_waiter_wakes_when_the_clock_is_moved_past_its_deadline() -> None:
    clock = FakeClock()
    woke: list[bool] = []
    waiter = threading.Thread(target=lambda: woke.append(clock.wait(threading.Event(), 60)))
    waiter.start()
    clock.advance(30)
    assert waiter.is_alive()
    clock.advance(31)
    waiter.join(timeout=60)
    assert woke == [False]
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


def test_a_replaced_or_closed_standard_error_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    try:
        configure_logs(style="json")
        now = io.StringIO()
        monkeypatch.setattr(sys, "stderr", now)
        get_logger("test").warning("open rtsp://u:geheim@camera/1")
        assert json.loads(now.getvalue())["event"] == "open rtsp://***@camera/1"
        now.close()
        get_logger("test").warning("nobody hears this")
    finally:
        logging.getLogger().handlers, logging.getLogger().level = handlers, level


@pytest.mark.parametrize("login", ["admin:w-x9", "admin:p@w-x9", "admin:p/w-x9", "@w-x9"])
def test_a_password_is_hidden_to_its_end_however_it_is_written(login: str) -> None:
    shown = redact_text(f"cannot open 'rtsp://{login}@10.0.0.5:554/main' of gate-1")
    assert "w-x9" not in shown
    assert shown.endswith("@10.0.0.5:554/main' of gate-1")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[nodes]\nnode-east = ""', "nodes.node-east"),
        ('[people.wang]\npassword = ""', "people.wang.password"),
        ('[web]\nmetrics_token = ""', "web.metrics_token"),
    ],
)
def test_a_place_left_empty_opens_no_door(tmp_path: Path, text: str, field: str) -> None:
    """Whoever sends nothing would know it."""
    with pytest.raises(UserError) as caught:
        load_secrets(secrets_file(tmp_path, text))
    assert caught.value.field == field


def test_a_secrets_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    assert "gate" in load_secrets(secrets_file(tmp_path, "\ufeff" + SECRETS)).cameras
