"""A connection that the server has ended is found before it is used, if it lay idle."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ingest import engine as engines
from ingest.engine import open_engine, reading


def test_an_idle_connection_that_the_server_ended_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    with reading(engine) as connection:
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with reading(other) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
    monkeypatch.setattr(engines, "IDLE_S", -1.0)
    with reading(engine) as connection:
        second = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    assert second != first
    engine.dispose()
    other.dispose()
